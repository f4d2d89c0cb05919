package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
)

// Two shells start programs as fast as two CPUs let them; every single exec and exit must arrive.
func TestNothingIsLostInAnExecStorm(t *testing.T) {
	w := open(t, sight.Options{})
	const each = 500
	var shells []*exec.Cmd
	begin := time.Now()
	for range 2 {
		cmd := exec.Command("/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do /bin/true $i; i=$((i+1)); done")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		shells = append(shells, cmd)
	}
	for _, cmd := range shells {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begin)
	for _, cmd := range shells {
		pid := uint64(cmd.Process.Pid)
		w.find(t, "exit of a shell", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
		execs, exits, hashed := map[event.Key]bool{}, map[event.Key]bool{}, 0
		w.mu.Lock()
		for _, e := range w.events {
			if e.Parent.PID != pid {
				continue
			}
			switch e.Kind {
			case event.ProcessExec:
				execs[e.Actor.Key] = true
				if e.HashState == event.HashKnown {
					hashed++
				}
			case event.ProcessExit:
				exits[e.Actor.Key] = true
			}
		}
		w.mu.Unlock()
		if len(execs) != each || len(exits) != each {
			t.Errorf("shell %d: %d execs, %d exits seen; want %d of each", pid, len(execs), len(exits), each)
		}
		if hashed < each*99/100 {
			t.Errorf("shell %d: %d of %d execs left with their hash", pid, hashed, each)
		}
	}
	counters, err := w.Sight.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if c := counters["process"]; c.Lost() != 0 || c.Seen != c.Submitted {
		t.Errorf("process: %+v; want none lost", c)
	}
	t.Logf("%.0f fork+exec+exit a second", 2*each/took.Seconds())
}

// The sensor's own acts are no news, but what its children do is: the canary is one of them.
func TestSensorDoesNotReportItselfButReportsItsChild(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	w, err := start(sight.Options{}, hideSelf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "echo x >child")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	e := w.exec(t, cmd.Process.Pid)
	self, _ := os.Executable()
	if e.Parent.PID != uint64(os.Getpid()) || e.Parent.Path != self {
		t.Errorf("the child's parent = %d %q", e.Parent.PID, e.Parent.Path)
	}
	w.find(t, "file of the child", func(e *event.Event) bool {
		return e.Kind == event.FileCreate && e.File.Path == filepath.Join(dir, "child")
	})
	if w.has(func(e *event.Event) bool {
		return e.Actor.PID == uint64(os.Getpid()) && e.Kind != event.ProcessRunning
	}) {
		t.Error("the sensor reported an act of its own")
	}
}
