//go:build duckdb && duckdb_arrow

package duck

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_AARCH64

// callsHere are allowed calls that other architectures do not have, or under another name.
var callsHere = [...]uintptr{unix.SYS_FSTATAT}

// fatalHere are fatal ones of that kind.
var fatalHere = [...]uintptr{}
