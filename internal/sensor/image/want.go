package image

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Want says which file is meant, as the kernel saw it when it was executed.
type Want struct {
	PID    uint64
	Path   string // as the kernel walked it
	Volume string // "major:minor"
	Inode  uint64
	Size   int64
	Mtime  int64 // µs UTC
	Time   int64 // of the exec, µs UTC

	Kernel Identity // what the kernel itself says of the file, for Known; zero for nothing
}

// Identity tells one content of a file from all others, in the kernel's own words.
type Identity struct {
	Dev          uint32
	Inode, Size  uint64
	Mtime, Ctime int64 // ns since 1970
}

// fits says whether a file is the one that the kernel saw. The device is left out: on overlays and btrfs stat has
// a number of its own for it, and inode, size and both times agree only for the same file.
func (i *Identity) fits(st *unix.Stat_t) bool {
	return i.Inode == st.Ino && int64(i.Size) == st.Size && i.Mtime == st.Mtim.Nano() && i.Ctime == st.Ctim.Nano()
}

// The file is found through the process while it lives, which is right whatever the path says by now, and by
// the path afterwards: most commands are over before anyone looks. By path it is believed only if it still is
// what was executed: same inode, size and times, and not touched since.

func (w *Want) exe() string { return "/proc/" + strconv.FormatUint(w.PID, 10) + "/exe" }

func (w *Want) stat() (*unix.Stat_t, error) {
	st := new(unix.Stat_t)
	err := unix.Stat(w.exe(), st)
	if err == nil && w.runs(st) {
		return st, nil
	}
	if unix.Stat(w.Path, st) == nil && w.untouched(st) {
		return st, nil
	}
	return nil, w.why(err)
}

func (w *Want) open() (*os.File, *unix.Stat_t, error) {
	f, st, err := regular(w.exe())
	if err == nil {
		if w.runs(st) {
			return f, st, nil
		}
		_ = f.Close()
	}
	if f, st, err := regular(w.Path); err == nil {
		if w.untouched(st) {
			return f, st, nil
		}
		_ = f.Close()
	}
	return nil, nil, w.why(err)
}

// runs says whether what a process runs now is the file meant. On an overlay stat and the kernel's inode may
// disagree, so there the process is believed.
func (w *Want) runs(st *unix.Stat_t) bool {
	if st.Ino == w.Inode {
		return true
	}
	var fs unix.Statfs_t
	return unix.Statfs(w.exe(), &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC
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
