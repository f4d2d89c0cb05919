//go:build !linux

package spool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// syncData makes what was written last.
func syncData(f *os.File) error { return f.Sync() }

// freeBytes gives nothing: this system is not asked.
func freeBytes(string) (n int64, ok bool) { return 0, false }

// inMemory gives false: this system is not asked, and the tally goes into the spool's own folder.
func inMemory(string) bool { return false }

// mapFile gives no memory: this system is not asked, and the spool says that it has no tally.
func mapFile(*os.File, int) ([]byte, error) {
	return nil, fmt.Errorf("map a file: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}

func unmapFile([]byte) error { return nil }
