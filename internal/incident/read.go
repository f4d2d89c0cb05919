package incident

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Restore teaches the graph what stored events say and loads what may still grow, so that a restarted server
// goes on with the same incidents. It runs beside Run: until it is done, Observe and Receive hold what comes, so
// that the graph sees everything in its order, and no incident is written. recent may be nil.
func (d *Desk) Restore(ctx context.Context, recent Recent) error {
	if d.o.Store == nil {
		return d.thaw(ctx)
	}
	began := d.o.Now()
	since := began.Add(-grows).UnixMicro()
	if recent != nil {
		d.recall(ctx, recent, since)
	}
	rows, err := d.o.Store.OpenIncidents(ctx, since)
	if err != nil {
		return fmt.Errorf("read open incidents: %w", err)
	}
	loose, err := d.o.Store.Unjoined(ctx, since, maxWaiting)
	if err != nil {
		return fmt.Errorf("read detections without an incident: %w", err)
	}
	dets := make([][]detection.Detection, len(rows))
	for i, r := range rows {
		if dets[i], err = d.o.Store.IncidentDetections(ctx, r.Tenant, r.ID); err != nil {
			return fmt.Errorf("read detections of %s: %w", r.ID, err)
		}
	}
	d.mu.Lock()
	for i, r := range rows {
		f := d.floor(r.Tenant)
		f.serial++
		st := &story{serial: f.serial, row: r, loaded: true, saved: true, told: true}
		f.open[st.serial] = st
		for _, x := range dets[i] {
			f.graph.Add(x.Event)
			f.byDet[x.ID] = st.serial
			st.keep(x)
		}
		if st.flood = r.Route == floodRoute; st.flood && len(st.dets) > 0 {
			st.hostKey = floodKey(st.dets[0].Event.ID.Host)
		} else if len(f.seeds(st)) == 0 && len(st.dets) > 0 {
			st.hostKey = st.dets[0].Event.ID.Host.String() + "/" + st.dets[0].RuleID
		}
	}
	for _, f := range d.tenants {
		for _, st := range f.open {
			if !st.flood {
				f.regrow(st)
			}
			st.row.Detections = max(st.row.Detections, len(st.dets))
		}
		f.dirty = map[uint32]bool{} // what is stored is as good as what a shorter memory can build
	}
	waits := map[string]bool{} // raised since the start, so that they are both in the inbox and without an incident
	for _, x := range d.inbox {
		waits[x.ID] = true
	}
	loose = slices.DeleteFunc(loose, func(x detection.Detection) bool { return waits[x.ID] })
	for _, x := range loose {
		d.floor(x.Tenant).graph.Add(x.Event)
	}
	d.inbox = append(loose, d.inbox...)
	n := d.read
	d.mu.Unlock()
	d.o.Log.InfoContext(ctx, "stories go on where they stood", slog.Int("events", n), slog.Int("incidents", len(rows)), slog.Duration("duration", d.o.Now().Sub(began)))
	return d.thaw(ctx)
}

// recall reads what recent gives into the graph. What was read counts, also when the rest cannot be.
func (d *Desk) recall(ctx context.Context, recent Recent, since int64) {
	for o, err := range recent.Recent(ctx, since) {
		if err != nil {
			d.mu.Lock()
			n := d.read
			d.mu.Unlock()
			// stories then show what is known from here on; nothing stored is lost
			d.o.Log.WarnContext(ctx, "not all stored events were read back: stories may begin later than they did", slog.Int("events", n), slog.Any("err", err))
			continue
		}
		d.mu.Lock()
		d.floor(o.Tenant).graph.Add(o.Event)
		d.read++
		d.mu.Unlock()
	}
}

// thaw gives the graph what was held and lets everything flow.
func (d *Desk) thaw(ctx context.Context) error {
	for {
		d.mu.Lock()
		n := min(len(d.held), 1000)
		for _, o := range d.held[:n] {
			if f := d.floor(o.Tenant); f.graph.Add(o.Event) {
				f.note(o.Event.ID.Host)
			}
		}
		d.held = d.held[n:]
		if len(d.held) == 0 {
			d.held, d.cold = nil, false
		}
		cold := d.cold
		d.room.Broadcast()
		d.mu.Unlock()
		if !cold {
			d.signal()
			return nil
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
	}
}

// List gives rows of a tenant.
func (d *Desk) List(ctx context.Context, t tenant.ID, q Query) ([]Row, error) {
	rows, _, err := d.Find(ctx, t, q)
	return rows, err
}

// Find gives rows of a tenant, and how many there are without the limit.
func (d *Desk) Find(ctx context.Context, t tenant.ID, q Query) (rows []Row, total int, err error) {
	if rows, total, err = d.o.Store.Incidents(ctx, t, q); err != nil {
		return nil, 0, fmt.Errorf("list incidents: %w", err)
	}
	return rows, total, nil
}

// CountOpen counts the incidents that are not closed, by severity.
func (d *Desk) CountOpen(ctx context.Context, t tenant.ID) (map[detection.Severity]int, error) {
	n, err := d.o.Store.OpenIncidentCounts(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("count open incidents: %w", err)
	}
	return n, nil
}

// Get gives an incident by id; the id of a merged one leads to what it was merged into.
func (d *Desk) Get(ctx context.Context, t tenant.ID, id ID) (Kept, []detection.Detection, error) {
	for range 32 {
		k, err := d.o.Store.Incident(ctx, t, id)
		if err != nil {
			return Kept{}, nil, fmt.Errorf("read incident %s: %w", id, err)
		}
		if k.Row.MergedInto == (ID{}) {
			dets, err := d.o.Store.IncidentDetections(ctx, t, id)
			if err != nil {
				return Kept{}, nil, fmt.Errorf("read detections of %s: %w", id, err)
			}
			return k, dets, nil
		}
		id = k.Row.MergedInto
	}
	return Kept{}, nil, fmt.Errorf("read incident %s: %w", id, ErrNotFound)
}

// Load says how much a desk holds: for metrics and doctor.
type Load struct {
	Nodes   int
	Evicted uint64
	Open    int
	Waiting int
	Inbox   int
	Cold    bool // Restore is not done
	Read    int  // events that it has read
}

// Load counts what the desk holds now.
func (d *Desk) Load() Load {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := Load{Inbox: len(d.inbox), Cold: d.cold, Read: d.read}
	for _, f := range d.tenants {
		l.Nodes += f.graph.Nodes()
		l.Evicted += f.graph.Evicted()
		l.Open += len(f.open)
		l.Waiting += len(f.waiting)
	}
	return l
}
