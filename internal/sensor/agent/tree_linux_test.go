package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// eyes runs a real sight, for what it records of who started whom.
func eyes(t *testing.T) *sight.Sight {
	t.Helper()
	s := eyesOf(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended, running := make(chan error, 1), make(chan struct{})
	var once sync.Once
	go func() {
		ended <- s.Run(ctx, func(e *event.Event) {
			if e.Kind == event.ProcessRunning {
				once.Do(func() { close(running) })
			}
		})
	}()
	<-running
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, s.Close()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s
}

// eyesOf attaches probes, and runs nothing.
func eyesOf(t *testing.T) *sight.Sight {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	s, err := sight.Open(t.Context(), sight.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// marked gives the pids of the processes whose environment carries a mark.
func marked(t *testing.T, mark string) (pids []int) {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range all {
		if b, err := os.ReadFile(name); err == nil && strings.Contains("\x00"+string(b), "\x00YAGURA_TREE="+mark+"\x00") {
			var pid int
			_, _ = fmt.Sscanf(name, "/proc/%d/environ", &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}

// planted starts a script whose processes all carry a mark and waits until it says that it is ready.
func planted(t *testing.T, s *sight.Sight, mark, script string) (root event.Process, wait func()) {
	t.Helper()
	cmd := exec.Command("/bin/bash", "-c", script)
	cmd.Env = append(os.Environ(), "YAGURA_TREE="+mark)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	wait = sync.OnceFunc(func() { _ = cmd.Wait() })
	t.Cleanup(func() {
		for _, pid := range marked(t, mark) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		wait()
	})
	_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := r.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process in the record", func() bool {
		var ok bool
		root, ok = s.Running(uint64(cmd.Process.Pid))
		return ok
	})
	return root, wait
}

// TestKillTreeReachesTheRecordedTree: whoever the kernel gave to init since, left the session, or forks while it is killed.
func TestKillTreeReachesTheRecordedTree(t *testing.T) {
	s := eyes(t)
	p := &contain.Processes{BootTag: readFacts("").bootTag, Tree: s}
	const forker = `import os,time
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid(); time.sleep(0.3)
            if os.fork() == 0: time.sleep(300)
        os._exit(0)
    os.wait(); time.sleep(0.002)
`
	for name, script := range map[string]string{
		"double fork":             `( ( exec sleep 300 & ) & ); sleep 0.3; echo ready; exec sleep 300`,
		"setsid":                  `setsid -f sleep 300; setsid -f bash -c 'sleep 300 & exec setsid -f sleep 300'; sleep 0.3; echo ready; exec sleep 300`,
		"nohup":                   `bash -c 'nohup sleep 300 >/dev/null 2>&1 & exit'; echo ready; exec sleep 300`,
		"many":                    `for i in $(seq 300); do (setsid sleep 300 >/dev/null &); done; echo ready; exec sleep 300`,
		"forks while it is ended": `setsid -f timeout 60 python3 -c '` + forker + `' >/dev/null; sleep 1.5; echo ready; exec sleep 300`,
		"a chain":                 `f() { if [ $1 = 0 ]; then exec sleep 300; fi; (f $(($1-1)) >/dev/null &) }; f 30; sleep 0.5; echo ready; exec sleep 300`,
	} {
		t.Run(name, func(t *testing.T) {
			mark := strings.ReplaceAll(name, " ", "-")
			root, _ := planted(t, s, mark, script)
			bystander, stop := planted(t, s, "bystander-"+mark, `echo ready; exec sleep 300`)
			n := len(marked(t, mark))
			proof, err := p.Kill(t.Context(), root.Key, true)
			if err != nil || proof.State != "exited" {
				t.Errorf("Kill = %+v, %v", proof, err)
			}
			left := marked(t, mark)
			t.Logf("%d lived, %d reached, %d left, %.0f ms", n, proof.Reached, len(left), proof.Millis)
			if len(left) > 0 || proof.Reached < n {
				t.Errorf("%d of %d reached; still there: %v", proof.Reached, n, left)
			}
			if err := unix.Kill(int(bystander.PID), 0); err != nil {
				t.Errorf("a bystander was hit: %v", err)
			}
			_ = unix.Kill(int(bystander.PID), unix.SIGKILL)
			stop()
		})
	}
}

// TestKillTreeOfWhatHasEnded: the process that the story names is gone, and what it left behind is not.
func TestKillTreeOfWhatHasEnded(t *testing.T) {
	s := eyes(t)
	p := &contain.Processes{BootTag: readFacts("").bootTag, Tree: s}
	root, wait := planted(t, s, "ended", `setsid -f sleep 300; setsid -f sleep 300; sleep 0.3; echo ready; read; exit 0`)
	_ = unix.Kill(int(root.PID), unix.SIGTERM)
	wait()
	eventually(t, "its end in the record", func() bool { _, ok := s.Running(root.PID); return !ok })
	proof, err := p.Kill(t.Context(), root.Key, true)
	if err != nil || proof.Reached != 2 || proof.State != "exited" {
		t.Errorf("Kill = %+v, %v; want 2 reached", proof, err)
	}
	if left := marked(t, "ended"); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	if proof, err := p.Kill(t.Context(), root.Key, true); !errors.Is(err, sense.ErrGone) {
		t.Errorf("once more: %+v, %v; want %v", proof, err, sense.ErrGone)
	}
}

// TestKillTreeSparesTheSensorAndSaysSo: the sensor is in the tree of what is killed, and so are its own children.
func TestKillTreeSparesTheSensorAndSaysSo(t *testing.T) {
	s := eyes(t)
	root, _ := planted(t, s, "spared", `bash -c 'sleep 300 & echo $! >`+filepath.Join(t.TempDir(), "x")+`; exec sleep 301' & sleep 0.3; echo ready; exec sleep 302`)
	var kept event.Process
	for _, one := range s.Below(root.Key) {
		if strings.HasSuffix(one.CommandLine, "sleep 301") {
			kept = one
		}
	}
	if kept.PID == 0 {
		t.Fatalf("below = %+v", s.Below(root.Key))
	}
	p := &contain.Processes{BootTag: readFacts("").bootTag, Tree: s, Spare: []int{int(kept.PID)}}
	proof, err := p.Kill(t.Context(), root.Key, true)
	if err != nil || proof.Survived != 1 || len(proof.Survivors) != 1 || proof.Survivors[0].PID != int(kept.PID) || proof.Survivors[0].Name != "sleep" {
		t.Errorf("Kill = %+v, %v", proof, err)
	}
	if want := fmt.Sprintf("; pid %d (sleep) still lives: ", kept.PID); !strings.Contains(proof.Said(), want) {
		t.Errorf("said %q; want %q in it", proof.Said(), want)
	}
	if left := marked(t, "spared"); len(left) != 1 || left[0] != int(kept.PID) {
		t.Errorf("left: %v; want %d", left, kept.PID)
	}
}

// TestKillTreeOfAForkBomb: it grows while it is hunted, up to a bound of its own, and is gone afterwards.
func TestKillTreeOfAForkBomb(t *testing.T) {
	s := eyes(t)
	p := &contain.Processes{BootTag: readFacts("").bootTag, Tree: s}
	root, _ := planted(t, s, "bomb", `setsid -f timeout -s KILL 60 python3 -c '
import os,time
end = time.time()+50
for i in range(10):
    os.fork(); time.sleep(0.2)
while time.time() < end: time.sleep(1)
' >/dev/null; echo ready; exec sleep 300`)
	eventually(t, "growth", func() bool { return len(marked(t, "bomb")) >= 32 })
	proof, err := p.Kill(t.Context(), root.Key, true)
	if err != nil {
		t.Errorf("Kill = %+v, %v", proof, err)
	}
	time.Sleep(200 * time.Millisecond)
	left := marked(t, "bomb")
	t.Logf("%d reached, %d left, %.0f ms", proof.Reached, len(left), proof.Millis)
	if len(left) > 0 {
		t.Errorf("%d live on", len(left))
	}
}
