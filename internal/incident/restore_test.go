package incident_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

// remembered gives stored events, and then an error when the reading did not come to its end.
type remembered struct {
	of     incident.Observed
	events []event.Stamped
	err    error
}

func (r remembered) Recent(context.Context, int64) iter.Seq2[incident.Observed, error] {
	return func(yield func(incident.Observed, error) bool) {
		if r.err != nil && !yield(incident.Observed{}, r.err) {
			return
		}
		for _, e := range r.events {
			if !yield(incident.Observed{Tenant: r.of.Tenant, Event: e}, nil) {
				return
			}
		}
	}
}

// TestWhatComesBeforeTheStoriesAreReadBackIsJoinedToThem: a restarted server takes events in at once; a
// detection of that moment belongs to the story that began before the restart, also when not all of it could be
// read back.
func TestWhatComesBeforeTheStoriesAreReadBackIsJoinedToThem(t *testing.T) {
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := func() time.Time { return time.UnixMicro(t0).Add(time.Hour) }
	tp := newTape(hostA)
	tp.start("shell", "init", 60, "/usr/bin/bash", "bash -i")
	tp.detect(tp.start("first", "shell", 61, "/dev/shm/a", "/dev/shm/a"), "program run from memory", detection.High)
	d := incident.New(incident.Options{Store: db.Incidents(), Now: now})
	d.Observe(t.Context(), tp.dets[0].Tenant, tp.events)
	if err := d.Receive(t.Context(), tp.dets[0]); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := tp.events

	d = incident.New(incident.Options{Store: db.Incidents(), Now: now, Restores: true})
	tp.events, tp.dets = nil, nil
	tp.detect(tp.start("second", "shell", 62, "/dev/shm/b", "/dev/shm/b"), "program run from memory", detection.High)
	d.Observe(t.Context(), tp.dets[0].Tenant, tp.events)
	if err := d.Receive(t.Context(), tp.dets[0]); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := d.Load(); !l.Cold || l.Inbox != 1 {
		t.Errorf("before Restore: %+v; want the detection to wait", l)
	}
	if err := d.Restore(t.Context(), remembered{of: incident.Observed{Tenant: tp.dets[0].Tenant}, events: before, err: errors.New("the time is up")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := d.List(t.Context(), tp.dets[0].Tenant, incident.Query{})
	if err != nil || len(rows) != 1 || rows[0].Detections != 2 {
		t.Errorf("incidents: %+v, %v; want one of two detections", rows, err)
	}
	if l := d.Load(); l.Cold || l.Read != len(before) {
		t.Errorf("after Restore: %+v; want %d events read", l, len(before))
	}
}

// TestEventsThatAreHeldAreBounded: what waits for the stories must not fill the memory.
func TestEventsThatAreHeldAreBounded(t *testing.T) {
	d := incident.New(incident.Options{Restores: true})
	tp := newTape(hostA)
	tp.start("shell", "init", 60, "/usr/bin/bash", "bash -i")
	one := make([]event.Stamped, 10_000)
	for i := range one {
		one[i] = tp.events[0]
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	n := 0
	for ; ctx.Err() == nil; n++ {
		d.Observe(ctx, tenantMain, one)
	}
	if n > 7 {
		t.Errorf("%d batches of 10,000 events were taken while nothing took them up", n)
	}
	if err := d.Restore(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if l := d.Load(); l.Cold {
		t.Errorf("%+v", l)
	}
}
