package spool

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// syncData makes what was written last: the content and the size, not the times.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// freeBytes gives the room that is left on the disk of a folder; ok is false when the disk does not tell.
func freeBytes(dir string) (n int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * st.Bsize, true
}

// inMemory says whether a folder, or the one that it would be made in, is on a file system in memory.
func inMemory(dir string) bool {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return st.Type == unix.TMPFS_MAGIC
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || up == dir {
			return false
		}
		dir = up
	}
}

// mapFile gives the first n bytes of a file as memory: who is killed after a store has stored.
func mapFile(f *os.File, n int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmapFile(m []byte) error { return unix.Munmap(m) }
