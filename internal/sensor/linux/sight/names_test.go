package sight_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
)

// change is one call that takes a path.
type change struct {
	what      string
	kind      event.Kind
	path      string // that the event names, below the test's folder
	old       string
	call      func() error
	uncertain bool // of a file of several names, where the kernel tells only what it changes
}

func TestNamesComeFromTheKernel(t *testing.T) {
	w := watch(t)
	for _, parent := range []string{t.TempDir(), "/dev/shm"} {
		t.Run(strings.Split(parent, "/")[1], func(t *testing.T) {
			base, err := os.MkdirTemp(parent, "names") //nolint:usetesting // on the file system that is meant
			if err != nil {
				t.Skipf("needs %s: %v", parent, err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(base) })
			changeAll(t, w, base)
		})
	}
}

func changeAll(t *testing.T, w *watcher, base string) {
	in := func(name string) string { return filepath.Join(base, name) }
	for _, dir := range []string{"a", "b", "dir"} {
		if err := os.Mkdir(in(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a/one", "a/two", "a/thr\xffee", "a/x", "a/y", "a/old", "b/old", "a/gone", "a/at", "a/mode", "a/hard", "dir/f"} {
		if err := os.WriteFile(in(name), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The way leads over a symbolic link, and the paths are not clean.
	if err := os.Symlink("a", in("way")); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(in("way"), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	kernel := w.Sight.Names() != probe.NamesCaller
	// Without a hook inside the call, a name is what the caller wrote: the link stays in it.
	way := func(name string) string {
		if kernel {
			return "a/" + name
		}
		return "way/" + name
	}
	for _, c := range []change{
		{"rename in a folder", event.FileRename, "a/1", "a/one", func() error { return unix.Rename(in("a/one"), in("a/1")) }, false},
		{"rename to another folder", event.FileRename, "b/thr\xffee", way("thr\xffee"), func() error { return unix.Rename(in("way/../way/thr\xffee"), in("b/thr\xffee")) }, false},
		{"rename over a file", event.FileRename, "b/old", "a/old", func() error { return unix.Rename(in("a/old"), in("b//old")) }, false},
		{"exchange", event.FileRename, "a/y", "a/x", func() error {
			return unix.Renameat2(fd, "x", fd, "y", unix.RENAME_EXCHANGE)
		}, false},
		{"rename a folder", event.FileRename, "b/dir", "dir", func() error { return unix.Rename(in("dir"), in("b/dir")) }, false},
		{"unlink", event.FileDelete, way("gone"), "", func() error { return unix.Unlink(in("way/gone")) }, false},
		{"unlinkat", event.FileDelete, "a/at", "", func() error { return unix.Unlinkat(fd, "at", 0) }, false},
		{"chmod", event.FileChmod, way("mode"), "", func() error { return unix.Chmod(in("way/mode"), 0o4711) }, false},
		{"truncate", event.FileModify, way("two"), "", func() error { return unix.Truncate(in("way/two"), 1) }, false},
		{"chmod of a folder", event.FileChmod, "b", "", func() error { return unix.Fchmodat(unix.AT_FDCWD, in("b"), 0o711, 0) }, false},
		{"hard link", event.FileLink, "b/hard", "a/hard", func() error { return unix.Link(in("a/hard"), in("b/hard")) }, false},
		{"second hard link", event.FileLink, "b/hard3", "", func() error { return unix.Link(in("a/hard"), in("b/hard3")) }, true},
		{"chmod of a file of two names", event.FileChmod, "b/hard", "", func() error { return unix.Chmod(in("b/hard"), 0o600) }, true},
		{"rename of a file of two names", event.FileRename, "b/hard2", "b/hard", func() error { return unix.Rename(in("b/hard"), in("b/hard2")) }, false},
		{"unlink of a file of two names", event.FileDelete, "b/hard2", "", func() error { return unix.Unlink(in("b/hard2")) }, false},
		{"symbolic link", event.FileLink, "b/soft", "elsewhere", func() error { return unix.Symlink("../elsewhere", in("b/soft")) }, false},
		{"rename of a symbolic link", event.FileRename, "b/softer", "b/soft", func() error { return unix.Rename(in("b/soft"), in("b/softer")) }, false},
	} {
		// A call of the same kind that fails must leave nothing behind.
		_ = unix.Rename(in("a"), in("a/below"))
		_ = unix.Unlink(in("b"))
		_ = unix.Chmod(in("none"), 0o600)
		_ = unix.Link(in("a/two"), in("b"))
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		e := w.find(t, c.what, func(e *event.Event) bool {
			return e.Kind == c.kind && e.Actor.PID == uint64(os.Getpid()) && e.File.Path == in(c.path) && (c.old == "" || e.OldFile.Path == in(c.old))
		})
		certain := e.Flags&event.FlagUserPointer == 0
		if certain != kernel && (!c.uncertain || w.Sight.Names() == probe.NamesKernel) {
			t.Errorf("%s: name from the kernel: %v; want %v", c.what, certain, kernel)
		}
		if certain && (e.File.FileID == "" || e.File.VolumeID == "") {
			t.Errorf("%s: no file behind the name: %+v", c.what, e.File)
		}
	}
}

// A thread writes another name into the path while the kernel works on the first: the event must name the file that
// is gone.
func TestALyingCallerDoesNotChooseTheName(t *testing.T) {
	w := watch(t)
	base := t.TempDir()
	if w.Sight.Names() == probe.NamesCaller {
		t.Skip("needs a kernel with trampolines, or of 6.13 or later: this one tells no names")
	}
	const rounds = 300
	path := append([]byte(filepath.Join(base, "____-a")), 0)
	last := len(path) - 2
	var stop atomic.Bool
	lied := make(chan struct{})
	go func() {
		defer close(lied)
		for !stop.Load() {
			path[last] ^= 'a' ^ 'b' // read by the kernel meanwhile: that is the point
		}
	}()
	defer func() { stop.Store(true); <-lied }()
	gone := map[string]bool{}
	lies := 0
	for i := range rounds {
		copy(path[len(base)+1:], fmt.Sprintf("%04d", i))
		a, b := filepath.Join(base, fmt.Sprintf("%04d-a", i)), filepath.Join(base, fmt.Sprintf("%04d-b", i))
		for _, name := range []string{a, b} {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, errno := syscall.Syscall(unix.SYS_UNLINK, uintptr(unsafe.Pointer(&path[0])), 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		if path[last] != 'a' {
			lies++
		}
		_, aErr := os.Stat(a)
		_, bErr := os.Stat(b)
		if (aErr == nil) == (bErr == nil) {
			t.Fatalf("round %d: one file should be gone: %v, %v", i, aErr, bErr)
		}
		if aErr != nil {
			gone[a] = true
		} else {
			gone[b] = true
		}
	}
	if lies == 0 || lies == rounds {
		t.Skip("the other thread did not get to run")
	}
	for name := range gone {
		w.find(t, "delete of "+name, func(e *event.Event) bool { return e.Kind == event.FileDelete && e.File.Path == name })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == event.FileDelete && filepath.Dir(e.File.Path) == base && !gone[e.File.Path] {
			t.Errorf("%s is said to be removed and is not", e.File.Path)
		}
	}
}

// actOverlay mounts an overlay of the folders below the one it is given, in a mount namespace of its own, and removes,
// renames and chmods in it.
func actOverlay(args []string) int {
	dir := args[0]
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 9
	}
	options := "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
	if err := unix.Mount("overlay", dir+"/merged", "overlay", 0, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 8
	}
	if unix.Unlink(dir+"/merged/low") != nil || unix.Rename(dir+"/merged/up", dir+"/merged/renamed") != nil ||
		unix.Chmod(dir+"/merged/mode", 0o755) != nil {
		return 1
	}
	return 0
}

// What overlayfs does below, in folders that nobody named, is not what the process did.
func TestNamesInAnOverlayAreThoseOfTheOverlay(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lower/low", "lower/mode", "upper/up"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "overlay", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() >= 8 {
		t.Skipf("no overlay here: %v %s", err, out)
	} else if err != nil {
		t.Fatal(err)
	}
	for kind, name := range map[event.Kind]string{event.FileDelete: "low", event.FileRename: "renamed", event.FileChmod: "mode"} {
		e := w.find(t, kind.String()+" in the overlay", func(e *event.Event) bool {
			return e.Kind == kind && e.Actor.PID == uint64(cmd.Process.Pid)
		})
		if want := filepath.Join(dir, "merged", name); e.File.Path != want {
			t.Errorf("%s of %s; want %s", kind, e.File.Path, want)
		}
	}
}
