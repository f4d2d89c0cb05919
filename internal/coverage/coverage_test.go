package coverage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// table is the Coverage table in memory; package controldb's tests hold the real one to the same words.
type table struct {
	mu     sync.Mutex
	rows   map[string]coverage.Row
	proofs map[event.HostID]coverage.Proof
	known  []coverage.Known
	faults map[string]coverage.Fault
	broken bool
}

func newTable() *table {
	return &table{rows: map[string]coverage.Row{}, proofs: map[event.HostID]coverage.Proof{}, faults: map[string]coverage.Fault{}}
}

func (t *table) SaveCoverage(_ context.Context, rows []coverage.Row, proofs []coverage.Proof) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		return fmt.Errorf("disk full")
	}
	for _, r := range rows {
		t.rows[r.ID] = r
	}
	for _, p := range proofs {
		t.proofs[p.Host] = p
	}
	return nil
}

func (t *table) all(want func(coverage.Row) bool) []coverage.Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []coverage.Row
	for _, r := range t.rows {
		if want(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b coverage.Row) int { return int(a.From - b.From) })
	return out
}

func (t *table) OpenCoverage(context.Context) ([]coverage.Row, error) {
	return t.all(func(r coverage.Row) bool { return r.To == 0 }), nil
}

func (t *table) Coverage(_ context.Context, id tenant.ID, from, to int64) ([]coverage.Row, error) {
	return t.all(func(r coverage.Row) bool {
		return r.Tenant == id && (r.To == 0 || r.To > from) && (to == 0 || r.From < to)
	}), nil
}

func (t *table) Proofs(context.Context) ([]coverage.Proof, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.proofs)), nil
}

func (t *table) KnownHosts(context.Context) ([]coverage.Known, error) { return t.known, nil }

func (t *table) SaveFault(ctx context.Context, f coverage.Fault) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		return fmt.Errorf("disk full")
	}
	t.faults[f.Kind+f.Host.String()] = f
	return nil
}

func (t *table) Faults(context.Context) ([]coverage.Fault, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(t.faults)), func(f coverage.Fault) bool { return f.Until != 0 }), nil
}

func (t *table) PruneCoverage(context.Context, int64) error { return nil }

type desk struct{ list []detection.Detection }

func (d *desk) Receive(_ context.Context, x detection.Detection) error {
	d.list = append(d.list, x)
	return nil
}

// watch is a server that watches one host, in a bubble of fake time.
type watch struct {
	t      *testing.T
	table  *table
	desk   *desk
	c      *coverage.Coverage
	tenant tenant.ID
	host   event.HostID
	secret string
	seq    uint64
	until  int64 // of a maintenance that ops signed
	stop   func()
}

func newWatch(t *testing.T) *watch {
	w := &watch{t: t, table: newTable(), desk: &desk{}, tenant: tenant.ID(uuid.Must(uuid.NewV7())), host: event.HostID(uuid.Must(uuid.NewV7())), secret: filepath.Join(t.TempDir(), "canary.key")}
	w.table.known = []coverage.Known{{Tenant: w.tenant, Host: w.host, Name: "web-1", Enrolled: time.Now().UnixMicro()}}
	w.start()
	return w
}

func (w *watch) start() {
	var err error
	if w.c, err = coverage.New(w.t.Context(), coverage.Options{Japanese: func(r string) string { return "理由:" + r }, Store: w.table, SecretFile: w.secret, Desk: w.desk, Planned: func(tenant.ID, event.HostID) (int64, string) {
		if w.until > time.Now().UnixMicro() {
			return w.until, "ops"
		}
		return 0, ""
	}}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.c.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("Run = %v", err)
		}
	}
}

func (w *watch) hello() {
	w.c.Connected(w.t.Context(), w.tenant, w.host, "web-1", w.table.known[0].Recording, []coverage.Capability{{Class: "process", State: coverage.Full}, {Class: "file", State: coverage.Full}, {Class: "network", State: coverage.Full}, {Class: "memory", State: coverage.Blind, Reason: "no BPF LSM"}})
}

func (w *watch) beat() { w.c.Reported(w.t.Context(), w.tenant, w.host, nil, false) }

func (w *watch) nonce() string {
	n, _ := w.c.NextNonce(w.host)
	return n
}

func (w *watch) see(events ...*event.Event) {
	var out []event.Stamped
	for _, e := range events {
		w.seq++
		e.Time, e.BootNS = time.Now().UnixMicro(), 1e15
		out = append(out, event.Stamped{ID: event.ID{Host: w.host, Stream: 1, Lane: event.Critical, Seq: w.seq}, Event: e})
	}
	w.c.Observe(w.t.Context(), w.tenant, out)
}

func actor(key byte, nonce string) event.Process {
	return event.Process{Key: event.Key{key}, Path: "/opt/yagura/yagura-sensor", CommandLine: "/opt/yagura/yagura-sensor canary " + nonce}
}

func report(key byte, nonce string) *event.Event {
	return &event.Event{Kind: event.SensorCanary, Nonce: nonce, Target: event.Process{Key: event.Key{key}}}
}

// canary is what a whole canary looks like, without the kinds left out.
func canary(key byte, nonce string, without ...event.Kind) []*event.Event {
	out := []*event.Event{report(key, nonce)}
	for _, k := range []event.Kind{event.ProcessExec, event.FileCreate, event.FileDelete, event.NetConnect} {
		if !slices.Contains(without, k) {
			out = append(out, &event.Event{Kind: k, Actor: actor(key, nonce)})
		}
	}
	return out
}

// live runs the host for a time: heartbeats every 15 s, canaries every 60 s.
func (w *watch) live(d time.Duration, without ...event.Kind) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if time.Now().Unix()%15 == 0 {
			w.beat()
		}
		if n := w.nonce(); n != "" {
			w.see(canary(byte(w.seq)|1, n, without...)...)
		}
	}
}

func (w *watch) summary() coverage.Summary {
	w.t.Helper()
	s, err := w.c.Summary(w.t.Context(), w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *watch) cell(class string) coverage.Cell {
	w.t.Helper()
	for _, c := range w.summary().Cells {
		if c.Class == class {
			return c
		}
	}
	w.t.Fatalf("no cell of class %s", class)
	return coverage.Cell{}
}

func ids(s coverage.Summary) string {
	var out []string
	for _, f := range s.SilentFailures {
		out = append(out, f.ID[strings.Index(f.ID, "/")+1:])
	}
	return strings.Join(out, " ")
}

func TestHostIsSilentWithinAMinuteOfItsLastSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		if s := w.summary(); s.Health[w.host].State != "never" || s.LostKnown || s.CanaryOldest != -1 || s.Strip[95].State != "nothing" {
			t.Errorf("before the first report: %+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := w.summary(); ids(s) != "never" || s.SilentFailures[0].What.Ja == "" {
			t.Errorf("enrolled and never reported: %+v", s.SilentFailures)
		}
		w.hello()
		w.live(10 * time.Minute)
		if s := w.summary(); s.Health[w.host].State != "degraded" || s.Reporting != 1 || ids(s) != "class/memory" || s.Strip[95].State != "ok" || s.CanaryOldest < 0 || s.CanaryOldest > 65e6 {
			t.Errorf("while it lives: %q %+v", ids(s), s)
		}
		w.beat()
		last := time.Now().UnixMicro()
		time.Sleep(58 * time.Second)
		if s := w.summary(); s.Health[w.host].State == "silent" {
			t.Error("silent after 58 s")
		}
		time.Sleep(2 * time.Second)
		s := w.summary()
		if h := s.Health[w.host]; h.State != "silent" || h.SilentSince != last || s.Reporting != 0 || s.LostKnown || ids(s) != "silent" || s.SilentFailures[0].Severity != detection.High {
			t.Errorf("after 60 s: %+v, %s; want silent since %d", h, ids(s), last)
		}
		if c := w.cell("process"); c.State != coverage.Silent || c.Since != last {
			t.Errorf("process cell: %+v", c)
		}
		time.Sleep(time.Hour)
		w.hello()
		w.live(2 * time.Minute)
		if h := w.summary().Health[w.host]; h.State != "degraded" || h.SilentSince != 0 {
			t.Errorf("when it is back: %+v", h)
		}
		holes, err := w.c.Holes(t.Context(), w.tenant, w.host, last-1e6, time.Now().UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range holes {
			found = found || r.Class == "process" && r.State == coverage.Silent && r.From == last && r.To-r.From >= 3600e6 && r.To-r.From < 3662e6
		}
		if !found {
			t.Errorf("the hour is no hole: %+v", holes)
		}
	})
}

// Home said "never proven" and drew a quarter of an hour of passed canaries as missed once the last sensor was stopped.
func TestProofsOutliveAStopOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		w.live(20 * time.Minute)
		proven := w.summary().Health[w.host].LastCanary
		w.c.Reported(t.Context(), w.tenant, w.host, nil, true)
		time.Sleep(30 * time.Second)
		s := w.summary()
		if s.CanaryLast != proven || proven == 0 || s.CanaryOldest != -1 {
			t.Errorf("after the stop: last proof %d, oldest %d; want %d and -1", s.CanaryLast, s.CanaryOldest, proven)
		}
		for i, m := range s.Strip[94:] {
			if m.State != "ok" {
				t.Errorf("mark %d is %s; every canary that was due came through", 94+i, m.State)
			}
		}
		time.Sleep(time.Hour)
		if s := w.summary(); s.Strip[95].State != "missed" || s.CanaryLast != proven { // nobody had ordered that stop
			t.Errorf("an hour later the strip ends %v, last proof %d", s.Strip[95], s.CanaryLast)
		}
	})
}

func TestReasonsStandInBothLanguages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		w.live(5 * time.Minute)
		w.live(95*time.Second, event.FileDelete)
		for _, f := range w.summary().SilentFailures {
			if strings.Contains(f.ID, "class/") && !strings.Contains(f.What.Ja, "理由:") {
				t.Errorf("%s reads %q", f.ID, f.What.Ja)
			}
		}
	})
}

// TestSightThatStandsStillSaysWhatToDo: every hook works, so `check` would name none; what helps is said instead.
func TestSightThatStandsStillSaysWhatToDo(t *testing.T) {
	for reason, c := range map[string]struct {
		state    coverage.State
		severity detection.Severity
		fix      string
	}{
		event.ReasonStalled:   {coverage.Blind, detection.High, "systemctl restart yagura-sensor"},
		event.ReasonHungFiles: {coverage.Partial, detection.Low, "umount -f"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatch(t)
			defer func() { w.stop() }()
			w.hello()
			w.live(2 * time.Minute)
			w.see(&event.Event{Kind: event.SensorCapability, Subject: "process", State: string(c.state), Reason: reason})
			found := func() (f coverage.SilentFailure, ok bool) {
				for _, f := range w.summary().SilentFailures {
					if strings.Contains(f.ID, "class/process") {
						return f, true
					}
				}
				return f, false
			}
			f, ok := found()
			if !ok || f.Severity != c.severity || !strings.Contains(f.What.En, reason) || !strings.Contains(f.Fix.En, c.fix) || !strings.Contains(f.Fix.Ja, c.fix) {
				t.Errorf("%q: %v %+v", reason, ok, f)
			}
			w.see(&event.Event{Kind: event.SensorCapability, Subject: "process", State: string(coverage.Full)})
			if f, ok := found(); ok {
				t.Errorf("%q stands when it is over: %+v", reason, f)
			}
		})
	}
}

// A recording that was replayed was told as a sensor that somebody stopped. What a host says of itself makes it no
// recording, and a host that is none is missed as before.
func TestTheEndOfARecordingIsNoFailure(t *testing.T) {
	for _, c := range []struct {
		name                 string
		recording, signedOff bool
		class, says          string
		severity             detection.Severity
	}{
		{"recording", true, true, coverage.ClassRecording, "is a recording that was replayed", detection.Informational},
		{"recording cut off", true, false, coverage.ClassRecording, "is a recording that was replayed", detection.Informational},
		{"host", false, true, coverage.ClassStale, "nobody had ordered it", detection.High},
		{"host cut off", false, false, coverage.ClassStale, "is silent", detection.High},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(t)
				defer func() { w.stop() }()
				w.table.known[0].Recording = c.recording
				w.hello()
				if c.signedOff {
					w.c.Reported(t.Context(), w.tenant, w.host, nil, true)
				}
				for _, when := range []string{"soon", "after a restart"} {
					time.Sleep(10 * time.Minute)
					sum := w.summary()
					if n := map[bool]int{true: 1}[c.recording]; sum.Hosts != 1 || sum.Recordings != n {
						t.Errorf("%s: %d hosts, %d recordings", when, sum.Hosts, sum.Recordings)
					}
					if len(sum.SilentFailures) != 1 || sum.SilentFailures[0].Class != c.class || sum.SilentFailures[0].Severity != c.severity || !strings.Contains(sum.SilentFailures[0].What.En, c.says) {
						t.Errorf("%s: %+v", when, sum.SilentFailures)
					}
					for _, cell := range sum.Cells {
						if cell.State == coverage.Silent && c.recording != strings.Contains(cell.Reason, "recording") {
							t.Errorf("%s: %s reads %q", when, cell.Class, cell.Reason)
						}
					}
					w.stop()
					w.table.known[0].LastSeen = time.Now().UnixMicro()
					w.start()
				}
			})
		})
	}
}

// A sensor that starts again and again and never shows its canary is no healthy one, however often it says Hello.
// A build makes more file events than one process may. That is counted and told, but it alarms nobody; the same of
// memory or of secrets read does.
func TestFaultsStandUntilClearedAlsoOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		f := coverage.Fault{Tenant: w.tenant, Kind: "notify", Class: coverage.ClassServer, Severity: detection.High, What: detection.Said{En: "mail fails", Ja: "メールが届かない"}}
		w.c.Report(t.Context(), f)
		since := time.Now().UnixMicro()
		time.Sleep(time.Minute)
		w.c.Report(t.Context(), f)
		w.stop()
		w.start()
		list, err := w.c.SilentFailures(t.Context(), w.tenant)
		if err != nil || !slices.ContainsFunc(list, func(x coverage.SilentFailure) bool { return x.ID == "server/notify" && x.Since == since }) {
			t.Errorf("%+v, %v", list, err)
		}
		w.c.Clear(t.Context(), w.tenant, event.HostID{}, "notify")
		if s := w.summary(); strings.Contains(ids(s), "notify") {
			t.Errorf("cleared: %s", ids(s))
		}
	})
}

// A thousand changes used up the hour's rows, and that the host went blind after them was not written.
