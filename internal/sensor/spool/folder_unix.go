//go:build !windows

package spool

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock of a folder, which ends with this process; an error says that another one has it.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// diskFull says whether an error means that the disk, or this user's share of it, is full.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// readOnly says whether an error means that nobody may write there.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
