package lineage

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
)

// folder makes a host, and a folder of it that is the root of a mount namespace, with a dpkg in it.
func folder(t *testing.T) (j *Judge, root decode.Root, host, inside string) {
	t.Helper()
	host = system(t, true, map[string]string{"/var/tmp/r/usr/bin/dpkg": "a", "/var/tmp/r/etc/cron.d/x": "x", "/etc/cron.d/x": "x", "/etc/cron.d/y": "y"})
	inside = filepath.Join(host, "var/tmp/r")
	info, err := os.Stat(inside)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	dev := unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)
	root = decode.Root{Dev: dev, Inode: st.Ino}
	j = judge(host)
	j.mounts = func(pid string) []mount {
		if pid == "self" {
			return []mount{{volume: decode.Volume(dev), root: "/", point: "/", kind: "ext4"}}
		}
		return []mount{{volume: decode.Volume(dev), root: "/", point: "/"}, {volume: decode.Volume(dev), root: "/var/tmp/r", point: "/", kind: "ext4"}}
	}
	return j, root, host, inside
}

// file names a file as the kernel would from inside the root: shown is its path there, real the one on the host.
func file(t *testing.T, shown, real string) event.File {
	t.Helper()
	info, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return event.File{Path: shown, FileID: strconv.FormatUint(st.Ino, 10), VolumeID: volume(st)}
}

func TestFolderThatBecameARootHasItsManager(t *testing.T) {
	j, root, on, inside := folder(t)
	e := run(t, inside, "/usr/bin/dpkg", "dpkg --unpack x.deb")
	r := j.Of(e, root, decode.Root{Dev: root.Dev, Inode: 2}, nil)
	if name(r) != "package-manager-other-root tree" {
		t.Fatalf("role %q", name(r))
	}
	act := func(f event.File) bool { return r.Inside(&event.Event{Kind: event.FileModify, File: f}) }
	if !act(file(t, "/etc/cron.d/x", filepath.Join(inside, "etc/cron.d/x"))) {
		t.Error("its own file does not count")
	}
	own := file(t, "/etc/cron.d/x.dpkg-new", filepath.Join(inside, "etc/cron.d/x"))
	if !act(own) {
		t.Error("a file that dpkg has given its name since does not count")
	}
	// The same volume, so the volume alone proves nothing: the host's folder was mounted into the root.
	if act(file(t, "/etc/cron.d/x", filepath.Join(on, "etc/cron.d/x"))) || act(file(t, "/etc/cron.d/y", filepath.Join(on, "etc/cron.d/y"))) {
		t.Error("a file of the host counts")
	}
	// A link below the mount, for the eyes of who looks from outside.
	if err := os.Symlink(filepath.Join(on, "etc"), filepath.Join(inside, "bait")); err != nil {
		t.Fatal(err)
	}
	if act(file(t, "/bait/cron.d/y", filepath.Join(on, "etc/cron.d/y"))) {
		t.Error("a file of the host behind a link counts")
	}
	if err := os.Link(filepath.Join(on, "etc/cron.d/y"), filepath.Join(inside, "etc/cron.d/y")); err != nil {
		t.Fatal(err)
	}
	if act(file(t, "/etc/cron.d/y", filepath.Join(inside, "etc/cron.d/y"))) {
		t.Error("a second name of a file of the host counts")
	}
	if err := os.Link(filepath.Join(inside, "usr/bin/dpkg"), filepath.Join(inside, "usr/bin/dpkg1")); err != nil {
		t.Fatal(err)
	}
	if !r.Inside(e) { // with two names, as perl has
		t.Error("its own exec does not count")
	}
	if r.Inside(&event.Event{Kind: event.NetConnect}) {
		t.Error("a connection counts")
	}
}

func TestRootMadeByAUserHasNoManager(t *testing.T) {
	for what, spoil := range map[string]func(on, inside string) error{
		"the folder is a user's":     func(_, inside string) error { return os.Chown(inside, 1000, 1000) },
		"a folder in it is a user's": func(_, inside string) error { return os.Chown(filepath.Join(inside, "usr/bin"), 1000, 1000) },
		"all may write there":        func(_, inside string) error { return os.Chmod(filepath.Join(inside, "usr"), 0o777) },
	} {
		j, root, on, inside := folder(t)
		if err := spoil(on, inside); err != nil {
			t.Fatal(err)
		}
		h := decode.Root{Dev: root.Dev, Inode: 2}
		e := run(t, inside, "/usr/bin/dpkg", "dpkg -i x")
		if got := name(j.Of(e, root, h, nil)); got != "" {
			t.Errorf("%s: %q", what, got)
		}
		e.Actor.Path, root.Path = "/var/tmp/r/usr/bin/dpkg", "/var/tmp/r"
		if got := name(j.Of(e, root, h, nil)); got != "" {
			t.Errorf("%s, by chroot: %q", what, got)
		}
	}
}

func TestRootThatIsASystemFolderHasNoManager(t *testing.T) {
	j, root, _, inside := folder(t)
	e := run(t, inside, "/usr/bin/dpkg", "dpkg -i x")
	for _, at := range []string{"/etc", "/usr/local", "/", "/home", "/home/a/.ssh", "/home/a/.ssh/x", "/var/log/x"} {
		e.Actor.Path = filepath.Join(at, "usr/bin/dpkg")
		root.Path = at
		if got := name(j.Of(e, root, decode.Root{Dev: root.Dev, Inode: 2}, nil)); got != "" {
			t.Errorf("root %s: %q", at, got)
		}
	}
}

func TestRootWhoseMountsAreNotKnownHasNoManager(t *testing.T) {
	j, root, _, inside := folder(t)
	j.mounts = func(string) []mount { return nil }
	if got := name(j.Of(run(t, inside, "/usr/bin/dpkg", "dpkg -i x"), root, decode.Root{Dev: root.Dev, Inode: 2}, nil)); got != "" {
		t.Errorf("role %q", got)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 8:1 /a\\040b /c rw - ext4 x rw\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseMounts(b) })
}
