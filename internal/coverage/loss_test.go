package coverage_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

func TestLossIsCountedOnceAndExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		now := time.Now().UnixMicro()
		loss := event.Stamped{ID: event.ID{Host: w.host, Stream: 1, Lane: event.Critical, Seq: 9}, Event: &event.Event{Kind: event.SensorLoss, Subject: "file", Count: 500, BootNS: 100e9, FromNS: 98e9, ToNS: 99e9, Time: now, Reason: "ring full"}}
		for range 3 {
			w.c.Observe(t.Context(), w.tenant, []event.Stamped{loss})
		}
		w.see(&event.Event{Kind: event.Dropped, Stream: 1, Lane: uint64(event.Network), First: 11, Last: 20, Reason: "spool full"})
		w.table.mu.Lock()
		w.table.broken = true // the disk of the control database is full for a while
		w.table.mu.Unlock()
		w.see(&event.Event{Kind: event.SensorLoss, Subject: "process", Count: 3})
		time.Sleep(5 * time.Second)
		w.table.mu.Lock()
		w.table.broken = false
		w.table.mu.Unlock()
		time.Sleep(2 * time.Second)
		s := w.summary()
		if s.Lost24h != 513 || w.cell("file").Lost != 500 || w.cell("network").Lost != 10 {
			t.Errorf("lost %d, file %d, network %d; want 513, 500, 10", s.Lost24h, w.cell("file").Lost, w.cell("network").Lost)
		}
		if !strings.Contains(ids(s), "drops/file") {
			t.Errorf("silent failures: %s", ids(s))
		}
		rows := w.table.all(func(r coverage.Row) bool { return r.Lost == 500 })
		if len(rows) != 1 || rows[0].From != now-2e6 || rows[0].To != now-1e6 || rows[0].Reason != "ring full" {
			t.Errorf("row of the loss: %+v; want %d to %d", rows, now-2000000, now-1000000)
		}
	})
}

func TestThrottleStandsUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		w.see(&event.Event{Kind: event.SensorThrottle, Subject: "file", State: "start", Reason: "make -j makes 20,000 files a second"})
		if c := w.cell("file"); c.State != coverage.Partial || !strings.Contains(c.Reason, "make -j") {
			t.Errorf("while throttled: %+v", c)
		}
		w.see(&event.Event{Kind: event.SensorThrottle, Subject: "file", State: "stop", Count: 70})
		if c := w.cell("file"); c.State != coverage.Full || c.Lost != 70 {
			t.Errorf("after: %+v", c)
		}
	})
}

func TestABuildThatIsHeldBackAlarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		cc := event.Process{PID: 77, Path: "/usr/bin/cc1"}
		loud := func(state, class string, lane event.Lane, n uint64) *event.Event {
			return &event.Event{Kind: event.SensorThrottle, Subject: class, State: state, Lane: uint64(lane), Actor: cc, Count: n}
		}
		find := func(kind string) *coverage.SilentFailure {
			for _, f := range w.summary().SilentFailures {
				if strings.HasSuffix(f.ID, "/"+kind) {
					return &f
				}
			}
			return nil
		}
		before := w.summary().Health[w.host].State
		w.see(loud("start", "file", event.Bulk, 0))
		if c := w.cell("file"); c.State != coverage.Partial || !strings.Contains(c.Reason, "/usr/bin/cc1 (pid 77)") {
			t.Errorf("while held back: %+v", c)
		}
		if f := find("class/file"); f == nil || f.Severity != detection.Informational {
			t.Errorf("while held back: %+v", f)
		}
		if h := w.summary().Health[w.host]; h.State != before {
			t.Errorf("while held back: host %s; was %s", h.State, before)
		}
		w.see(loud("stop", "file", event.Bulk, 9000))
		if f := find("held/file"); f == nil || f.Severity != detection.Informational || !strings.Contains(f.What.En, "9000") || !strings.Contains(f.What.En, "/usr/bin/cc1 (pid 77)") {
			t.Errorf("after: %+v", f)
		}
		if c := w.cell("file"); c.State != coverage.Full || c.Lost != 0 || c.Held != 9000 {
			t.Errorf("after: %+v", c)
		}
		if f := find("drops/file"); f != nil {
			t.Errorf("told as a loss: %+v", f)
		}
		w.see(loud("start", "file", event.Critical, 0), loud("stop", "file", event.Critical, 3), loud("start", "memory", event.Critical, 0), loud("stop", "memory", event.Critical, 3))
		for _, kind := range []string{"drops/file", "drops/memory"} {
			if f := find(kind); f == nil || f.Severity != detection.Medium {
				t.Errorf("%s: %+v", kind, f)
			}
		}
	})
}

func TestHostileFloodOfLossesStaysSmallAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		for range 50 {
			var flood []*event.Event
			for i := range 200 {
				flood = append(flood, &event.Event{Kind: event.SensorLoss, Subject: "file", Count: 2}, &event.Event{Kind: event.SensorThrottle, Subject: "network", State: []string{"start", "stop"}[i%2]})
			}
			w.see(flood...)
		}
		if n := len(w.table.all(func(coverage.Row) bool { return true })); n > 1100 {
			t.Errorf("%d rows", n)
		}
		if s := w.summary(); s.Lost24h != 50*200*2 {
			t.Errorf("lost %d; want %d", s.Lost24h, 50*200*2)
		}
		time.Sleep(time.Minute)
		if h := w.summary().Health[w.host]; h.State != "silent" {
			t.Errorf("a flood hides silence: %+v", h)
		}
	})
}

func TestAFloodOfChangesDoesNotHideBlindness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		state := func(s coverage.State) *event.Event {
			time.Sleep(time.Millisecond)
			return &event.Event{Kind: event.SensorCapability, Subject: "process", State: string(s), Time: time.Now().UnixMicro()}
		}
		for range 1500 {
			w.see(state(coverage.Partial), state(coverage.Full))
		}
		w.see(state(coverage.Blind))
		open := w.table.all(func(r coverage.Row) bool { return r.Class == "process" && r.To == 0 })
		if len(open) != 1 || open[0].State != coverage.Blind {
			t.Errorf("after the flood it stands as %+v; want blind", open)
		}
		if n := len(w.table.all(func(coverage.Row) bool { return true })); n > 1100 {
			t.Errorf("%d rows", n)
		}
	})
}
