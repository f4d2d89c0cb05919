//go:build duckdb && duckdb_arrow && (amd64 || arm64)

package duck

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The filter of system calls. It was derived with strace from the store's tests, by process of a worker, and then
// rounded up by what the C library, Go and DuckDB use in their rarer moods (a full disk, a spill to disk). What is
// on no list gets ENOSYS, as from a kernel that does not know it: libraries then do without. What no worker does
// and somebody who took one over would want ends the process.

// allowed of both architectures; those of one alone are in callsHere.
var allowed = [...]uintptr{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV, unix.SYS_PWRITEV,
	unix.SYS_OPENAT, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_LSEEK, unix.SYS_FCNTL, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2,
	unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_STATFS, unix.SYS_FSTATFS,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FLOCK, unix.SYS_UMASK,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK, unix.SYS_MEMBARRIER,
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
	unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_RESTART_SYSCALL,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_RSEQ, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_PRCTL, unix.SYS_GETRANDOM, unix.SYS_EVENTFD2,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_PPOLL,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRUSAGE, unix.SYS_TIMES, unix.SYS_GETRLIMIT,
}

// fatal are what ends a worker that tries it.
var fatal = [...]uintptr{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_SENDTO, unix.SYS_SENDMSG,
	unix.SYS_SENDMMSG, unix.SYS_RECVMSG, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_MEMFD_CREATE,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE,
	unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETREUID,
	unix.SYS_SETREGID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT, unix.SYS_SYMLINKAT, unix.SYS_LINKAT, unix.SYS_MKNODAT,
}

const (
	ret       = unix.BPF_RET | unix.BPF_K
	load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal     = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	hasBit    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	atLeast   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	deny      = unix.SECCOMP_RET_ERRNO
	offNumber = 0 // of struct seccomp_data
	offArch   = 4
	offArgs   = 16 // 8 bytes each, little endian
)

// filter takes from this process every system call that it does not need, for good, and gives how many are left.
func filter() (calls int, err error) {
	program := assemble(uint32(unix.Getpid()))
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil { // the server has set it; TSYNC gives it to every thread
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))) //nolint:gosec // how the call takes it
	runtime.KeepAlive(program)
	switch {
	case errno != 0:
		return 0, fmt.Errorf("set the filter of system calls (seccomp): %w: this kernel, or a container around the server, does not allow it", errno)
	case r != 0:
		return 0, errors.New("set the filter of system calls (seccomp): a thread has another one")
	}
	return len(allowed) + len(callsHere) + 5, nil
}

func assemble(self uint32) []unix.SockFilter {
	var p []unix.SockFilter
	add := func(code uint16, jt, jf uint8, k uint32) {
		p = append(p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	}
	add(load, 0, 0, offArch)
	add(equal, 1, 0, arch)
	add(ret, 0, 0, unix.SECCOMP_RET_KILL_PROCESS)
	add(load, 0, 0, offNumber)
	add(atLeast, 0, 1, 0x40000000) // x86's other numbering (x32) would go round the lists
	add(ret, 0, 0, unix.SECCOMP_RET_KILL_PROCESS)
	each := func(calls []uintptr, then uint32) {
		for _, c := range calls {
			add(equal, 0, 1, uint32(c))
			add(ret, 0, 0, then)
		}
	}
	// The most frequent ones come first.
	each(slices.Concat(allowed[:], callsHere[:]), unix.SECCOMP_RET_ALLOW)
	// A signal, and other limits, only for this process.
	for _, c := range []uint32{unix.SYS_TGKILL, unix.SYS_PRLIMIT64} {
		add(equal, 0, 6, c)
		add(load, 0, 0, offArgs)
		add(equal, 1, 0, self)
		add(equal, 0, 1, 0)
		add(ret, 0, 0, unix.SECCOMP_RET_ALLOW)
		add(ret, 0, 0, unix.SECCOMP_RET_KILL_PROCESS)
		add(load, 0, 0, offNumber)
	}
	// Memory, but no new code in it.
	for _, c := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		add(equal, 0, 5, c)
		add(load, 0, 0, offArgs+2*8)
		add(hasBit, 0, 1, unix.PROT_EXEC)
		add(ret, 0, 0, deny|uint32(unix.EPERM))
		add(ret, 0, 0, unix.SECCOMP_RET_ALLOW)
		add(load, 0, 0, offNumber)
	}
	// Threads, but no processes. What clone3 asks for cannot be seen; the C library then takes clone.
	add(equal, 0, 5, unix.SYS_CLONE)
	add(load, 0, 0, offArgs)
	add(hasBit, 0, 1, unix.CLONE_THREAD)
	add(ret, 0, 0, unix.SECCOMP_RET_ALLOW)
	add(ret, 0, 0, unix.SECCOMP_RET_KILL_PROCESS)
	add(load, 0, 0, offNumber)
	each(fatal[:], unix.SECCOMP_RET_KILL_PROCESS)
	each(fatalHere[:], unix.SECCOMP_RET_KILL_PROCESS)
	add(ret, 0, 0, deny|uint32(unix.ENOSYS))
	return p
}
