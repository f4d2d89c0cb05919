package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Umask lets nobody else read what this process makes from now on.
func Umask() { unix.Umask(0o077) }

// Make opens a folder for this user alone, with what is missing of its path, and gives its path without links. It
// refuses one of another user, one whose path others can change, and one that holds links or things of others; modes
// that are too wide are mended. When it returns nobody but this user and root can put anything in the folder's place
// or into it.
func Make(dir string) (string, error) {
	path, st, err := walk(dir, true)
	if err != nil {
		return "", err
	}
	if err := own(path, st); err != nil {
		return "", err
	}
	// A second program must not shut the workers of the one that runs on the folder out.
	passable := st.Uid == 0 && st.Gid == Worker && st.Mode&0o077 == 0o010
	if st.Mode&0o077 != 0 && !passable {
		if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a folder needs its x
			return "", fmt.Errorf("make %s private: %w", path, err)
		}
	}
	return path, contents(path)
}

// Check says why a folder is not to be written in by this user; nothing is made or mended.
func Check(dir string) error {
	path, st, err := walk(dir, false)
	if err != nil {
		return err
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("others can write in %s: run `chmod 700 %s`: %w", path, path, ErrForeign)
	}
	return own(path, st)
}

func own(path string, st *unix.Stat_t) error {
	if int(st.Uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("%s belongs to %s and this runs as %s: run it as that user, or choose a folder of your own: %w", path, nameOf(st.Uid), nameOf(uint32(os.Geteuid())), ErrForeign)
}

// maxLinks bounds the links of a path, as the kernel does.
const maxLinks = 40

// walk goes down a path from the root, one name at a time and each by the descriptor of the one before, so that what
// was looked at cannot be exchanged behind its back. Every folder on the way must be one that nobody else can change.
func walk(dir string, make bool) (path string, st *unix.Stat_t, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	at, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open /: %w", err)
	}
	defer func() { _ = unix.Close(at) }()
	path, st = "/", &unix.Stat_t{}
	if err := unix.Fstat(at, st); err != nil {
		return "", nil, fmt.Errorf("look at /: %w", err)
	}
	links := 0
	for names := split(abs); len(names) > 0; {
		name := names[0]
		names = names[1:]
		if err := trusted(path, st); err != nil {
			return "", nil, err
		}
		below := filepath.Join(path, name)
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) && make {
			if err := unix.Mkdirat(at, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
				return "", nil, fmt.Errorf("make %s: %w", below, err)
			}
			next, err = unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		}
		if err != nil {
			return "", nil, fmt.Errorf("open %s: %w", below, err)
		}
		found := &unix.Stat_t{}
		if err := unix.Fstat(next, found); err != nil {
			_ = unix.Close(next)
			return "", nil, fmt.Errorf("look at %s: %w", below, err)
		}
		if found.Mode&unix.S_IFMT == unix.S_IFLNK {
			target, err := follow(next, below, found)
			_ = unix.Close(next)
			if err != nil {
				return "", nil, err
			}
			if links++; links > maxLinks {
				return "", nil, fmt.Errorf("open %s: %w", below, unix.ELOOP)
			}
			names = append(split(target), names...)
			if filepath.IsAbs(target) {
				if next, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
					return "", nil, fmt.Errorf("open /: %w", err)
				}
				_ = unix.Close(at)
				at, path = next, "/"
				if err := unix.Fstat(at, st); err != nil {
					return "", nil, fmt.Errorf("look at /: %w", err)
				}
			}
			continue
		}
		_ = unix.Close(at)
		at, st, path = next, found, below // Join has cleaned "..", which is right where no link is left
		if found.Mode&unix.S_IFMT != unix.S_IFDIR {
			return "", nil, fmt.Errorf("open %s: %w", path, unix.ENOTDIR)
		}
	}
	return path, st, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// follow reads a link of a path. One that another user made may be made anew at any moment.
func follow(fd int, path string, st *unix.Stat_t) (string, error) {
	if !known(st.Uid) {
		return "", fmt.Errorf("%s is a link of %s: give the path behind it: %w", path, nameOf(st.Uid), ErrForeign)
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", fmt.Errorf("read the link %s: %w", path, err)
	}
	return string(b[:n]), nil
}

// trusted says why somebody else could exchange what lies in a folder on the way.
func trusted(path string, st *unix.Stat_t) error {
	if !known(st.Uid) {
		return fmt.Errorf("%s belongs to %s, who could exchange what lies in it: choose a folder elsewhere: %w", path, nameOf(st.Uid), ErrForeign)
	}
	others := st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && st.Gid != st.Uid // a group of the same number is that user's own
	if others && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Errorf("others can write in %s and exchange what lies in it: run `chmod go-w %s`, or choose a folder elsewhere: %w", path, path, ErrForeign)
	}
	return nil
}

// known are the users that may own what is above the folder: root, this user, and who became root through sudo.
func known(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	by, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32) //nolint:forbidigo // set by sudo alone where this runs as root; it configures nothing
	return os.Geteuid() == 0 && err == nil && uint32(by) == uid
}

// contents looks at everything in the folder: no links, nothing of another user but root, no wide modes. Once the
// folder itself is private nothing of this can change under it.
func contents(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // another process of ours cleans up
			return nil
		case errors.Is(err, fs.ErrPermission): // root's, such as the folder of a sensor that was started through sudo
			return nil
		case err != nil:
			return fmt.Errorf("look at %s: %w", path, err)
		case path == dir:
			return nil
		}
		return inside(path, e.Type())
	})
}

func inside(path string, kind fs.FileMode) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return fmt.Errorf("look at %s: %w", path, err)
	}
	switch {
	case kind&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a link: nothing in a data folder may lead out of it; remove it, and use a bind mount to keep a part on another disk: %w", path, ErrForeign)
	case st.Uid == Worker && os.Geteuid() == 0:
		return nil // no link, and of nobody who can sign in
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to %s: remove it, or give it to this user with chown: %w", path, nameOf(st.Uid), ErrForeign)
	case int(st.Uid) != os.Geteuid() || st.Mode&0o077 == 0:
		return nil
	}
	if err := os.Chmod(path, fs.FileMode(st.Mode&0o700)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make %s private: %w", path, err)
	}
	return nil
}

func nameOf(uid uint32) string { return "user " + strconv.FormatUint(uint64(uid), 10) }

// maxRead bounds what ReadFile takes.
const maxRead = 1 << 20

// ReadFile reads a small file of a data folder that may be another program's of ours: it is this user's or root's, a
// file, and no link.
func ReadFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", path, err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%s is not a file: %w", path, ErrForeign)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return nil, fmt.Errorf("%s belongs to %s: %w", path, nameOf(st.Uid), ErrForeign)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}
