package sight_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/image"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// usual is how long an event may take here on a machine that does much else; without a hung file system it is a tenth of that.
const usual = time.Second

// ran runs a program to its end and gives its exec, which must come in the usual time, before its exit.
func (w *watcher) ran(t *testing.T, what string, cmd *exec.Cmd) *event.Event {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	begin, pid := time.Now(), uint64(cmd.Process.Pid)
	w.find(t, "exit of "+what, func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
	if took := time.Since(begin); took > usual {
		t.Errorf("%s was seen after %s", what, took)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Actor.PID == pid && e.Kind == event.ProcessExit {
			t.Errorf("%s: its end came before its exec", what)
		}
		if e.Actor.PID == pid && e.Kind == event.ProcessExec {
			return e
		}
	}
	return nil
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHungFileSystemBlindsNothing: a file system answers everybody but the sensor. What runs from it, and everything else, is seen in
// the usual time; the hash of what lies on it is given up and marked; its end heals.
func TestHungFileSystemBlindsNothing(t *testing.T) {
	libraries, _ := filepath.Glob("/lib*/*/libm.so.6")
	if len(libraries) == 0 {
		t.Skip("needs a library")
	}
	f := asidetest.Mount(t, map[string][]byte{
		"prog": read(t, "/bin/true"), "script": []byte("#!/bin/sh\nexit 0\n"), "lib.so": read(t, libraries[0]), "long": read(t, "/bin/sleep"),
	})
	w := open(t, sight.Options{Image: image.Options{Patience: 300 * time.Millisecond}})
	w.ran(t, "a program before", exec.Command("/bin/true"))
	f.Hang(os.Getpid())
	preload := exec.Command("/bin/true")
	preload.Env = append(os.Environ(), "LD_PRELOAD="+f.Path("lib.so"))
	inside := exec.Command("/bin/true")
	inside.Dir = f.Dir
	for range 3 {
		for what, cmd := range map[string]*exec.Cmd{
			"a program on it":                 exec.Command(f.Path("prog")),
			"a script on it":                  exec.Command(f.Path("script")),
			"a script on it, as an argument":  exec.Command("/bin/bash", f.Path("script")),
			"a program with a library on it":  {Path: preload.Path, Args: preload.Args, Env: preload.Env},
			"a program whose folder is on it": {Path: inside.Path, Args: inside.Args, Dir: f.Dir, SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}, // without, Go itself looks at the folder
			"a program that reads from it":    exec.Command("/bin/cat", f.Path("script")),
		} {
			e := w.ran(t, what, cmd)
			if what == "a program on it" && (e.HashState == event.HashKnown || e.HashState == event.HashNone) {
				t.Errorf("%s: hash state %d", what, e.HashState)
			}
			if other := w.ran(t, "another program", exec.Command("/bin/echo", "after")); other.HashState != event.HashKnown {
				t.Errorf("another program behind %s: hash state %d", what, other.HashState)
			}
		}
	}
	// One that still runs when a worker looks is read, and the worker hangs.
	long := exec.Command(f.Path("long"), "300")
	if err := long.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = long.Process.Kill(); _ = long.Wait() }()
	if e := w.exec(t, long.Process.Pid); e.HashState != event.HashPending && e.HashState != event.HashHung {
		t.Errorf("a program that still runs: hash state %d", e.HashState)
	}
	w.ran(t, "another program", exec.Command("/bin/echo", "after"))
	w.find(t, "word of the hash that was given up", func(e *event.Event) bool {
		return e.HashState == event.HashHung && e.Actor.Path == f.Path("long")
	})
	if f.Waiting() == 0 {
		t.Fatal("the sensor asked for nothing there: this proves nothing")
	}
	if n := w.Sight.Hung(); n < 1 || n > 2 {
		t.Errorf("%d workers hang", n)
	}
	f.Unmount()
	for deadline := time.Now().Add(5 * time.Second); w.Sight.Hung() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("workers hang after it was unmounted")
		}
	}
	again := asidetest.Mount(t, map[string][]byte{"prog": append(read(t, "/bin/true"), 1)})
	e := w.ran(t, "a program on another one", exec.Command(again.Path("prog")))
	if e.HashState == event.HashPending { // a slow machine: it comes later
		pid := e.Actor.PID
		e = w.find(t, "its hash", func(e *event.Event) bool { return e.Kind == event.ProcessImageHashed && e.Actor.PID == pid })
	}
	if e.HashState != event.HashKnown && e.HashState != event.HashGone {
		t.Errorf("a program on one that answers: hash state %d", e.HashState)
	}
}

// TestHungPackageManagerBlindsNothing: what may have a role is looked at, and its file system hangs.
func TestHungPackageManagerBlindsNothing(t *testing.T) {
	if _, err := exec.LookPath("chroot"); err != nil {
		t.Skip(err)
	}
	f := asidetest.Mount(t, map[string][]byte{"dpkg": read(t, "/bin/true")})
	w := open(t, sight.Options{})
	root := t.TempDir()
	bind := func(from, to string) {
		to = filepath.Join(root, to)
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(to, unix.MNT_DETACH) })
	}
	bind("/usr/lib", "usr/lib")
	bind("/usr/lib64", "usr/lib64")
	bind(f.Dir, "usr/bin")
	for _, name := range []string{"lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	f.Hang(os.Getpid())
	for range 10 {
		w.ran(t, "a package manager on it", exec.Command("chroot", root, "/usr/bin/dpkg", "-i", "x"))
		w.ran(t, "another program", exec.Command("/bin/echo", "after"))
	}
	if f.Waiting() == 0 {
		t.Fatal("the sensor asked for nothing there: this proves nothing")
	}
}

// TestProcessWhoseProcFilesHangHoldsNobody: what /proc has of running processes does not answer. A sensor that starts then, and asks
// for everybody's arguments, sees what happens all the same, and hashes what these processes become.
func TestProcessWhoseProcFilesHangHoldsNobody(t *testing.T) {
	f := asidetest.Mount(t, map[string][]byte{"cmdline": []byte("forged\x00arguments\x00"), "exe": []byte("forged")})
	var pids []uint64
	for i := range 4 {
		cmd := exec.Command("/bin/sleep", "300")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over, from := "/proc/"+itoa(cmd.Process.Pid), f.Dir
		if i > 0 {
			over, from = over+"/cmdline", f.Path("cmdline")
		}
		if err := unix.Mount(from, over, "", unix.MS_BIND, ""); err != nil {
			t.Skipf("mount over %s: %v", over, err)
		}
		defer func() { _ = unix.Unmount(over, unix.MNT_DETACH); _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		pids = append(pids, uint64(cmd.Process.Pid))
	}
	f.Hang(os.Getpid())
	w := open(t, sight.Options{})
	w.ran(t, "a program", exec.Command("/bin/true"))
	if f.Waiting() == 0 {
		t.Fatal("the sensor asked for nothing there: this proves nothing")
	}
	for _, pid := range pids {
		e := w.find(t, "process.running", func(e *event.Event) bool { return e.Kind == event.ProcessRunning && e.Actor.PID == pid })
		if e.Flags&event.FlagUnreadable == 0 || e.Actor.Path == "" {
			t.Errorf("process %d: flags %x, path %q; want its arguments marked as unreadable", pid, e.Flags, e.Actor.Path)
		}
	}
}

// TestStalledDrainIsTold: whoever takes the events does not come back. Every class is blind until he does.
func TestStalledDrainIsTold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	s, err := sight.Open(t.Context(), sight.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	held, began, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var begin, end sync.Once
	release := func() { end.Do(func() { close(held) }) }
	go func() {
		ended <- s.Run(ctx, func(e *event.Event) {
			if e.Kind == event.ProcessExec && e.Actor.CommandLine == "/bin/true stall" {
				begin.Do(func() { close(began) })
				<-held
			}
		})
	}()
	defer func() {
		release() // a test that failed ends all the same
		cancel()
		if err := errors.Join(<-ended, s.Close()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	stalled := func(c sense.Capability) bool { return c.State == sense.StateBlind && c.Reason == event.ReasonStalled }
	// The program runs again and again: where nothing else happens, a drain that has nothing to hand on does not stand still.
	until := func(what string, ok func() bool) time.Duration {
		t.Helper()
		begin := time.Now()
		for !ok() {
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("%s: %+v", what, s.Capabilities())
			}
			_ = exec.Command("/bin/true", "stall").Run()
			time.Sleep(10 * time.Millisecond)
		}
		return time.Since(begin)
	}
	until("not seen", func() bool {
		select {
		case <-began:
			return true
		default:
			return false
		}
	})
	if slices.ContainsFunc(s.Capabilities(), stalled) {
		t.Fatal("blind at once")
	}
	took := until("never told", func() bool {
		all := s.Capabilities()
		return len(all) > 0 && !slices.ContainsFunc(all, func(c sense.Capability) bool { return !stalled(c) })
	})
	t.Logf("told after %s", took)
	if took < time.Second || took > 5*time.Second {
		t.Errorf("told after %s; want 2 s", took)
	}
	release()
	until("still blind", func() bool { return !slices.ContainsFunc(s.Capabilities(), stalled) })
}
