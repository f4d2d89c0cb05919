package main

import (
	"io/fs"
	"path/filepath"
	"testing"
)

// What a server and its workers make is for the server's user alone, whatever the umask of who started it.
func TestFilesOfARunningServerAreItsUsersAlone(t *testing.T) {
	c := newCounter(t)
	err := filepath.WalkDir(c.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == c.data {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o; want nothing for others", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
