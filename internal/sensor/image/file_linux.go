package image

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The file is found through the process while it lives, which is right whatever the path says by now, and by
// the path afterwards: most commands are over before anyone looks. By path it is believed only if it still is
// what was executed: same inode, size and times, and not touched since.
//
// What lies there by now may be on another file system than what was executed: the process has run something else, or the path
// leads elsewhere in the sensor's mount namespace. So it is looked at without asking its file system, and opened
// only when it is the file meant.

// exe holds the image of the process. What somebody mounted over its folder in /proc is not entered.
func (w *Want) exe() (fd int, err error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(proc) }()
	dir, err := unix.Openat2(proc, strconv.FormatUint(w.PID, 10), &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV})
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(dir) }()
	return unix.Openat(dir, "exe", unix.O_PATH|unix.O_CLOEXEC, 0)
}

// open opens the file that is meant, and gives what identifies its content now.
func (w *Want) open() (*os.File, key, error) {
	at, err := w.exe()
	if err == nil {
		var f *os.File
		var k key
		// On an overlay stat and the kernel's inode may disagree, so there the process is believed.
		if f, k, err = w.read(at, func(st *unix.Stat_t) bool { return st.Ino == w.Inode || isOverlay(at) }); err == nil {
			return f, k, nil
		}
	}
	by, perr := remembered(w.Path)
	if perr != nil {
		return nil, key{}, w.why(err)
	}
	f, k, perr := w.read(by, w.untouched)
	if perr != nil {
		return nil, key{}, w.why(err)
	}
	return f, k, nil
}

// read opens the file that an O_PATH descriptor holds, which it closes, if it is the one meant. O_NONBLOCK: who has a lease on
// it, or a FIFO put in its place, must not hold a worker.
func (w *Want) read(at int, meant func(*unix.Stat_t) bool) (*os.File, key, error) {
	defer func() { _ = unix.Close(at) }()
	var x unix.Statx_t
	if err := unix.Statx(at, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_TYPE, &x); err != nil {
		return nil, key{}, fmt.Errorf("look at image: %w", err)
	}
	if x.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, key{}, errors.New("image is no regular file")
	}
	if x.Ino != w.Inode && laneOf(w.Kernel.Magic) != stacked { // there stat has numbers of its own
		return nil, key{}, ErrGone
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, key{}, fmt.Errorf("open image: %w", err)
	}
	f := os.NewFile(uintptr(fd), "image")
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, key{}, errors.Join(fmt.Errorf("stat image: %w", err), f.Close())
	}
	if !meant(&st) {
		return nil, key{}, errors.Join(ErrGone, f.Close())
	}
	return f, keyOf(&st), nil
}

// identify gives what identifies the content of an open file now.
func identify(f *os.File) (key, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return key{}, fmt.Errorf("stat image: %w", err)
	}
	return keyOf(&st), nil
}

func keyOf(st *unix.Stat_t) key {
	return key{dev: st.Dev, ino: st.Ino, ctime: st.Ctim.Nano(), mtime: st.Mtim.Nano(), size: st.Size}
}

const (
	resolveCached = 0x20 // RESOLVE_CACHED of linux/openat2.h, since 5.12
	cachedTries   = 16   // a mount or a rename anywhere on the host makes the kernel say "again"
)

// remembered finds a file by path if the kernel has the whole way to it in memory, as it has of what was just executed: a look-up
// that must ask a file system may take for ever.
func remembered(path string) (fd int, err error) {
	err = unix.EAGAIN
	for n := 0; n < cachedTries && errors.Is(err, unix.EAGAIN); n++ {
		fd, err = unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolveCached})
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // an older kernel
		fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	return fd, err
}

func isOverlay(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC
}

func (w *Want) untouched(st *unix.Stat_t) bool {
	volume := strconv.FormatUint(uint64(unix.Major(st.Dev)), 10) + ":" + strconv.FormatUint(uint64(unix.Minor(st.Dev)), 10)
	return st.Ino == w.Inode && volume == w.Volume && st.Size == w.Size && st.Mtim.Nano()/1000 == w.Mtime && st.Ctim.Nano()/1000 <= w.Time
}

func (w *Want) why(err error) error {
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}
