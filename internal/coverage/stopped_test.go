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

// tells gives the events of a sensor's own life: its start, or its end and who brought it.
func (w *watch) tells(kind event.Kind, who string) {
	w.seq++
	w.c.Observe(w.t.Context(), w.tenant, []event.Stamped{{ID: event.ID{Host: w.host, Stream: 7, Seq: w.seq}, Event: &event.Event{Kind: kind, Time: time.Now().UnixMicro(), Reason: who}}})
}

// whole greets for a host that is seen whole.
func (w *watch) whole() {
	full := func(class string) coverage.Capability { return coverage.Capability{Class: class, State: coverage.Full} }
	w.c.Connected(w.t.Context(), w.tenant, w.host, "web-1", false, []coverage.Capability{full("process"), full("file"), full("network"), full("dns"), full("memory")})
}

func (w *watch) off() { w.c.Reported(w.t.Context(), w.tenant, w.host, nil, true) }

func (w *watch) worst() (detection.Severity, string) {
	s := w.summary()
	if len(s.SilentFailures) == 0 {
		return 0, ""
	}
	return s.SilentFailures[0].Severity, s.SilentFailures[0].What.En
}

// One polite word with the host's key was the quietest way to blind a host: severity low, told to nobody, no detection.
func TestAStopThatNobodyOrderedIsToldAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.live(5 * time.Minute)
		w.tells(event.SensorStop, "SIGTERM of bash (pid 4711, uid 0)")
		w.off()
		if severity, what := w.worst(); severity != detection.Low || !strings.Contains(what, "may be starting anew") {
			t.Errorf("at once: %s %q", severity, what)
		}
		time.Sleep(62 * time.Second)
		if severity, what := w.worst(); severity != detection.High || !strings.Contains(what, "SIGTERM of bash (pid 4711, uid 0)") {
			t.Errorf("a minute later: %s %q", severity, what)
		}
		if len(w.desk.list) != 1 || w.desk.list[0].Severity != detection.High || w.desk.list[0].Matched[0].Value != "SIGTERM of bash (pid 4711, uid 0)" {
			t.Errorf("detections %+v", w.desk.list)
		}
		// the order of a maintenance was printed for HOST, where the host is known
		order := "`yagura respond maintenance " + w.host.String() + " --for 1h`"
		for _, advice := range []detection.Said{w.summary().SilentFailures[0].Fix, w.desk.list[0].Todo} {
			if !strings.Contains(advice.En, order) || !strings.Contains(advice.Ja, order) {
				t.Errorf("the advice cannot be pasted: %+v; want %s", advice, order)
			}
		}
		w.stop()
		w.table.known[0].LastSeen = time.Now().UnixMicro()
		w.start()
		time.Sleep(2 * time.Minute)
		if severity, what := w.worst(); severity != detection.High || !strings.Contains(what, "nobody had ordered it") {
			t.Errorf("after a restart of the server: %s %q", severity, what)
		}
	})
}

// Without the sensor's word on who did it the stop is told all the same.
func TestASignOffWithoutAWordIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.off()
		time.Sleep(62 * time.Second)
		if severity, what := w.worst(); severity != detection.High || !strings.Contains(what, "nobody knows who") {
			t.Errorf("%s %q", severity, what)
		}
	})
}

// A package that replaces the sensor wakes nobody at night, and is told; so is a host that is booted.
func TestARestartWakesNobody(t *testing.T) {
	for _, c := range []struct {
		who   string
		state string
		dark  time.Duration
		want  detection.Severity
	}{
		{"SIGTERM of systemd (pid 1, uid 0)", "", 20 * time.Second, detection.Low},
		{"SIGTERM of systemd (pid 1, uid 0)", "", 10 * time.Minute, detection.High},
		{"the host shuts down", "shutdown", 3 * time.Minute, detection.Low},
		{"the host shuts down", "shutdown", time.Hour, detection.Medium},
		{"the host shuts down", "", 3 * time.Minute, detection.High}, // words decide nothing
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatch(t)
			defer func() { w.stop() }()
			w.whole()
			w.live(2 * time.Minute)
			w.see(&event.Event{Kind: event.SensorStop, Reason: c.who, State: c.state})
			w.off()
			worst := detection.Severity(0)
			for dark := time.Duration(0); dark < c.dark; dark += 5 * time.Second {
				time.Sleep(5 * time.Second)
				severity, _ := w.worst()
				worst = max(worst, severity)
			}
			w.whole()
			w.tells(event.SensorStart, "")
			time.Sleep(2 * time.Second)
			if worst != c.want {
				t.Errorf("%s, back after %s: %s; want %s", c.who, c.dark, worst, c.want)
			}
			if len(w.desk.list) != 1 || w.desk.list[0].Severity != c.want {
				t.Errorf("%s, back after %s: detections %+v", c.who, c.dark, w.desk.list)
			}
		})
	}
}

// Only what an operator signed makes a stop a meant one, and only for as long as it says.
func TestAMaintenanceIsNoAlarmUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.live(2 * time.Minute)
		w.until = time.Now().Add(time.Hour).UnixMicro()
		w.tells(event.SensorStop, "SIGTERM of systemd (pid 1, uid 0)")
		w.off()
		time.Sleep(30 * time.Minute)
		if severity, what := w.worst(); severity != detection.Low || !strings.Contains(what, "maintenance that ops ordered") {
			t.Errorf("in the maintenance: %s %q", severity, what)
		}
		w.stop()
		w.table.known[0].LastSeen = time.Now().UnixMicro()
		w.start()
		time.Sleep(29 * time.Minute)
		if severity, what := w.worst(); severity != detection.Low {
			t.Errorf("after a restart of the server: %s %q", severity, what)
		}
		time.Sleep(3 * time.Minute)
		if severity, what := w.worst(); severity != detection.High {
			t.Errorf("the maintenance is over and it is still dark: %s %q", severity, what)
		}
		if len(w.desk.list) != 0 {
			t.Errorf("detections %+v", w.desk.list)
		}
	})
}

// A forged sign-off stuck: the living sensor stayed silent until its next greeting, and got no canary.
func TestAnyContactEndsASignOff(t *testing.T) {
	for name, contact := range map[string]func(*watch) int64{
		"heartbeat or upload": func(w *watch) int64 { return w.c.Heard(w.tenant, w.host, time.Now().UnixMicro(), false) },
		"stream of orders":    func(w *watch) int64 { return w.c.Heard(w.tenant, w.host, time.Now().UnixMicro(), true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(t)
				defer func() { w.stop() }()
				w.whole()
				w.live(5 * time.Minute)
				under := time.Now().UnixMicro()
				w.off()
				signed := time.Now().UnixMicro()
				if off := w.c.Heard(w.tenant, w.host, under, false); off != 0 {
					t.Error("what was under way when it signed off ended the sign-off")
				}
				time.Sleep(5 * time.Second)
				if off := contact(w); off != signed {
					t.Errorf("the contact gives the sign-off at %d; want %d", off, signed)
				}
				if s := w.summary(); s.Health[w.host].State == "silent" {
					t.Error("still silent")
				}
				time.Sleep(time.Minute)
				if nonce, _ := w.c.NextNonce(w.host); nonce == "" {
					t.Error("no canary")
				}
			})
		})
	}
}

// After a restart every host was "reporting" before any sensor had come back.
func TestNobodyReportsBeforeItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.live(5 * time.Minute)
		w.stop()
		w.table.known[0].LastSeen = time.Now().UnixMicro()
		time.Sleep(20 * time.Second)
		w.start()
		s := w.summary()
		if h := s.Health[w.host]; h.State != "waiting" || s.Reporting != 0 || s.Cells[0].State != "unknown" {
			t.Errorf("before it was heard: %s, %d reporting, %+v", h.State, s.Reporting, s.Cells[0])
		}
		w.c.Heard(w.tenant, w.host, time.Now().UnixMicro(), false)
		if s := w.summary(); s.Health[w.host].State != "reporting" || s.Reporting != 1 {
			t.Errorf("after: %s", s.Health[w.host].State)
		}
	})
}

// A hole in the numbers makes its class partial for as long as it is there, and no longer.
func TestAGapIsCoverage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.live(2 * time.Minute)
		w.c.Gap(t.Context(), w.tenant, w.host, "network", "numbered events did not come")
		time.Sleep(10 * time.Second)
		if s := w.summary(); s.Health[w.host].State != "degraded" {
			t.Errorf("with a gap: %s", s.Health[w.host].State)
		}
		w.c.Gap(t.Context(), w.tenant, w.host, "network", "")
		time.Sleep(time.Second)
		if s := w.summary(); s.Health[w.host].State != "reporting" {
			t.Errorf("filled: %s", s.Health[w.host].State)
		}
		holes, err := w.c.Holes(t.Context(), w.tenant, w.host, 0, 0)
		if err != nil || len(holes) != 1 || holes[0].Class != "network" || holes[0].To-holes[0].From != 10e6 {
			t.Errorf("%+v, %v", holes, err)
		}
	})
}

// A host that was revoked took its faults along in memory only: a restart brought them back.
func TestFaultsOfARevokedHostStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.c.Report(t.Context(), coverage.Fault{Tenant: w.tenant, Host: w.host, Kind: "clone", Class: coverage.ClassTamper, Severity: detection.High, Since: time.Now().UnixMicro()})
		w.c.Retired(t.Context(), w.host)
		w.table.known[0].Revoked = time.Now().UnixMicro()
		w.stop()
		w.start()
		if s := w.summary(); len(s.SilentFailures) != 0 {
			t.Errorf("%+v", s.SilentFailures)
		}
	})
}

// A sensor that was frozen for minutes and went on was an event among others.
func TestAFrozenSensorThatGoesOnIsADetection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		thaws := func(dark time.Duration) {
			w.seq++
			w.c.Observe(t.Context(), w.tenant, []event.Stamped{{ID: event.ID{Host: w.host, Stream: 7, Seq: w.seq}, Event: &event.Event{
				Kind: event.SensorTamper, Subject: event.TamperFrozen, State: "restored", Time: time.Now().UnixMicro(), BootNS: 1e15, FromNS: 1e15 - uint64(dark), ToNS: 1e15, Reason: `SIGSTOP from "bash" (pid 4711, mallory)`,
			}}})
		}
		thaws(20 * time.Second)
		thaws(3 * time.Minute)
		if len(w.desk.list) != 2 || w.desk.list[0].Severity != detection.Low || w.desk.list[1].Severity != detection.High {
			t.Fatalf("detections %+v; want a low one and a high one", w.desk.list)
		}
		if m := w.desk.list[1].Matched; !strings.Contains(m[0].Value, "mallory") || m[1].Value != "3m0s" {
			t.Errorf("matched %+v", m)
		}
		if todo := w.desk.list[1].Todo; !strings.Contains(todo.En, " "+w.host.String()+" --for") || !strings.Contains(todo.Ja, " "+w.host.String()+" --for") {
			t.Errorf("the advice cannot be pasted: %+v", todo)
		}
		w.until = time.Now().Add(time.Hour).UnixMicro()
		thaws(5 * time.Minute)
		if len(w.desk.list) != 2 {
			t.Errorf("a maintenance that was ordered makes a detection: %+v", w.desk.list[2])
		}
	})
}
