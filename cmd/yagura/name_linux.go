package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// name gives a worker a name in ps and top: it is run from a descriptor, and the kernel would call it by the number of
// that. It comes first in main, on the thread whose name is the process's.
func name(args []string) {
	if len(args) == 2 && args[0] == "worker" {
		if b, err := unix.BytePtrFromString("yagura-" + args[1]); err == nil {
			_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(b)), 0, 0, 0) //nolint:gosec // how the call takes it
		}
	}
}
