package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestForkAndExitNameChildAndOutcome(t *testing.T) {
	w := watch(t)
	cmd := exec.Command("/bin/sh", "-c", "(exit 3); kill -9 $$")
	_ = cmd.Run()
	pid := uint64(cmd.Process.Pid)
	w.exec(t, cmd.Process.Pid)
	fork := w.find(t, "fork of the subshell", func(e *event.Event) bool { return e.Kind == event.ProcessFork && e.Actor.PID == pid })
	if !strings.HasSuffix(fork.Actor.Path, "sh") || fork.Target.Path != fork.Actor.Path {
		t.Errorf("fork: actor %q target %q; want the shell twice", fork.Actor.Path, fork.Target.Path)
	}
	child := w.find(t, "exit of the subshell", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.Key == fork.Target.Key })
	if child.ExitCode != 3 || child.ExitSignal != 0 || child.Parent.Key != fork.Actor.Key {
		t.Errorf("exit of the child = %d, signal %d, parent %v", child.ExitCode, child.ExitSignal, child.Parent.Key)
	}
	shell := w.find(t, "exit of the shell", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
	if shell.ExitSignal != 9 || shell.CPUTime == 0 {
		t.Errorf("exit of the shell: signal %d, cpu %d; want 9 and some", shell.ExitSignal, shell.CPUTime)
	}
}

func TestScriptIsNamedBesideItsInterpreter(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "job.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh -e\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("./job.sh", "now")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	e := w.exec(t, cmd.Process.Pid)
	if e.Actor.Interpreter != script || e.Actor.CommandLine != "/bin/sh -e ./job.sh now" {
		t.Errorf("Interpreter %q, CommandLine %q", e.Actor.Interpreter, e.Actor.CommandLine)
	}
}

func TestPathOf4096BytesIsWhole(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	// Built downwards through the working directory: no single call may name more than 4095 bytes.
	path := dir
	for len(path) < 4096-202 {
		path += "/" + strings.Repeat("d", 200)
	}
	path += "/" + strings.Repeat("p", 4095-len(path)-1)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, image, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	e := w.exec(t, cmd.Process.Pid)
	if e.Actor.Path != path || e.Flags&event.FlagPathTruncated != 0 {
		t.Errorf("path of %d bytes came as %d bytes, flags %x", len(path), len(e.Actor.Path), e.Flags)
	}
}

func TestProgramInMemoryIsSeenAsSuch(t *testing.T) {
	w := watch(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "memfd", "/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	pid := uint64(cmd.Process.Pid)
	made := w.find(t, "memfd_create", func(e *event.Event) bool { return e.Kind == event.MemMemfdCreate && e.Actor.PID == pid })
	if made.File.Path != "/memfd:payl\xf0ad" || made.Request != 1 || made.Actor.Path != self {
		t.Errorf("memfd_create: %q flags %d by %q", made.File.Path, made.Request, made.Actor.Path)
	}
	run := w.find(t, "exec of the memfd", func(e *event.Event) bool {
		return e.Kind == event.ProcessExec && e.Actor.PID == pid && e.Actor.Path == made.File.Path
	})
	if run.Flags&event.FlagMemoryFile == 0 || run.Flags&event.FlagDeleted == 0 || run.Actor.CommandLine != "kworker" {
		t.Errorf("exec: flags %x, command line %q", run.Flags, run.Actor.CommandLine)
	}
	if run.Actor.FileID != made.File.FileID || run.Actor.VolumeID != made.File.VolumeID {
		t.Errorf("ids differ: made %s/%s, ran %s/%s", made.File.VolumeID, made.File.FileID, run.Actor.VolumeID, run.Actor.FileID)
	}
}

func TestReachingIntoAnotherProcessNamesIt(t *testing.T) {
	w := watch(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	victim := exec.Command("/bin/sleep", "60")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = victim.Process.Signal(syscall.SIGKILL)
		_ = victim.Wait()
	}()
	w.exec(t, victim.Process.Pid)
	for _, act := range []string{"ptrace", "poke"} {
		cmd := exec.Command(self, act, itoa(victim.Process.Pid))
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v", act, err)
		}
		pid := uint64(cmd.Process.Pid)
		for _, want := range map[string][]struct {
			kind    event.Kind
			request uint64
		}{"ptrace": {{event.MemPtrace, 16}, {event.MemPtrace, 5}}, "poke": {{event.MemVMWrite, 0}}}[act] {
			e := w.find(t, want.kind.String(), func(e *event.Event) bool {
				return e.Kind == want.kind && e.Actor.PID == pid && e.Request == want.request
			})
			if e.Target.PID != uint64(victim.Process.Pid) || !strings.HasSuffix(e.Target.Path, "/sleep") {
				t.Errorf("%v request %d: target %d %q; want %d sleep", want.kind, want.request, e.Target.PID, e.Target.Path, victim.Process.Pid)
			}
		}
	}
}

// dd or a script may write what ptrace would: all it takes is a file.
func TestMemoryOfAnotherProcessOpenedForWriting(t *testing.T) {
	w := watch(t)
	victim := exec.Command("/bin/sleep", "60")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = victim.Process.Signal(syscall.SIGKILL)
		_ = victim.Wait()
	}()
	w.exec(t, victim.Process.Pid)
	number := itoa(victim.Process.Pid)
	for _, path := range []string{"/proc/" + number + "/mem", "/proc/" + number + "/task/" + number + "/mem"} {
		cmd := exec.Command("/usr/bin/bash", "-c", "exec 3<>"+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		e := w.find(t, "mem.proc_write", func(e *event.Event) bool {
			return e.Kind == event.MemProcWrite && e.Actor.PID == uint64(cmd.Process.Pid)
		})
		if e.Target.PID != uint64(victim.Process.Pid) || !strings.HasSuffix(e.Target.Path, "/sleep") || e.File.Path != path {
			t.Errorf("target %d %q by %q", e.Target.PID, e.Target.Path, e.File.Path)
		}
	}
	cmd := exec.Command("/usr/bin/bash", "-c", "exec 3<>/proc/$$/mem; exec 4</proc/"+number+"/mem")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.find(t, "exit", func(e *event.Event) bool {
		return e.Kind == event.ProcessExit && e.Actor.PID == uint64(cmd.Process.Pid)
	})
	if w.has(func(e *event.Event) bool {
		return e.Kind == event.MemProcWrite && e.Actor.PID == uint64(cmd.Process.Pid)
	}) {
		t.Error("its own memory, or another's for reading, is told as writing")
	}
}

func TestProcessesFromBeforeAreKnown(t *testing.T) {
	w := watch(t)
	e := w.find(t, "process.running of this test", func(e *event.Event) bool {
		return e.Kind == event.ProcessRunning && e.Actor.PID == uint64(os.Getpid())
	})
	self, _ := os.Executable()
	if e.Actor.Path != self || e.Actor.CommandLine != strings.Join(os.Args, " ") || e.Flags&event.FlagRecovered == 0 {
		t.Errorf("running: %q %q flags %x", e.Actor.Path, e.Actor.CommandLine, e.Flags)
	}
	w.find(t, "process.running of the first process", func(e *event.Event) bool {
		return e.Kind == event.ProcessRunning && e.Actor.PID == 1 && e.Actor.Comm != "" && e.Actor.UserID == "0"
	})
	if e.Parent.PID != uint64(os.Getppid()) || e.Parent.Path == "" {
		t.Errorf("parent of this test: %d %q; want %d", e.Parent.PID, e.Parent.Path, os.Getppid())
	}
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}
