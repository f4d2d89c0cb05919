package proctree

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// proc names a process as a record does: key, pid and the parent that the kernel knows.
func proc(pid uint64) event.Process {
	return event.Process{Key: event.LinuxKey(pid*1000, uint32(pid), 1), PID: pid, StartNS: pid * 1000, UserID: "0", EffectiveUserID: "0"}
}

func act(kind event.Kind, pid, parent uint64, now time.Duration) *event.Event {
	e := &event.Event{Kind: kind, OS: event.Linux, BootNS: uint64(now), Actor: proc(pid)}
	if parent != 0 {
		e.Parent = event.Process{Key: proc(parent).Key, PID: parent}
	}
	return e
}

func execOf(pid, parent uint64, path, line string) *event.Event {
	e := act(event.ProcessExec, pid, parent, time.Second)
	e.Actor.Path, e.Actor.CommandLine, e.Actor.ExecID = path, line, 5
	return e
}

func forkOf(parent, child uint64) *event.Event {
	e := act(event.ProcessFork, parent, 0, time.Second)
	e.Target = event.Process{Key: proc(child).Key, PID: child, StartNS: child * 1000}
	return e
}

func tree(t *testing.T, slots int) *Tree {
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0:root:/root:/bin/sh\nalias:x:0:0::/:/bin/sh\nbroken\n:x:5:\nwww:x:33:33::/var/www:/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return New(slots, NewUsers(passwd))
}

func TestEveryEventNamesItsFamily(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(1, 0, "/sbin/init", "init"))
	tr.Apply(forkOf(1, 10))
	tr.Apply(execOf(10, 1, "/usr/sbin/nginx", "nginx -g daemon"))
	tr.Apply(forkOf(10, 20))
	tr.Apply(forkOf(20, 30))
	tr.Apply(execOf(30, 20, "/bin/sh", "sh -c id"))
	e := act(event.NetConnect, 30, 20, time.Second)
	tr.Apply(e)
	if e.Actor.Path != "/bin/sh" || e.Actor.CommandLine != "sh -c id" || e.Actor.UserName != "root" {
		t.Errorf("actor = %q %q %q", e.Actor.Path, e.Actor.CommandLine, e.Actor.UserName)
	}
	// 20 never called exec: it runs what its parent runs.
	if e.Parent.PID != 20 || e.Parent.Path != "/usr/sbin/nginx" || e.Parent.CommandLine != "nginx -g daemon" {
		t.Errorf("parent = %d %q %q", e.Parent.PID, e.Parent.Path, e.Parent.CommandLine)
	}
	if want := []string{"/usr/sbin/nginx", "/sbin/init"}; !reflect.DeepEqual(e.Ancestors, want) {
		t.Errorf("ancestors = %q; want %q", e.Ancestors, want)
	}
}

func TestExecSeenWhenForkRacesExit(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(1, 0, "/sbin/init", "init"))
	// The exec comes first, then the exit, then the fork that made it all.
	exec := execOf(7, 1, "/bin/id", "id -u")
	tr.Apply(exec)
	if exec.Parent.Path != "/sbin/init" {
		t.Errorf("parent of an exec whose fork is late = %q", exec.Parent.Path)
	}
	tr.Apply(act(event.ProcessExit, 7, 1, 2*time.Second))
	fork := forkOf(1, 7)
	tr.Apply(fork)
	if fork.Target.Path != "/bin/id" {
		t.Errorf("late fork gave the child the image %q; want its own", fork.Target.Path)
	}
	late := act(event.FileCreate, 7, 1, 2*time.Second)
	tr.Apply(late)
	if late.Actor.Path != "/bin/id" || late.Actor.CommandLine != "id -u" {
		t.Errorf("actor after its exit = %q %q", late.Actor.Path, late.Actor.CommandLine)
	}
}

func TestParentStaysWhoMadeTheProcess(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(1, 0, "/sbin/init", "init"))
	tr.Apply(execOf(10, 1, "/usr/sbin/sshd", "sshd"))
	tr.Apply(forkOf(10, 20))
	tr.Apply(act(event.ProcessExit, 10, 1, time.Second))
	// Its parent gone, the kernel names init; the story names sshd.
	e := execOf(20, 1, "/tmp/x", "x")
	tr.Apply(e)
	if e.Parent.Path != "/usr/sbin/sshd" {
		t.Errorf("parent = %q; want the one that made it", e.Parent.Path)
	}
}

func TestReusedPIDIsAnotherProcess(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(9, 1, "/bin/old", "old"))
	tr.Apply(act(event.ProcessExit, 9, 1, time.Second))
	if _, ok := tr.Running(9); ok {
		t.Error("an exited process runs")
	}
	again := act(event.ProcessExec, 9, 1, 2*time.Second)
	again.Actor.Key, again.Actor.StartNS = event.LinuxKey(77, 9, 1), 77
	again.Actor.Path = "/bin/new"
	tr.Apply(again)
	if p, ok := tr.Running(9); !ok || p.Path != "/bin/new" || p.Key != again.Actor.Key {
		t.Errorf("pid 9 runs %q, %v", p.Path, ok)
	}
	if p, ok := tr.Process(proc(9).Key); !ok || p.Path != "/bin/old" {
		t.Errorf("the old key names %q, %v", p.Path, ok)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const slots = 64
	tr := tree(t, slots)
	for pid := uint64(2); pid < 5000; pid++ {
		tr.Apply(execOf(pid, pid-1, fmt.Sprintf("/bin/p%d", pid), strings.Repeat("x", 100_000)))
		if pid%2 == 0 {
			tr.Apply(act(event.ProcessExit, pid, pid-1, time.Second))
		}
	}
	if n := tr.Len(); n > slots {
		t.Errorf("%d processes known; at most %d", n, slots)
	}
	if tr.texts > slots*maxLine {
		t.Errorf("%d bytes of command lines; at most %d", tr.texts, slots*maxLine)
	}
	if len(tr.byPID) > slots || len(tr.byKey) > slots {
		t.Errorf("indexes of %d and %d entries", len(tr.byPID), len(tr.byKey))
	}
}

func TestExitedAreForgottenAfterAMinute(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(5, 1, "/bin/a", "a"))
	tr.Apply(act(event.ProcessExit, 5, 1, time.Second))
	for pid := uint64(100); pid < 110; pid++ { // others come and go meanwhile
		e := execOf(pid, 1, "/bin/b", "b")
		e.BootNS = uint64(70 * time.Second)
		tr.Apply(e)
	}
	if _, ok := tr.Process(proc(5).Key); ok {
		t.Error("still known 69 s after its exit")
	}
}

func TestAFamilyThatIsItsOwnAncestorEnds(t *testing.T) {
	tr := tree(t, 0)
	tr.Apply(execOf(1, 2, "/a", "a"))
	tr.Apply(execOf(2, 1, "/b", "b"))
	e := act(event.FileCreate, 1, 2, time.Second)
	tr.Apply(e)
	if len(e.Ancestors) > maxAncestors {
		t.Errorf("%d ancestors", len(e.Ancestors))
	}
}

func TestAddressIsNamedByTheLastAnswer(t *testing.T) {
	tr := tree(t, 0)
	dns := act(event.DNSQuery, 3, 1, time.Second)
	dns.Query, dns.Answers = "evil.test", []string{"alias.evil.test", "203.0.113.7"}
	tr.Apply(dns)
	e := act(event.NetConnect, 3, 1, time.Second)
	e.RemoteAddr = netip.MustParseAddr("203.0.113.7")
	tr.Apply(e)
	if e.RemoteName != "evil.test" {
		t.Errorf("RemoteName = %q", e.RemoteName)
	}
	for i := range 3 * maxNames {
		dns.Query, dns.Answers = "other.test", []string{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()}
		tr.Apply(dns)
	}
	if n := len(tr.names.young) + len(tr.names.old); n > 2*maxNames {
		t.Errorf("%d names kept", n)
	}
}

func TestFirstProcessOfASessionIsALogon(t *testing.T) {
	tr := tree(t, 0)
	before := act(event.ProcessRunning, 40, 1, time.Second)
	before.Actor.SessionID = "3"
	if tr.Apply(before) != nil {
		t.Error("a session from before the sensor gave a logon")
	}
	e := execOf(41, 1, "/bin/bash", "-bash")
	e.Actor.SessionID, e.Actor.LoginUserID = "4", "1000"
	logon := tr.Apply(e)
	if logon == nil || logon.Kind != event.AuthLogon || logon.Actor.SessionID != "4" || logon.Actor.LoginUserID != "1000" {
		t.Fatalf("logon = %+v", logon)
	}
	if tr.Apply(e) != nil {
		t.Error("a second logon of the same session")
	}
}

func TestPasswdNamesTheFirstOfAnID(t *testing.T) {
	got := parsePasswd(strings.NewReader("a:x:0:0\nb:x:0:0\n\xff\xfe:x:7:7\nnope\n::\nc:x:8\n"))
	if want := map[string]string{"0": "a", "7": "\xff\xfe"}; !reflect.DeepEqual(got, want) {
		t.Errorf("parsePasswd = %q; want %q", got, want)
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/sh\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for id, name := range parsePasswd(strings.NewReader(string(b))) {
			if id == "" || name == "" {
				t.Errorf("id %q name %q", id, name)
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	tr := New(0, NewUsers("/etc/passwd"))
	for pid := uint64(1); pid < 10; pid++ {
		tr.Apply(execOf(pid, pid-1, fmt.Sprintf("/bin/p%d", pid), "p -x"))
	}
	e := act(event.FileCreate, 9, 8, time.Second)
	actor := e.Actor
	b.ReportAllocs()
	for b.Loop() {
		e.Actor = actor
		tr.Apply(e)
	}
}
