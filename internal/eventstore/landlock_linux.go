package eventstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights of Landlock on files, and what of them each version of the kernel's knows.
const (
	mayRun   = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayWrite = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	onFile = mayRun | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE // what a rule for one file may name
)

// knows gives the rights that a version knows.
func knows(version int) uint64 {
	rights := uint64(1)<<13 - 1
	for bit, since := range map[uint64]int{unix.LANDLOCK_ACCESS_FS_REFER: 2, unix.LANDLOCK_ACCESS_FS_TRUNCATE: 3, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV: 5} {
		if version >= since {
			rights |= bit
		}
	}
	return rights
}

// libraries are where the loader of a program lies and what it loads.
var libraries = [...]string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store"}

// machine is what a C library and DuckDB read of the machine, or give up without. Of other processes Landlock and the
// kernel's own check hide all but what anybody sees.
var machine = [...]string{"/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"}

// folders says what a role does in the folders of the data folder.
var folders = map[string]map[string]uint64{
	RoleSeal:    {"segments": mayWrite, "hot": mayWrite, "quarantine": mayWrite},
	RoleQuery:   {"segments": mayRead, "hot": mayRead, "tmp": mayWrite},
	RoleCompact: {"segments": mayWrite, "hot": mayRead, "tmp": mayWrite},
}

// landlock bounds this thread and what it starts, and gives the version of the kernel's.
func (p *program) landlock(role, dir string) (version int, err error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("this kernel has none, or it is off: %w", errno)
	}
	version = int(v)
	all := knows(version)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: all}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size += unsafe.Sizeof(attr.Scoped)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0) //nolint:gosec // how the call takes it
	if errno != 0 {
		return 0, fmt.Errorf("make a ruleset: %w", errno)
	}
	rules := int(fd)
	defer func() { _ = unix.Close(rules) }()
	if err := allow(rules, int(p.file.Fd()), mayRun&all); err != nil {
		return 0, fmt.Errorf("allow this program: %w", err)
	}
	paths := map[string]uint64{"/etc/ld.so.cache": unix.LANDLOCK_ACCESS_FS_READ_FILE}
	for _, l := range libraries {
		paths[l] = mayRun | unix.LANDLOCK_ACCESS_FS_READ_DIR
	}
	for _, m := range machine {
		paths[m] = mayRead
	}
	for name, rights := range folders[role] {
		paths[filepath.Join(dir, name)] = rights
	}
	for path, rights := range paths {
		if err := allowPath(rules, path, rights&all); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("allow %s: %w", path, err)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); errno != 0 {
		return 0, fmt.Errorf("restrict: %w", errno)
	}
	return version, nil
}

func allowPath(rules int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= onFile
	}
	return allow(rules, fd, rights)
}

func allow(rules, fd int, rights uint64) error {
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 { //nolint:gosec // how the call takes it
		return errno
	}
	return nil
}
