package sight_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

func TestThisKernelIsSeenInFull(t *testing.T) {
	w := watch(t)
	got := w.Sight.Capabilities()
	if len(got) != 5 {
		t.Errorf("%d classes; want process, network, dns, file, memory", len(got))
	}
	for _, c := range got {
		if c.State != sense.StateFull || c.Reason != "" {
			t.Errorf("%s is %s: %s", c.Class, c.State, c.Reason)
		}
		w.find(t, "sensor.capability", func(e *event.Event) bool {
			return e.Kind == event.SensorCapability && e.Subject == c.Class && e.State == c.State
		})
	}
}

func TestDetachedHookBlindsItsClassOnly(t *testing.T) {
	w := open(t, sight.Options{})
	if err := w.Sight.Detach("file"); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Sight.Capabilities() {
		if want := map[bool]string{true: sense.StateBlind, false: sense.StateFull}[c.Class == "file"]; c.State != want {
			t.Errorf("%s is %s; want %s", c.Class, c.State, want)
		}
	}
	path := filepath.Join(t.TempDir(), "unseen")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "/bin/true")
	w.find(t, "exec after the detach", func(e *event.Event) bool {
		return e.Kind == event.ProcessExec && e.Actor.Path == "/usr/bin/true" || e.Actor.Path == "/bin/true"
	})
	if w.has(func(e *event.Event) bool { return e.File.Path == path }) {
		t.Error("the file was seen by a detached hook")
	}
	if err := w.Sight.Detach("nonsense"); err == nil {
		t.Error("Detach of an unknown group gave no error")
	}
}

// A ring of one page holds a few dozen records: what does not fit must be counted, to the event.
func TestLossIsCountedToTheEvent(t *testing.T) {
	w := open(t, sight.Options{Probe: probe.Options{BulkRing: 4096, Drain: 1 << 30}})
	dir := t.TempDir()
	self, _ := os.Executable()
	run(t, self, "mass", dir, "300")
	counters, err := w.Sight.Counters()
	if err != nil {
		t.Fatal(err)
	}
	c := counters["file"]
	if c.RingFull == 0 {
		t.Errorf("nothing lost: %+v", c)
	}
	if sum := c.Filtered + c.Repeated + c.Throttled + c.Submitted + c.RingFull + c.NoScratch; c.Seen != sum {
		t.Errorf("seen %d; accounted for %d: %+v", c.Seen, sum, c)
	}
	w.find(t, "sensor.loss", func(e *event.Event) bool {
		return e.Kind == event.SensorLoss && e.Subject == "file" && e.Count > 0 && e.ToNS > e.FromNS
	})
}

func TestOneLoudProcessIsThrottledAndCounted(t *testing.T) {
	w := open(t, sight.Options{})
	dir := t.TempDir()
	self, _ := os.Executable()
	run(t, self, "mass", dir, "10000")
	begin := w.find(t, "throttle", func(e *event.Event) bool {
		return e.Kind == event.SensorThrottle && e.State == "start" && e.Actor.Path == self
	})
	// On a slow host it may be throttled, calm down and be throttled again: every beginning has its end.
	w.find(t, "exit of the loud process", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.Key == begin.Actor.Key })
	var seen, held, begins, ends uint64
	for deadline := time.Now().Add(10 * time.Second); begins != ends || begins == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d throttlings began, %d ended", begins, ends)
		}
		seen, held, begins, ends = 0, 0, 0, 0
		w.mu.Lock()
		for _, e := range w.events {
			switch {
			case e.Actor.Key != begin.Actor.Key:
			case e.Kind.Class() == "file":
				seen++
			case e.Kind == event.SensorThrottle && e.State == "start":
				begins++
			case e.Kind == event.SensorThrottle:
				ends++
				held += e.Count
			}
		}
		w.mu.Unlock()
	}
	// The program's own start makes a file event or two.
	if total := seen + held; total < 20000 || total > 20010 {
		t.Errorf("%d seen + %d held back = %d; want 20000", seen, held, total)
	}
}

// Noise in one class must not hide the one act that matters, nor crowd out execs.
func TestLoudProcessCannotHideThatItReadsASecret(t *testing.T) {
	w := open(t, sight.Options{})
	dir := t.TempDir()
	secret := filepath.Join(dir, "id_ecdsa")
	if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	run(t, self, "mass", dir, "10000", secret)
	w.find(t, "throttle", func(e *event.Event) bool { return e.Kind == event.SensorThrottle && e.Actor.Path == self })
	w.find(t, "read of the secret", func(e *event.Event) bool { return e.Kind == event.FileReadCredential && e.File.Path == secret })
}
