package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sort"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

const (
	debounce      = 200 * time.Millisecond // from a change to the rebuilt story
	settle        = 2 * time.Second        // before a new incident is told: late lanes may show that it belongs to another
	grows         = 24 * time.Hour         // an incident takes new steps this long after its last
	maxInbox      = 20_000                 // detections waiting for the builder; full: Receive waits
	maxHeld       = 50_000                 // events waiting for Restore; full: Observe waits, and the log keeps what comes after
	maxWaiting    = 10_000                 // low detections without a story; full: the oldest goes
	maxDetections = 2_000                  // of one incident kept for its story; the rest is counted
)

// Options say what a Desk works with. Names and Coverage may be nil.
type Options struct {
	Store    Store
	Log      *slog.Logger
	Names    Names
	Coverage Coverage
	// Addresses gives what addresses the hosts of a tenant have; nil: only those that events showed are known.
	Addresses func(context.Context, tenant.ID) map[netip.Addr][]event.HostID
	Limits    Limits
	OnNew     func(context.Context, Row) // a new incident that stayed one
	OnChange  func(context.Context, tenant.ID)
	// Restores says that Restore will be called. Until it is done, events and detections are held.
	Restores bool
	Now      func() time.Time
}

// Desk joins detections into incidents. Observe and Receive may be called from many goroutines; Run does
// the growing and the writing.
type Desk struct {
	o    Options
	wake chan struct{} // of one: something to do

	// Held while an incident is written, and while a state that a person sets is written and taken up: else an incident
	// that was closed in that moment grows and stays closed, or a state that was set first is taken up last.
	setting sync.Mutex

	mu      sync.Mutex // guards all below
	tenants map[tenant.ID]*floor
	inbox   []detection.Detection
	room    *sync.Cond
	stopped bool
	cold    bool // Restore is not done
	held    []Observed
	read    int // events that Restore has read so far
}

// floor is what one tenant's desk holds.
type floor struct {
	id      tenant.ID
	graph   *Graph
	serial  uint32
	open    map[uint32]*story
	byDet   map[string]uint32
	waiting []detection.Detection
	dirty   map[uint32]bool
	merged  map[uint32]uint32
	opened  map[event.HostID]*openings
}

// story is an incident that may still grow.
type story struct {
	serial  uint32
	row     Row
	dets    []detection.Detection
	more    int // detections counted but not kept
	added   []detection.Detection
	members []*proc
	hostKey string // of an incident without any process, or of a flood
	flood   bool   // it takes what would be more incidents of its host than anybody reads
	told    bool
	due     time.Time // when to tell
	saved   bool
	reopen  bool
	loaded  bool
	kept    map[event.Key]bool  // members that are written
	outside map[string]event.ID // addresses it reached beyond the host
}

// New makes a desk. Run it; with Restores set, call Restore beside it.
func New(o Options) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{o: o, wake: make(chan struct{}, 1), tenants: map[tenant.ID]*floor{}, cold: o.Restores}
	d.room = sync.NewCond(&d.mu)
	return d
}

func (d *Desk) floor(t tenant.ID) *floor {
	f := d.tenants[t]
	if f == nil {
		f = &floor{id: t, graph: NewGraph(d.o.Limits), open: map[uint32]*story{}, byDet: map[string]uint32{}, dirty: map[uint32]bool{}, merged: map[uint32]uint32{}, opened: map[event.HostID]*openings{}}
		d.tenants[t] = f
	}
	return f
}

// Observe takes a batch of events into the graph.
func (d *Desk) Observe(ctx context.Context, t tenant.ID, events []event.Stamped) {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		d.room.Broadcast()
		d.mu.Unlock()
	})
	defer stop()
	d.mu.Lock()
	for d.cold && len(d.held) > 0 && len(d.held)+len(events) > maxHeld && ctx.Err() == nil && !d.stopped {
		d.room.Wait()
	}
	if d.cold {
		for _, e := range events {
			d.held = append(d.held, Observed{t, e})
		}
		d.mu.Unlock()
		return
	}
	f := d.floor(t)
	stir := false
	for _, e := range events {
		if f.graph.Add(e) {
			f.note(e.ID.Host)
			stir = true
		}
	}
	d.mu.Unlock()
	if stir {
		d.signal()
	}
}

func (d *Desk) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Receive takes a detection. The same one again changes nothing. When the builder is behind by maxInbox
// detections it waits: the log keeps what comes after.
func (d *Desk) Receive(ctx context.Context, det detection.Detection) error {
	if det.Canary || det.Event.Event == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		d.room.Broadcast()
		d.mu.Unlock()
	})
	defer stop()
	d.mu.Lock()
	for len(d.inbox) >= maxInbox && ctx.Err() == nil && !d.stopped {
		d.room.Wait()
	}
	if err := ctx.Err(); err != nil {
		d.mu.Unlock()
		return fmt.Errorf("hand over detection %s: %w", det.ID, context.Cause(ctx))
	}
	if d.cold {
		d.held = append(d.held, Observed{det.Tenant, det.Event})
	} else if f := d.floor(det.Tenant); f.graph.Add(det.Event) {
		f.note(det.Event.ID.Host)
	}
	d.inbox = append(d.inbox, det)
	d.mu.Unlock()
	d.signal()
	return nil
}

// Run builds and keeps stories until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	defer func() {
		d.mu.Lock()
		d.stopped = true
		d.room.Broadcast()
		d.mu.Unlock()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	wait := time.NewTimer(time.Hour)
	wait.Stop()
	defer wait.Stop()
	armed := false
	pause := debounce
	for {
		select {
		case <-ctx.Done():
			// what was received is judged already and will not come again
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			err := d.Flush(last)
			cancel()
			return err
		case <-d.wake:
			if !armed {
				wait.Reset(pause)
				armed = true
			}
			continue
		case <-wait.C:
			armed = false
		case <-tick.C:
			if armed {
				continue
			}
		}
		begin := time.Now()
		err := d.Flush(ctx)
		// a very large story that keeps growing takes a fifth of the time at most
		pause = min(max(debounce, 4*time.Since(begin)), 10*time.Second)
		if err != nil && ctx.Err() == nil { // at the end the last flush above tries once more, with a time of its own
			d.o.Log.ErrorContext(ctx, "incidents not kept, trying again", slog.Any("err", err))
		}
	}
}

// Flush joins what was received and writes what changed. Run calls it; a test may.
func (d *Desk) Flush(ctx context.Context) error {
	d.mu.Lock()
	if d.cold { // what is in the inbox is kept as detections, and the next start finds that no incident has it
		d.mu.Unlock()
		return nil
	}
	inbox := d.inbox
	d.inbox = nil
	d.room.Broadcast()
	d.mu.Unlock()
	var fresh []detection.Detection
	for i, det := range inbox {
		have, err := d.known(ctx, det)
		if err != nil {
			d.mu.Lock()
			d.inbox = append(append([]detection.Detection(nil), inbox[i:]...), d.inbox...)
			d.inbox = append(d.inbox, fresh...)
			d.mu.Unlock()
			return err
		}
		if !have {
			fresh = append(fresh, det)
		}
	}
	d.mu.Lock()
	ids := make([]tenant.ID, 0, len(d.tenants))
	for t := range d.tenants {
		ids = append(ids, t)
	}
	d.mu.Unlock()
	var failed error
	for _, t := range ids {
		var mine []detection.Detection
		for _, x := range fresh {
			if x.Tenant == t {
				mine = append(mine, x)
			}
		}
		if err := d.flushTenant(ctx, t, mine); err != nil {
			failed = err
		}
	}
	return failed
}

func (d *Desk) known(ctx context.Context, det detection.Detection) (bool, error) {
	d.mu.Lock()
	_, have := d.floor(det.Tenant).byDet[det.ID]
	d.mu.Unlock()
	if have || d.o.Store == nil {
		return have, nil
	}
	_, have, err := d.o.Store.IncidentOf(ctx, det.Tenant, det.ID)
	if err != nil {
		return false, fmt.Errorf("look up detection %s: %w", det.ID, err)
	}
	return have, nil
}

// mergeOf is a merge to write.
type mergeOf struct{ from, into ID }

// flushTenant grows under the lock and writes outside of it.
func (d *Desk) flushTenant(ctx context.Context, t tenant.ID, fresh []detection.Detection) error {
	now := d.o.Now()
	d.mu.Lock()
	f := d.floor(t)
	sort.SliceStable(fresh, func(i, j int) bool { return when(fresh[i].Event.Event) < when(fresh[j].Event.Event) })
	for _, det := range fresh {
		if _, have := f.byDet[det.ID]; !have {
			f.assign(det, now)
		}
	}
	merges := f.settleDirty(now)
	var dirty []*story
	for s := range f.dirty {
		if st := f.open[s]; st != nil {
			dirty = append(dirty, st)
		}
	}
	f.dirty = map[uint32]bool{}
	sort.Slice(dirty, func(i, j int) bool { return dirty[i].serial < dirty[j].serial })
	hosts := map[event.HostID]bool{}
	for _, st := range dirty {
		for _, p := range st.members {
			hosts[p.host.id] = true
		}
		for _, x := range st.dets {
			hosts[x.Event.ID.Host] = true
		}
	}
	f.unload(now)
	var tell []*story
	for _, st := range f.open {
		if !st.told && now.After(st.due) && st.saved {
			tell = append(tell, st)
		}
	}
	d.mu.Unlock()

	names := map[event.HostID]string{}
	for h := range hosts {
		if d.o.Names != nil {
			names[h] = d.o.Names(ctx, t, h)
		}
	}
	var addresses map[netip.Addr][]event.HostID
	if d.o.Addresses != nil && len(dirty) > 0 {
		addresses = d.o.Addresses(ctx, t)
		if d.o.Names != nil {
			for _, hs := range addresses { // an address may lead to a host beside the story
				for _, h := range hs {
					if _, ok := names[h]; !ok {
						names[h] = d.o.Names(ctx, t, h)
					}
				}
			}
		}
	}
	var failed error
	for _, st := range dirty {
		if err := d.write(ctx, f, st, Context{Names: names, Addresses: addresses}, now); err != nil {
			failed = err
			d.mu.Lock()
			f.dirty[st.serial] = true
			d.mu.Unlock()
			d.signal()
		}
	}
	for _, m := range merges {
		if d.o.Store == nil {
			continue
		}
		if err := d.o.Store.MergeIncident(ctx, t, m.from, m.into); err != nil {
			failed = fmt.Errorf("merge incident %s into %s: %w", m.from, m.into, err)
		}
	}
	if len(dirty)+len(merges) > 0 && d.o.OnChange != nil {
		d.o.OnChange(ctx, t)
	}
	for _, st := range tell {
		d.mu.Lock()
		st.told = true
		row := st.row
		gone := f.open[st.serial] != st
		d.mu.Unlock()
		if !gone && !st.loaded && d.o.OnNew != nil {
			d.o.OnNew(ctx, row)
		}
	}
	return failed
}

// write builds the story and keeps it.
func (d *Desk) write(ctx context.Context, f *floor, st *story, c Context, now time.Time) error {
	d.mu.Lock()
	first, last := extent(st)
	d.mu.Unlock()
	var holes []Hole
	if d.o.Coverage != nil {
		for h := range c.Names {
			if !st.on(h) {
				continue
			}
			hs, err := d.o.Coverage.Holes(ctx, f.id, h, first, last)
			if err != nil {
				d.o.Log.WarnContext(ctx, "coverage of an incident not read", slog.Any("err", err))
				continue
			}
			holes = append(holes, hs...)
		}
	}
	d.setting.Lock()
	defer d.setting.Unlock()
	d.mu.Lock()
	c.Holes = holes
	s := f.tell(st, c, now)
	k := Kept{Row: st.row}
	var fresh []*proc
	for _, p := range st.members {
		if !st.kept[p.key] {
			fresh = append(fresh, p)
			k.Members = append(k.Members, event.Ref{Host: p.host.id, Key: p.key})
		}
	}
	added := st.added
	st.added = nil
	reopen := st.reopen
	st.reopen = false
	d.mu.Unlock()
	var err error
	if k.Story, err = json.Marshal(s); err != nil {
		return fmt.Errorf("encode story of %s: %w", st.row.ID, err)
	}
	if d.o.Store != nil {
		if err = d.o.Store.SaveIncident(ctx, k, added); err == nil && reopen {
			err = d.o.Store.SetIncidentState(ctx, f.id, k.Row.ID, StateClosed, k.Row.Owner, Change{At: now.UnixMicro(), State: StateNew, Text: Reopened})
			if errors.Is(err, ErrMoved) {
				err = nil // somebody opened it again meanwhile
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		st.added = append(added, st.added...)
		st.reopen = st.reopen || reopen
		return fmt.Errorf("keep incident %s: %w", k.Row.ID, err)
	}
	st.saved = true
	if st.kept == nil {
		st.kept = map[event.Key]bool{}
	}
	for _, p := range fresh {
		st.kept[p.key] = true
	}
	return nil
}

func (st *story) on(h event.HostID) bool {
	for _, p := range st.members {
		if p.host.id == h {
			return true
		}
	}
	for _, x := range st.dets {
		if x.Event.ID.Host == h {
			return true
		}
	}
	return false
}

func extent(st *story) (first, last int64) {
	for _, x := range st.dets {
		at := when(x.Event.Event)
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
	}
	for _, p := range st.members {
		if p.start != 0 && p.start < first {
			first = p.start
		}
		last = max(last, p.start, p.ended.time)
	}
	return first, last
}
