package sight_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// TestAHookThatIsTakenAwayIsToldWithinSeconds closes the descriptor of a link as an attacker inside the
// process would. That the number is another file's afterwards must harm nobody.
func TestAHookThatIsTakenAwayIsToldWithinSeconds(t *testing.T) {
	var other *os.File
	t.Cleanup(func() { // after the sight is closed
		if other == nil {
			return
		}
		if _, err := other.WriteString("still mine"); err != nil {
			t.Errorf("the file that got the number: %v", err)
		}
		_ = other.Close()
	})
	w := open(t, sight.Options{})
	fd := newestLink(t, "query_seen")
	if err := syscall.Close(fd); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "other")
	var err error
	other, err = os.Create(name) // takes the lowest free number, most likely that one
	if err != nil {
		t.Fatal(err)
	}
	told := w.find(t, "sensor.capability dns", func(e *event.Event) bool {
		return e.Kind == event.SensorCapability && e.Subject == "dns" && e.State == sense.StateBlind
	})
	if since := time.Duration(told.BootNS - told.FromNS); told.FromNS == 0 || since > 10*time.Second {
		t.Errorf("the event says since %s before itself; want the last look", since)
	}
	for _, c := range w.Sight.Capabilities() {
		if want := map[bool]string{true: sense.StateBlind, false: sense.StateFull}[c.Class == "dns"]; c.State != want {
			t.Errorf("%s is %s: %s; want %s", c.Class, c.State, c.Reason, want)
		}
	}
}

// TestAHookThatIsTakenAwayComesBack: until somebody looks, a class should not stay blind for ever.
func TestAHookThatIsTakenAwayComesBack(t *testing.T) {
	w := open(t, sight.Options{Probe: probe.Options{Mend: time.Second}})
	for _, theft := range []struct{ program, class string }{{"exec_seen", "process"}, {"uring_done", "file"}, {"call_done", "file"}} {
		count := func() (blind, full int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, e := range w.events {
				if e.Kind == event.SensorCapability && e.Subject == theft.class {
					if e.State == sense.StateFull {
						full++
					} else {
						blind++
					}
				}
			}
			return blind, full
		}
		blindBefore, fullBefore := count()
		blind, full := blindBefore, fullBefore
		if err := syscall.Close(newestLink(t, theft.program)); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(2 * time.Minute); (blind == blindBefore || full == fullBefore) && time.Now().Before(deadline); blind, full = count() {
			time.Sleep(20 * time.Millisecond)
		}
		if blind <= blindBefore || full <= fullBefore {
			t.Fatalf("%s: told blind %d times more, full %d times more", theft.program, blind-blindBefore, full-fullBefore)
		}
		cmd := exec.Command("/bin/sh", "-c", "echo x >"+theft.program)
		cmd.Dir = t.TempDir()
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		w.exec(t, cmd.Process.Pid)
		w.find(t, "file after "+theft.program, func(e *event.Event) bool {
			return e.Kind == event.FileCreate && e.File.Path == filepath.Join(cmd.Dir, theft.program)
		})
	}
	for _, c := range w.Sight.Capabilities() {
		if c.State != sense.StateFull {
			t.Errorf("%s is %s: %s", c.Class, c.State, c.Reason)
		}
	}
}

// newestLink gives the descriptor of this process's last attached link of a program.
func newestLink(t *testing.T, program string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	best, bestLink := -1, 0
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", e.Name()))
		if err != nil {
			continue
		}
		var fd, link, id int
		for line := range strings.Lines(string(b)) {
			_, _ = fmt.Sscanf(line, "link_id: %d", &link)
			_, _ = fmt.Sscanf(line, "prog_id: %d", &id)
		}
		if link == 0 || id == 0 || link < bestLink {
			continue
		}
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			continue
		}
		info, err := p.Info()
		_ = p.Close()
		if _, serr := fmt.Sscan(e.Name(), &fd); err == nil && serr == nil && info.Name == program {
			best, bestLink = fd, link
		}
	}
	if best < 0 {
		t.Fatalf("no link of %s", program)
	}
	return best
}
