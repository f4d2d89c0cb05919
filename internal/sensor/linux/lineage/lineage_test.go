package lineage

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
)

// system makes a root with programs in it, and a dpkg database that knows those of them that are packaged.
func system(t *testing.T, packaged bool, programs map[string]string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: the files must be root's")
	}
	dir := t.TempDir()
	lists := ""
	for path, content := range programs {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		sum := md5.Sum([]byte(content))
		lists += hex.EncodeToString(sum[:]) + "  " + path[1:] + "\n"
	}
	if packaged {
		info := filepath.Join(dir, "var/lib/dpkg/info")
		if err := os.MkdirAll(info, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(info, "x.md5sums"), []byte(lists), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var host = decode.Root{Dev: 8, Inode: 2}

// run makes the exec of a program of that system, as the probe would tell it.
func run(t *testing.T, dir, path, line string) *event.Event {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return &event.Event{
		Kind:  event.ProcessExec,
		Actor: event.Process{Path: path, CommandLine: line, EffectiveUserID: "0", FileID: strconv.FormatUint(st.Ino, 10), VolumeID: volume(st)},
		File:  event.File{OwnerID: strconv.Itoa(int(st.Uid)), Mode: uint64(st.Mode)},
	}
}

func volume(st *syscall.Stat_t) string { return volumeOf(&unix.Stat_t{Dev: st.Dev}) }

func name(r *Role) string {
	if r == nil {
		return ""
	}
	return r.Name + " " + string(r.Scope)
}

// ino is the inode of a file of that system.
func ino(dir, path string) string {
	var st unix.Stat_t
	if unix.Stat(filepath.Join(dir, path), &st) != nil {
		return ""
	}
	return strconv.FormatUint(st.Ino, 10)
}

func judge(dir string) *Judge {
	j := New(dir, nil)
	j.environ = func(uint64) []byte { return nil }
	j.inode = func(_ uint64, path string) (string, bool) { return ino(dir, path), true }
	j.mounts = func(pid string) []mount {
		if pid == "self" {
			return []mount{{volume: "8:1", root: "/", point: "/", kind: "ext4"}}
		}
		return []mount{{volume: "0:55", root: "/", point: "/", kind: "overlay"}}
	}
	return j
}

func TestManagerIsKnownByItsFile(t *testing.T) {
	dir := system(t, true, map[string]string{"/usr/bin/dpkg": "a", "/usr/bin/apt-get": "b", "/usr/bin/dash": "c", "/usr/sbin/logrotate": "d"})
	for _, c := range []struct{ path, line, want string }{
		{"/usr/bin/dpkg", "/usr/bin/dpkg --status-fd 5 --configure --pending", "package-manager tree"},
		{"/usr/bin/dpkg", "dpkg -i x.deb", "package-manager tree"},
		{"/usr/bin/dpkg", "dpkg -l", "package-manager self"},
		{"/usr/bin/dpkg", "dpkg --pre-invoke=/tmp/x -i y.deb", "package-manager self"},
		{"/usr/bin/dpkg", "dpkg --pre-invoke /tmp/x -i y.deb", "package-manager self"},
		{"/usr/bin/apt-get", "apt-get install x", "package-manager self"},
		{"/usr/sbin/logrotate", "logrotate /etc/logrotate.conf", "log-rotation tree"},
		{"/usr/bin/dash", "sh -c dpkg -i", ""},
	} {
		if got := name(judge(dir).Of(run(t, dir, c.path, c.line), host, host, nil)); got != c.want {
			t.Errorf("%q: %q; want %q", c.line, got, c.want)
		}
	}
}

// Each of these is an imitator that the filters by name believed.
func TestImitatorsHaveNoRole(t *testing.T) {
	dir := system(t, true, map[string]string{"/usr/bin/dpkg": "a", "/tmp/a/usr/bin/rpm": "b", "/usr/bin/rpm": "c"})
	base := func() *event.Event { return run(t, dir, "/usr/bin/dpkg", "dpkg -i x") }
	for what, change := range map[string]func(j *Judge, e *event.Event){
		"a path that ends like it":     func(_ *Judge, e *event.Event) { *e = *run(t, dir, "/tmp/a/usr/bin/rpm", "rpm -i x") },
		"another user":                 func(_ *Judge, e *event.Event) { e.Actor.EffectiveUserID = "1000" },
		"a link of that name":          func(_ *Judge, e *event.Event) { e.Actor.Path, e.Actor.Invoked = "/usr/bin/dash", "/usr/bin/dpkg" },
		"a file of another owner":      func(_ *Judge, e *event.Event) { e.File.OwnerID = "1000" },
		"a file that others may write": func(_ *Judge, e *event.Event) { e.File.Mode |= 0o002 },
		"another file mounted over it": func(_ *Judge, e *event.Event) { e.Actor.FileID = "1" },
		"on a file system in memory":   func(_ *Judge, e *event.Event) { e.Flags |= event.FlagMemoryFile },
		"a library pushed into it": func(j *Judge, _ *event.Event) {
			j.environ = func(uint64) []byte { return []byte("A=1\x00LD_PRELOAD=/tmp/x.so\x00") }
		},
		"with another path for modules": func(j *Judge, _ *event.Event) { j.environ = func(uint64) []byte { return []byte("PERL5OPT=-Mx\x00") } },
		"content that is not its package's": func(_ *Judge, e *event.Event) {
			if err := os.WriteFile(filepath.Join(dir, "/usr/bin/dpkg"), []byte("evil"), 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Cleanup(func() { _ = os.WriteFile(filepath.Join(dir, "/usr/bin/dpkg"), []byte("a"), 0o755) })
			j, e := judge(dir), base()
			if got := name(j.Of(e, host, host, nil)); got != "package-manager tree" {
				t.Fatalf("the real one: %q", got)
			}
			change(j, e)
			if got := name(j.Of(e, host, host, nil)); got != "" {
				t.Errorf("role %q; want none", got)
			}
		})
	}
	if err := os.Chmod(filepath.Join(dir, "usr/bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := name(judge(dir).Of(base(), host, host, nil)); got != "" {
		t.Errorf("in a folder that all may write: %q", got)
	}
}

func TestScriptIsKnownByTheFileThatRuns(t *testing.T) {
	dir := system(t, true, map[string]string{"/usr/bin/dnf": "a", "/usr/bin/python3.11": "b", "/tmp/x": "c"})
	for what, c := range map[string]struct {
		arguments string
		change    func(j *Judge, e *event.Event)
		want      string
	}{
		"as it is":                   {"python3|/usr/bin/dnf|install|x", nil, "package-manager tree"},
		"with what its line adds":    {"python3|-s|/usr/bin/dnf|install|x", nil, "package-manager tree"},
		"another behind a link":      {"python3|/x/../usr/bin/dnf|install", nil, ""},
		"the same, and an argument":  {"python3|/x/../usr/bin/dnf|/usr/bin/dnf", nil, ""},
		"the same, with a dash":      {"python3|-x/../../usr/bin/dnf|/usr/bin/dnf", nil, ""},
		"the same, in an option":     {"python3|-X /usr/bin/dnf|/x/../usr/bin/dnf", nil, ""},
		"arguments that are unknown": {"", nil, ""},
		"another mounted over it": {"python3|/usr/bin/dnf", func(j *Judge, _ *event.Event) {
			j.inode = func(uint64, string) (string, bool) { return ino(dir, "/tmp/x"), true }
		}, ""},
		"one that is not to be looked at":      {"python3|/usr/bin/dnf", func(j *Judge, _ *event.Event) { j.inode = func(uint64, string) (string, bool) { return "", true } }, ""},
		"over before it was looked at":         {"python3|/usr/bin/dnf", func(j *Judge, _ *event.Event) { j.inode = func(uint64, string) (string, bool) { return "", false } }, "package-manager tree"},
		"another mounted over its interpreter": {"python3|/usr/bin/dnf", func(_ *Judge, e *event.Event) { e.Actor.FileID = ino(dir, "/tmp/x") }, ""},
	} {
		j, e := judge(dir), run(t, dir, "/usr/bin/python3.11", strings.ReplaceAll(c.arguments, "|", " "))
		e.Actor.Interpreter = "/usr/bin/dnf"
		if c.change != nil {
			c.change(j, e)
		}
		if got := name(j.Of(e, host, host, []byte(strings.ReplaceAll(c.arguments, "|", "\x00")+"\x00"))); got != c.want {
			t.Errorf("%s: %q; want %q", what, got, c.want)
		}
	}
}

// The look through the eyes of another process.
func TestInodeOfAScriptThatJustStarted(t *testing.T) {
	script := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread x\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = in.Close() }()
	pid := uint64(cmd.Process.Pid)
	if got, there := inode(pid, script); got != ino("/", script) || got == "" || !there {
		t.Errorf("inode %q, there %v; want %q", got, there, ino("/", script))
	}
	if got, there := inode(pid, script+".none"); got != "" || !there {
		t.Errorf("of no file: %q, %v", got, there)
	}
	if got, there := inode(1<<31, script); got != "" || there {
		t.Errorf("of no process: %q, %v", got, there)
	}
}

func TestProgramThatWasSeenToBeReplaced(t *testing.T) {
	for _, packaged := range []bool{true, false} {
		dir := system(t, packaged, map[string]string{"/usr/bin/rpm": "c"})
		var roles []string
		seen := false
		j := New(dir, func(_, id string) ([]string, bool) { return roles, seen })
		j.environ = func(uint64) []byte { return nil }
		j.proof.started = 1 // the file has changed since
		e := run(t, dir, "/usr/bin/rpm", "rpm -U x")
		if got := name(j.Of(e, host, host, nil)); (got != "") != packaged {
			t.Errorf("package database of dpkg %v, nobody seen: %q", packaged, got)
		}
		clear(j.proof.known)
		seen = true
		if got := name(j.Of(e, host, host, nil)); got != "" {
			t.Errorf("written by a shell: %q", got)
		}
		clear(j.proof.known)
		roles = []string{registry.RolePackageManager}
		if got := name(j.Of(e, host, host, nil)); got != "package-manager tree" {
			t.Errorf("written by the manager: %q", got)
		}
	}
}

// An upgrade replaces a program, runs it, and has its sum in the lists before or behind that by a moment. The program had no role then
// until the sensor was started again.
func TestProgramThatAnUpgradeReplacedIsKnownByTheNewLists(t *testing.T) {
	dir := system(t, true, map[string]string{"/usr/bin/dpkg": "a", "/usr/sbin/logrotate": "b"})
	list := filepath.Join(dir, "var/lib/dpkg/info/x.md5sums")
	replace := func(path, content string) {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	relist := func(path, content string) {
		sum := md5.Sum([]byte(content))
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(list, []byte(hex.EncodeToString(sum[:])+"  "+path[1:]+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Dir(list), time.Time{}, time.Now().Add(time.Hour)); err != nil { // a tick of the clock later
			t.Fatal(err)
		}
	}
	j := judge(dir)
	of := func(path string) string { return name(j.Of(run(t, dir, path, path+" -i"), host, host, nil)) }
	if got := of("/usr/bin/dpkg"); got != "package-manager tree" {
		t.Fatalf("before: %q", got)
	}
	replace("/usr/sbin/logrotate", "newer")
	relist("/usr/sbin/logrotate", "newer")
	if got := of("/usr/sbin/logrotate"); got != "log-rotation tree" {
		t.Errorf("listed since the last look, a moment ago: %q", got)
	}
	replace("/usr/bin/dpkg", "newest")
	if got := of("/usr/bin/dpkg"); got != "" {
		t.Errorf("not listed yet: %q", got)
	}
	relist("/usr/bin/dpkg", "newest")
	if err := os.Chtimes(filepath.Dir(list), time.Time{}, time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	j.proof.have.scanned = j.proof.have.scanned.Add(-rescan)
	if got := of("/usr/bin/dpkg"); got != "package-manager tree" {
		t.Errorf("listed by now: %q", got)
	}
}

func TestManagerOfAnotherRoot(t *testing.T) {
	dir := system(t, true, map[string]string{"/usr/bin/dpkg": "a"})
	e := run(t, dir, "/usr/bin/dpkg", "dpkg -i x")
	e.Actor.Path = "/srv/jail/usr/bin/dpkg"
	j := judge(dir)
	if got := name(j.Of(e, host, host, nil)); got != "" {
		t.Errorf("its path on the host: %q", got)
	}
	if got := name(j.Of(e, decode.Root{Dev: 8, Inode: 77, Path: "/srv/other"}, host, nil)); got != "" {
		t.Errorf("outside its root: %q", got)
	}
	r := j.Of(e, decode.Root{Dev: 8, Inode: 77, Path: "/srv/jail"}, host, nil)
	if name(r) != "package-manager-other-root tree" {
		t.Fatalf("chroot: %q", name(r))
	}
	for path, want := range map[string]bool{"/srv/jail/etc/x": true, "/srv/jailbreak": false, "/etc/shadow": false} {
		if got := r.Inside(&event.Event{Kind: event.FileModify, File: event.File{Path: path}}); got != want {
			t.Errorf("an act on %s counts: %v; want %v", path, got, want)
		}
	}
	if r.Inside(&event.Event{Kind: event.FileRename, File: event.File{Path: "/srv/jail/x"}, OldFile: event.File{Path: "/etc/shadow"}}) {
		t.Error("a move into the root counts")
	}
	if r.Inside(&event.Event{Kind: event.NetConnect}) {
		t.Error("a connection counts")
	}
	e.Actor.Path = "/usr/bin/dpkg"
	r = j.Of(e, decode.Root{Dev: 55, Inode: 9}, host, nil)
	if name(r) != "package-manager-other-root tree" {
		t.Fatalf("container: %q", name(r))
	}
	if !r.Inside(&event.Event{Kind: event.FileModify, File: event.File{Path: "/etc/x", VolumeID: "0:55"}}) || r.Inside(&event.Event{Kind: event.FileModify, File: event.File{Path: "/host/etc/x", VolumeID: "8:1"}}) {
		t.Error("a container's root is its volume")
	}
	if got := j.Of(e, decode.Root{Dev: 55, Inode: 9}, decode.Root{}, nil); got != nil {
		t.Error("the host's root is not known, and yet a role")
	}
}

func FuzzSteered(f *testing.F) {
	f.Add([]byte("A=1\x00LD_PRELOAD=x\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) { steered(b) })
}

func FuzzSums(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef  usr/bin/dpkg\nx\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseSums(bytes.NewReader(b), func(path, sum string) {
			if path == "" || len(sum) != 32 {
				t.Errorf("%q has the sum %q", path, sum)
			}
		})
	})
}
