package controldb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func TestStateOfAnIncidentIsKeptAndALateDetectionReopensIt(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("x", "init", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	id := d.flush()[0].ID
	if err := d.SetState(t.Context(), d.ten, id, incident.StateClosed, "", "", "mika"); err == nil {
		t.Error("closing without a verdict passed")
	}
	if err := d.SetState(t.Context(), d.ten, id, incident.StateClosed, "TP-authorised-test", "it was our own test", "mika"); err != nil {
		t.Fatal(err)
	}
	d.start("more", "x", "/usr/bin/ls", "ls", "6")
	if r := d.flush()[0]; r.State != incident.StateClosed || r.Verdict != "TP-authorised-test" || r.Owner != "mika" {
		t.Errorf("a new step changed what a person set: %+v", r)
	}
	d.detect(d.start("again", "x", "/usr/bin/tar", "tar", "5"), "rule two", detection.High)
	if r := d.flush()[0]; r.State != incident.StateNew || r.Detections != 2 {
		t.Errorf("after a late detection: state %s, %d detections; want new and 2", r.State, r.Detections)
	}
	other := tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ee"))
	if _, _, err := d.Get(t.Context(), other, id); !errors.Is(err, incident.ErrNotFound) {
		t.Errorf("another tenant got the incident: %v", err)
	}
	if rows, err := d.List(t.Context(), other, incident.Query{}); err != nil || len(rows) != 0 {
		t.Errorf("another tenant lists %d incidents, %v", len(rows), err)
	}
}

func TestAnIncidentIsClosedWithEveryVerdictOfTheListAndReopened(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("x", "", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	id := d.flush()[0].ID
	set := func(to incident.State, verdict, reason, by string) incident.Row {
		t.Helper()
		if err := d.SetState(t.Context(), d.ten, id, to, verdict, reason, by); err != nil {
			t.Fatalf("SetState(%s, %s) = %v", to, verdict, err)
		}
		k, _, err := d.Get(t.Context(), d.ten, id)
		if err != nil {
			t.Fatal(err)
		}
		return k.Row
	}
	if r := set(incident.StateTriaging, "", "", "mika"); r.Owner != "mika" {
		t.Errorf("claimed by mika, the owner is %q", r.Owner)
	}
	for _, v := range incident.Verdicts() {
		if r := set(incident.StateClosed, v.ID, "  seen on the screen ", "jun"); r.State != incident.StateClosed || r.Verdict != v.ID || r.Reason != "seen on the screen" || r.Owner != "mika" {
			t.Errorf("closed as %s: %+v; the owner stays who claimed it", v.ID, r)
		}
		if rows, err := d.List(t.Context(), d.ten, incident.Query{State: incident.StateClosed}); err != nil || len(rows) != 1 {
			t.Errorf("closed as %s: %d closed incidents are listed, %v", v.ID, len(rows), err)
		}
		if r := set(incident.StateTriaging, "", "", "mika"); r.Verdict != "" {
			t.Errorf("reopened, the verdict is still %q", r.Verdict)
		}
	}
	if r := set(incident.StateNew, "", "", "mika"); r.Owner != "" {
		t.Errorf("given back, the owner is %q", r.Owner)
	}
	for _, bad := range []struct {
		to              incident.State
		verdict, reason string
	}{{incident.StateClosed, "false_positive", "why"}, {incident.StateClosed, "BTP", " \n"}, {incident.StateClosed, "BTP", strings.Repeat("あ", incident.MaxReason+1)}, {"done", "", ""}, {incident.StateTriaging, "BTP", "why"}} {
		err := d.SetState(t.Context(), d.ten, id, bad.to, bad.verdict, bad.reason, "mika")
		if _, ok := errors.AsType[incident.InputError](err); !ok {
			t.Errorf("SetState(%s, %q, %.10q) = %v; want an InputError", bad.to, bad.verdict, bad.reason, err)
		}
	}
	if h, err := d.History(t.Context(), d.ten, id); err != nil || len(h) != 2*len(incident.Verdicts())+2 || h[0].Who != "mika" || h[1].Who != "jun" || h[1].Verdict != incident.Verdicts()[0].ID {
		t.Errorf("history: %d lines, %v: %+v", len(h), err, h)
	}
}

func TestAVerdictGivenMeanwhileIsNotReplacedUnseen(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("x", "", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	id := d.flush()[0].ID
	for _, c := range []struct {
		from, to incident.State
		verdict  string
		moved    bool
		then     incident.State
	}{
		{"new", "triaging", "", false, "triaging"},
		{"new", "triaging", "", true, "triaging"}, // two claim at once
		{"new", "closed", "BTP", true, "triaging"},
		{"triaging", "closed", "TP-malicious", false, "closed"},
		{"triaging", "closed", "BTP", true, "closed"},
		{"triaging", "new", "", true, "closed"},
		{"closed", "closed", "BTP", false, "closed"}, // the verdict was seen
		{"", "closed", "TP-malicious", false, "closed"},
	} {
		reason := ""
		if c.verdict != "" {
			reason = "seen"
		}
		err := d.SetStateFrom(t.Context(), d.ten, id, c.from, c.to, c.verdict, reason, "mika")
		if _, ok := errors.AsType[incident.MovedError](err); ok != c.moved || !ok && err != nil {
			t.Errorf("SetStateFrom(%q, %q, %q) = %v; want moved %v", c.from, c.to, c.verdict, err, c.moved)
		}
		k, _, err := d.Get(t.Context(), d.ten, id)
		if err != nil || k.Row.State != c.then || c.moved && k.Row.Verdict == "BTP" {
			t.Errorf("after SetStateFrom(%q, %q): %v %q, %v; want %q", c.from, c.to, k.Row.State, k.Row.Verdict, err, c.then)
		}
	}
}

func TestOfTwoVerdictsAtOneTimeOneStands(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("x", "", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	id := d.flush()[0].ID
	var wg sync.WaitGroup
	said := make([]error, 8)
	for i := range said {
		wg.Go(func() {
			said[i] = d.SetStateFrom(t.Context(), d.ten, id, "new", "closed", "BTP", "seen", fmt.Sprint("analyst ", i))
		})
	}
	wg.Wait()
	stand := 0
	for _, err := range said {
		if _, moved := errors.AsType[incident.MovedError](err); err == nil {
			stand++
		} else if !moved {
			t.Error(err)
		}
	}
	if h, err := d.History(t.Context(), d.ten, id); stand != 1 || err != nil || len(h) != 1 {
		t.Errorf("%d of %d verdicts given at one time were taken, %d stand in the history, %v; want one", stand, len(said), len(h), err)
	}
}
