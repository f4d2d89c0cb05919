package coverage_test

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
)

// decided gives what stands of the file events of a host.
func (w *watch) decided() (state, cause, severity, host string) {
	s, severity := w.summary(), "none"
	for _, f := range s.SilentFailures {
		if strings.HasSuffix(f.ID, "/class/file") {
			severity = f.Severity.String()
		}
	}
	c := w.cell("file")
	return string(c.State), string(c.Cause), severity, s.Health[w.host].State
}

// TestEveryStateHasItsCauseAndSeverity walks the table in testdata: a loud process hides no dead hook, the canary is
// asked for what a sensor calls partial, and no words of a sensor change how bad anything is.
func TestEveryStateHasItsCauseAndSeverity(t *testing.T) {
	table, err := os.ReadFile("testdata/decisions.txt")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"-": "", "noise": "held back, and counted: file events of /usr/bin/cc1 (pid 7): it made too many", "missed": "the canary's file creation did not come through"}
	cases := 0
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) != 9 {
			t.Fatalf("%q has %d columns; want 9", line, len(f))
		}
		cases++
		synctest.Test(t, func(t *testing.T) {
			w := newWatch(t)
			defer func() { w.stop() }()
			caps := []coverage.Capability{{Class: "process", State: coverage.Full}, {Class: "network", State: coverage.Full}, {Class: "file", State: coverage.State(f[0]), Reason: words[f[1]]}}
			w.c.Connected(t.Context(), w.tenant, w.host, "web-1", false, caps)
			w.live(2 * time.Minute)
			if f[2] != "-" {
				lane := map[string]event.Lane{"build": event.Bulk, "acts": event.Critical}[f[2]]
				w.see(&event.Event{Kind: event.SensorThrottle, Subject: "file", State: "start", Lane: uint64(lane), Actor: event.Process{PID: 7, Path: "/usr/bin/cc1"}})
			}
			if f[3] == "gap" {
				w.c.Gap(t.Context(), w.tenant, w.host, "file", "numbered events did not come")
			}
			var without []event.Kind
			if f[4] == "missed" {
				without = []event.Kind{event.FileCreate, event.FileDelete}
			}
			w.live(3*time.Minute, without...)
			state, cause, severity, host := w.decided()
			if got, want := strings.Join([]string{state, cause, severity, host}, " "), strings.Join(f[5:], " "); got != want {
				t.Errorf("%s\ngives %s; want %s", line, got, want)
			}
		})
	}
	if cases < 20 {
		t.Errorf("%d cases; the table is cut short", cases)
	}
}

// What stands is open in the table with its cause, and is read back after a restart.
func TestCausesOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.live(2 * time.Minute)
		w.live(3*time.Minute, event.FileCreate)
		w.stop()
		w.start()
		w.beat()
		if state, cause, severity, _ := w.decided(); state != "partial" || cause != "missed" || severity != "high" {
			t.Errorf("after a restart: %s %s %s", state, cause, severity)
		}
	})
}
