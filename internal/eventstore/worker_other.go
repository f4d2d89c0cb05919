//go:build !linux

package eventstore

import "syscall"

// dieWithParent leaves it to the end of stdin.
func dieWithParent() *syscall.SysProcAttr { return nil }
