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

func TestProbeThatStopsIsNamedWithin90Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		w.live(5 * time.Minute)
		if c := w.cell("file"); c.State != coverage.Full {
			t.Fatalf("file cell: %+v", c)
		}
		lastWhole := w.summary().Health[w.host].LastCanary
		w.live(95*time.Second, event.FileDelete)
		c := w.cell("file")
		if c.State != coverage.Partial || !strings.Contains(c.Reason, "file removal") || c.Since != lastWhole {
			t.Errorf("file cell: %+v; want partial since %d", c, lastWhole)
		}
		if p := w.cell("process"); p.State != coverage.Full {
			t.Errorf("process cell: %+v", p)
		}
		s := w.summary()
		if !strings.Contains(ids(s), "class/file") || s.SilentFailures[0].Severity != detection.High || s.Strip[95].State != "part" {
			t.Errorf("silent failures %s, strip ends %v", ids(s), s.Strip[95])
		}
		w.live(61 * time.Second)
		if c := w.cell("file"); c.State != coverage.Full {
			t.Errorf("when it is back: %+v", c)
		}
		w.live(2*time.Minute, event.FileDelete, event.FileCreate, event.ProcessExec, event.NetConnect)
		if s := w.summary(); !strings.Contains(ids(s), "dark") || strings.Contains(ids(s), "class/file") {
			t.Errorf("heartbeats and nothing else: %s", ids(s))
		}
		if len(w.desk.list) != 0 {
			t.Errorf("%d detections; want none", len(w.desk.list))
		}
	})
}

func TestSensorThatDiesBeforeEachCanaryIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		for range 5 {
			w.hello()
			w.c.NextNonce(w.host)
			time.Sleep(30 * time.Second)
		}
		if c := w.cell("process"); c.State != coverage.Partial || !strings.Contains(c.Reason, "did not come through") {
			t.Errorf("after 150 s and five starts: %+v; want a missed canary", c)
		}
		w.hello()
		if c := w.cell("process"); c.State != coverage.Partial {
			t.Errorf("after one more Hello: %+v; want a proof, not a promise", c)
		}
		w.live(65 * time.Second)
		if c := w.cell("process"); c.State != coverage.Full {
			t.Errorf("after a canary: %+v", c)
		}
	})
}

func TestOnlyTheProcessTheSensorNamedIsTheCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		n := w.nonce()
		w.see(&event.Event{Kind: event.ProcessExec, Actor: actor(7, n)})
		if !w.c.IsCanary(t.Context(), w.host, event.Key{7}) {
			t.Error("the first process with an open nonce is not believed")
		}
		// The sensor names another: 7 used the nonce it read from the process list.
		w.see(canary(8, n)...)
		if w.c.IsCanary(t.Context(), w.host, event.Key{7}) || !w.c.IsCanary(t.Context(), w.host, event.Key{8}) {
			t.Error("not the process that the sensor named")
		}
		if len(w.desk.list) != 1 || w.desk.list[0].Event.Event.Actor.Key != (event.Key{7}) || w.desk.list[0].Severity != detection.High || w.desk.list[0].Tenant != w.tenant {
			t.Fatalf("detections: %+v", w.desk.list)
		}
		if w.summary().Health[w.host].LastCanary == 0 {
			t.Error("the true canary did not count")
		}
		for name, e := range map[string]*event.Event{
			"used nonce":    {Kind: event.ProcessExec, Actor: actor(9, n)},
			"unknown nonce": {Kind: event.ProcessExec, Actor: actor(10, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
			"no nonce":      {Kind: event.ProcessExec, Actor: event.Process{Key: event.Key{11}, Path: "/tmp/yagura-sensor", CommandLine: "x canary"}},
			"second word":   report(12, n),
			"made-up word":  report(13, "zzz"),
		} {
			before := len(w.desk.list)
			w.see(e)
			if len(w.desk.list) != before+1 {
				t.Errorf("%s: %d detections more; want 1", name, len(w.desk.list)-before)
			}
			if w.c.IsCanary(t.Context(), w.host, e.Actor.Key) {
				t.Errorf("%s is a canary", name)
			}
		}
		// One that nobody claims.
		time.Sleep(time.Minute)
		w.beat()
		before := len(w.desk.list)
		w.see(&event.Event{Kind: event.ProcessExec, Actor: actor(14, w.nonce())})
		for range 8 {
			time.Sleep(14 * time.Second)
			w.beat()
		}
		if len(w.desk.list) != before+1 {
			t.Errorf("unclaimed: %d detections more; want 1", len(w.desk.list)-before)
		}
		// An old nonce that is brought out again, after the server forgot its run.
		w.live(time.Hour)
		before = len(w.desk.list)
		w.see(&event.Event{Kind: event.ProcessExec, Actor: actor(15, n)})
		if len(w.desk.list) != before+1 {
			t.Errorf("old nonce: %d detections more; want 1", len(w.desk.list)-before)
		}
	})
}

func TestLateAndRepeatedEventsProveNothingAndAccuseNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		n := w.nonce()
		events := canary(7, n)
		w.see(events...)
		proven := w.summary().Health[w.host].LastCanary
		// The server restarts and the engine reads the same records again.
		w.stop()
		w.table.known[0].LastSeen = time.Now().UnixMicro()
		w.start()
		at := events[0].Time
		var again []event.Stamped
		for i, e := range events {
			e.Time = at
			again = append(again, event.Stamped{ID: event.ID{Host: w.host, Stream: 1, Lane: event.Critical, Seq: uint64(i + 1)}, Event: e})
		}
		time.Sleep(2 * time.Minute) // it took its time
		w.c.Observe(t.Context(), w.tenant, again)
		time.Sleep(2 * time.Minute)
		if len(w.desk.list) != 0 {
			t.Errorf("detections: %+v", w.desk.list)
		}
		if got := w.summary().Health[w.host].LastCanary; got != proven {
			t.Errorf("last canary %d; want %d as before", got, proven)
		}
		if !w.c.IsCanary(t.Context(), w.host, event.Key{7}) {
			t.Error("read again, it is no canary")
		}
	})
}
