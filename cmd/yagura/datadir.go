package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/private"
)

// dataDir is the server's own folder, held by one process at a time.
type dataDir struct {
	path string
	lock *flock.Flock
}

// openDataDir makes the folder (0700), refuses one that others had a hand in, and takes its lock. A second server on
// the same data is told who holds it.
func openDataDir(path string) (*dataDir, error) {
	whole, err := private.Make(path)
	switch {
	case errors.Is(err, private.ErrForeign):
		return nil, fmt.Errorf("data directory %s is refused: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("make data directory %s: %w: choose another with --data, or make it writable for this user", path, err)
	}
	path = whole
	lock := flock.New(filepath.Join(path, "lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !held {
		who := "another process"
		if b, err := os.ReadFile(filepath.Join(path, "pid")); err == nil {
			who = fmt.Sprintf("process %s", strings.TrimSpace(string(b)))
		}
		return nil, fmt.Errorf("%s is in use by %s: stop that one, or choose another folder with --data", path, who)
	}
	d := &dataDir{path: path, lock: lock}
	if err := durable.Replace(d.file("pid"), []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) close() error {
	err := os.Remove(d.file("pid"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.lock.Unlock())
}
