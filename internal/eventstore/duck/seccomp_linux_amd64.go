//go:build duckdb && duckdb_arrow

package duck

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_X86_64

// callsHere are allowed calls that other architectures do not have, or under another name.
var callsHere = [...]uintptr{
	unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_POLL, unix.SYS_EPOLL_WAIT, unix.SYS_DUP2,
	unix.SYS_PIPE, unix.SYS_RENAME, unix.SYS_UNLINK, unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_ARCH_PRCTL, unix.SYS_TIME, unix.SYS_GETDENTS,
}

// fatalHere are fatal ones of that kind.
var fatalHere = [...]uintptr{unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_SYMLINK, unix.SYS_LINK, unix.SYS_MKNOD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT}
