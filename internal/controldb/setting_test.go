package controldb_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// late is the real store; what follows the first state that is set in it comes late.
type late struct {
	incident.Store
	set    chan struct{} // closed when the state is in the table
	second atomic.Bool
}

func (l *late) SetIncidentState(ctx context.Context, t tenant.ID, id incident.ID, from incident.State, owner string, c incident.Change) error {
	err := l.Store.SetIncidentState(ctx, t, id, from, owner, c)
	if !l.second.Swap(true) {
		close(l.set)
		time.Sleep(200 * time.Millisecond)
	}
	return err
}

// lateDesk has one incident and a store that is late.
func lateDesk(t *testing.T) (*desk, *late, incident.ID) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	l := &late{Store: d.db.Incidents(), set: make(chan struct{})}
	d.Desk = incident.New(incident.Options{Store: l, Now: func() time.Time { return d.now }})
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("x", "init", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	return d, l, d.flush()[0].ID
}

// An analyst closed an incident in the moment in which a detection joined it: it stood closed, and nobody had seen it.
func TestAnIncidentThatGrowsInTheMomentItIsClosedIsOpenAgain(t *testing.T) {
	d, l, id := lateDesk(t)
	var closing sync.WaitGroup
	closing.Go(func() {
		if err := d.SetState(t.Context(), d.ten, id, incident.StateClosed, "TP-authorised-test", "it was our own test", "mika"); err != nil {
			t.Error(err)
		}
	})
	<-l.set
	d.detect(d.start("again", "x", "/usr/bin/tar", "tar", "5"), "rule two", detection.High)
	d.flush()
	closing.Wait()
	if r := d.flush()[0]; r.State != incident.StateNew || r.Detections != 2 {
		t.Errorf("state %s, %d detections; want new and 2", r.State, r.Detections)
	}
}

// Two analysts set the state at once; the desk took up the first of them last, took the closed incident for an open one,
// and let it grow closed.
func TestTheStateThatWasSetLastIsTheOneThatCounts(t *testing.T) {
	d, l, id := lateDesk(t)
	var taking sync.WaitGroup
	taking.Go(func() {
		if err := d.SetState(t.Context(), d.ten, id, incident.StateTriaging, "", "", "aki"); err != nil {
			t.Error(err)
		}
	})
	<-l.set
	if err := d.SetState(t.Context(), d.ten, id, incident.StateClosed, "TP-authorised-test", "it was our own test", "mika"); err != nil {
		t.Fatal(err)
	}
	taking.Wait()
	d.detect(d.start("again", "x", "/usr/bin/tar", "tar", "5"), "rule two", detection.High)
	if r := d.flush()[0]; r.State != incident.StateNew || r.Detections != 2 {
		t.Errorf("state %s, %d detections; want new and 2", r.State, r.Detections)
	}
}
