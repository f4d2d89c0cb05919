package contain

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

const tag = 0xCAFE

// keyOf makes the key that the probes would give a pid, to the precision of /proc.
func keyOf(t *testing.T, pid int) event.Key {
	t.Helper()
	st, err := readStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return event.LinuxKey(st.start*(1e9/ticksPerSecond)+123, uint32(pid), tag)
}

func sleeper(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if len(args) == 0 {
		args = []string{"sleep", "300"}
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func TestKillEndsTheProcessAndProvesIt(t *testing.T) {
	var took []float64
	p := &Processes{BootTag: tag}
	for range 20 {
		cmd := sleeper(t)
		proof, err := p.Kill(t.Context(), keyOf(t, cmd.Process.Pid), false)
		if err != nil || proof.State != "exited" || proof.Signal != "SIGKILL" {
			t.Fatalf("Kill = %+v, %v", proof, err)
		}
		took = append(took, proof.Millis)
		var ended *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &ended) || ended.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal() != unix.SIGKILL {
			t.Errorf("it ended with %v; want SIGKILL", err)
		}
	}
	slices.Sort(took)
	t.Logf("kill to proven end over 20: median %.2f ms, p95 %.2f ms, worst %.2f ms", took[10], took[18], took[19])
}

// TestReusedPIDIsNeverHit: the pid of the key belongs to another process by now.
func TestReusedPIDIsNeverHit(t *testing.T) {
	p := &Processes{BootTag: tag}
	cmd := sleeper(t)
	pid := cmd.Process.Pid
	for name, key := range map[string]event.Key{
		"started earlier":   event.LinuxKey(uint64(time.Second), uint32(pid), tag),
		"a tick later":      later(keyOf(t, pid)),
		"of another boot":   event.LinuxKey(binary.BigEndian.Uint64(slices.Clone(keyBytes(keyOf(t, pid)))), uint32(pid), tag+1),
		"pid is free":       event.LinuxKey(uint64(time.Second), 0x7ffffff0, tag),
		"zero":              {},
		"a thread's number": event.LinuxKey(uint64(time.Second), uint32(unix.Gettid()), tag),
	} {
		if proof, err := p.Kill(t.Context(), key, true); !errors.Is(err, sense.ErrGone) {
			t.Errorf("%s: Kill = %+v, %v; want %v", name, proof, err, sense.ErrGone)
		}
	}
	if err := cmd.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the process that has the pid now was hit: %v", err)
	}
}

func keyBytes(k event.Key) []byte { return k[:8] }

func later(k event.Key) event.Key {
	binary.BigEndian.PutUint64(k[:8], binary.BigEndian.Uint64(k[:8])+1e9/ticksPerSecond)
	return k
}

// TestEndedProcessIsGone: a zombie keeps its pid and its start, and there is nothing to kill.
func TestEndedProcessIsGone(t *testing.T) {
	p := &Processes{BootTag: tag}
	cmd := sleeper(t)
	key := keyOf(t, cmd.Process.Pid)
	if _, err := p.Kill(t.Context(), key, false); err != nil {
		t.Fatal(err)
	}
	if proof, err := p.Kill(t.Context(), key, false); !errors.Is(err, sense.ErrGone) {
		t.Errorf("Kill of what ended = %+v, %v; want %v", proof, err, sense.ErrGone)
	}
}

func TestProtectedProcesses(t *testing.T) {
	p := &Processes{BootTag: tag}
	for _, pid := range []int{1, os.Getpid()} {
		if _, err := p.Kill(t.Context(), keyOf(t, pid), false); !errors.Is(err, sense.ErrProtected) {
			t.Errorf("Kill of pid %d = %v; want %v", pid, err, sense.ErrProtected)
		}
	}
}

func TestKillTreeReachesAllDescendants(t *testing.T) {
	p := &Processes{BootTag: tag}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `for i in 1 2 3; do sh -c 'sleep 300 & sleep 300 & wait' & done; sleep 300 & echo ready; wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	b := make([]byte, 16)
	if _, err := out.Read(b); err != nil {
		t.Fatal(err)
	}
	var all []int
	for deadline := time.Now().Add(5 * time.Second); len(all) < 11 && time.Now().Before(deadline); {
		all = below(cmd.Process.Pid)
	}
	proof, err := p.Kill(t.Context(), keyOf(t, cmd.Process.Pid), true)
	if err != nil || proof.Reached != 11 {
		t.Errorf("Kill tree = %+v, %v; want 11 reached", proof, err)
	}
	for _, pid := range all {
		if st, err := readStat(pid); err == nil && st.state != 'Z' {
			t.Errorf("pid %d lives on (state %c)", pid, st.state)
		}
	}
}

func below(root int) []int {
	all := []int{root}
	pids, _ := processes()
	for changed := true; changed; {
		changed = false
		for _, pid := range pids {
			if st, err := readStat(pid); err == nil && !slices.Contains(all, pid) && slices.Contains(all, st.parent) {
				all, changed = append(all, pid), true
			}
		}
	}
	return all
}

func TestSuspendAndResume(t *testing.T) {
	p := &Processes{BootTag: tag}
	cmd := sleeper(t)
	key := keyOf(t, cmd.Process.Pid)
	if proof, err := p.Suspend(t.Context(), key, false); err != nil || proof.State != "stopped" {
		t.Errorf("Suspend = %+v, %v", proof, err)
	}
	if proof, err := p.Resume(t.Context(), key, false); err != nil || proof.State != "running" {
		t.Errorf("Resume = %+v, %v", proof, err)
	}
}

func TestNameCannotForgeStat(t *testing.T) {
	st, err := parseStat([]byte("7 (a) S 1 (b) R 42 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0\n"))
	if err != nil || st.parent != 42 || st.start != 777 || st.state != 'R' {
		t.Errorf("parseStat = %+v, %v", st, err)
	}
}

func FuzzParseStat(f *testing.F) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("1 () R"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && s.state == 0 {
			t.Errorf("%q has no state", b)
		}
	})
}

func FuzzMountLine(f *testing.F) {
	f.Add("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw")
	f.Fuzz(func(_ *testing.T, s string) { mountLine(s) })
}

func TestMountLine(t *testing.T) {
	root, point, kind := mountLine(`41 31 0:38 / /a\040b rw,relatime shared:1 master:2 - cgroup2 cgroup2 rw`)
	if root != "/" || point != "/a b" || kind != "cgroup2" {
		t.Error(root, point, kind)
	}
	if _, _, kind := mountLine(strings.Repeat("x ", 9) + strconv.Itoa(1)); kind != "" {
		t.Error(kind)
	}
}
