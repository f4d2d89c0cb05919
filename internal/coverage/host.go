package coverage

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Reasons that we write ourselves; the table keeps them as they are.
const (
	reasonSilent    = "no sign of life from the sensor"
	reasonSignedOff = "the sensor was stopped" // who did it follows, when that is known
	reasonPlanned   = "the sensor was stopped during a maintenance that was ordered"
	reasonRequested = "the sensor was stopped on request" // as an older server wrote it
	ReasonReplayed  = "a recording that was replayed: nothing is watched there"
	missedPrefix    = "the canary's "
)

// host is what is known of one host's sight. All times are µs UTC by the server's clock.
// maxReason bounds, in bytes, a reason that a host sent.
const maxReason = 300

type host struct {
	tenant    tenant.ID
	id        event.HostID
	name      string
	heard     int64 // last sign of life
	grace     int64 // the server started then: silence before it is not the host's
	silent    bool
	off       int64  // when the sensor signed off; 0: it did not, or was heard since
	who       string // stopped it, by its own word
	until     int64  // of the maintenance in which it is silent
	stop      *stop  // not yet judged
	began     int64  // the newest start of a sensor, by its event
	revoked   bool
	recording bool // by its token
	declared  map[string]declared
	throttled map[string]string // class to reason
	gaps      map[string]string // class to reason
	open      map[string]*Row   // by class

	hour    int64             // of the two below
	changes int               // rows written this hour
	starved bool              // a row was not written for want of room
	over    map[string]uint64 // by class: loss beyond what gets rows of its own

	watched int64          // first nonce of this connection: canaries are due from here on
	issued  int64          // last nonce
	runs    []*run         // oldest first
	proven  [parts]int64   // when each part last came through
	missed  map[part]int64 // parts that did not come in time, with when they last did
	passed  int64          // when all expected parts last came through
}

type declared struct {
	state  State
	reason string
	at     int64
}

func newHost(t tenant.ID, id event.HostID) *host {
	return &host{tenant: t, id: id, declared: map[string]declared{}, throttled: map[string]string{}, gaps: map[string]string{}, open: map[string]*Row{}, missed: map[part]int64{}}
}

func (c *Coverage) host(t tenant.ID, id event.HostID) *host {
	h := c.hosts[id]
	if h == nil {
		h = newHost(t, id)
		c.hosts[id] = h
	}
	return h
}

// Capability is what a sensor says it can see of a class.
type Capability struct {
	Class  string
	State  State
	Reason string // through event.Text
}

// Connected notes a Hello: the host is alive, its sight is what it declares, and a canary is due. Of a recording, which
// only the fleet can know it to be, nothing is missed when it ends.
func (c *Coverage) Connected(ctx context.Context, t tenant.ID, id event.HostID, name string, recording bool, caps []Capability) {
	c.mu.Lock()
	h := c.host(t, id)
	at := now()
	h.name, h.heard, h.off, h.who, h.until, h.recording = name, at, 0, "", 0, recording
	clear(h.throttled)
	h.back(at)
	h.declare(caps, at)
	c.evaluate(h, at)
	c.mu.Unlock()
	c.flush(ctx)
}

// back begins another connection. A host that was silent, or was proven whole, starts the clock of proof anew: what was
// missed while nobody could run it says nothing. One that was neither goes on under the old clock, or a sensor that dies
// again and again before its canary is due would never be missed. A nonce is due at once, but not for a host that
// reconnects every second.
func (h *host) back(at int64) {
	if h.silent || h.passedThisTime() && len(h.missed) == 0 {
		h.watched, h.proven = 0, [parts]int64{}
		clear(h.missed)
	}
	h.silent = false
	if at-h.issued > 5e6 {
		h.issued = 0
	}
}

// Reported notes a heartbeat and what it says of capabilities. A sensor that is going down says so: it is silent from
// now on, and known why.
func (c *Coverage) Reported(ctx context.Context, t tenant.ID, id event.HostID, caps []Capability, goingDown bool) {
	c.mu.Lock()
	h := c.host(t, id)
	at := now()
	h.heard = at
	switch {
	case goingDown && h.off == 0:
		h.silent, h.off = true, at
		if h.stop != nil && at-h.stop.seen < restartTime.Microseconds() {
			h.who = event.Show(h.stop.event.Event.Reason)
		}
	case h.silent && h.off == 0:
		h.back(at)
	}
	h.declare(caps, at)
	c.evaluate(h, at)
	pending := len(c.dirty) > 0
	c.mu.Unlock()
	if pending {
		c.flush(ctx)
	}
}

// under is how long what a sensor had under way when it signed off may still arrive, in µs.
const under = 1_000_000

// Heard notes a sign of life that began at a time. It ends a sign-off that was before it, and gives when that was: who
// signed off says nothing more, so it was somebody else's. stands: it is a connection that stands, which does not say
// that somebody answers at its other end.
func (c *Coverage) Heard(t tenant.ID, id event.HostID, began int64, stands bool) (off int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.host(t, id)
	if h.off != 0 && began <= h.off+under || h.off == 0 && stands || h.revoked {
		return 0
	}
	at := now()
	off, h.off, h.who = h.off, 0, ""
	if !stands {
		h.heard = at
	}
	if h.silent && !h.recording {
		h.back(at)
		c.evaluate(h, at)
	}
	return off
}

// Gap notes that events of a class were numbered and did not come; an empty reason ends that.
func (c *Coverage) Gap(ctx context.Context, t tenant.ID, id event.HostID, class, reason string) {
	c.mu.Lock()
	h := c.host(t, id)
	if reason == h.gaps[class] {
		c.mu.Unlock()
		return
	}
	if h.gaps[class] = event.Clip(reason, maxReason); reason == "" {
		delete(h.gaps, class)
	}
	c.evaluate(h, now())
	c.mu.Unlock()
	c.flush(ctx)
}

// Retired ends the watch over a host that was revoked.
func (c *Coverage) Retired(ctx context.Context, id event.HostID) {
	c.mu.Lock()
	if h := c.hosts[id]; h != nil {
		h.revoked = true
		at := now()
		for _, r := range h.open {
			r.To = max(at, r.From)
			c.dirty[r.ID] = *r
		}
		clear(h.open)
	}
	var over []Fault
	for k, f := range c.faults {
		if k.host == id {
			over = append(over, f)
		}
	}
	c.mu.Unlock()
	for _, f := range over { // in the table too: a restart must not bring them back
		c.Clear(ctx, f.Tenant, f.Host, f.Kind)
	}
	c.flush(ctx)
}

func (h *host) declare(caps []Capability, at int64) {
	for _, p := range caps {
		if !Declarable(p.State) || !IsClass(p.Class) {
			continue
		}
		if h.declared[p.Class].at <= at {
			h.declared[p.Class] = declared{p.State, event.Clip(p.Reason, maxReason), at}
		}
	}
}

var rank = map[State]int{Full: 0, Partial: 1, Unprotected: 2, Blind: 3, Silent: 4}

// evaluate brings the open rows of a host in line with what is known. at is now; a state that is known
// to have begun earlier begins there.
func (c *Coverage) evaluate(h *host, at int64) {
	if h.revoked { // a call that was under way then opens nothing again: nobody would ever end it
		return
	}
	if h.silent {
		since, reason := h.heard, reasonSilent
		switch until, _ := c.planned(h.tenant, h.id); {
		case h.recording:
			reason = ReasonReplayed
		case until > at:
			h.until, reason = until, reasonPlanned
		default:
			if h.off != 0 {
				reason = signedOff(h.who)
			}
			since = max(since, h.until) // it stayed dark when the maintenance was over
			h.until = 0
		}
		classes := map[string]bool{CanaryClass: true}
		for class := range h.declared {
			classes[class] = true
		}
		for class := range h.open {
			classes[class] = true
		}
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			c.set(h, class, Silent, reason, since)
		}
		return
	}
	for _, class := range slices.Sorted(maps.Keys(h.declared)) {
		d := h.declared[class]
		state, reason, since := d.state, d.reason, at
		for _, why := range []string{h.throttled[class], h.gaps[class]} {
			if why != "" && rank[state] < rank[Partial] {
				state, reason = Partial, why
			}
		}
		for p := range parts {
			last, missed := h.missed[p]
			if missed && p.class() == class && rank[state] < rank[Partial] {
				state, reason, since = Partial, fmt.Sprintf("%s%s did not come through", missedPrefix, p), last
			}
		}
		c.set(h, class, state, reason, since)
	}
	switch {
	case len(h.missed) > 0:
		c.set(h, CanaryClass, Partial, "the canary did not come through whole", slices.Min(slices.Collect(maps.Values(h.missed))))
	case h.passedThisTime():
		c.set(h, CanaryClass, Full, "", at)
	default: // not proven yet: an end to what stood there, and nothing in its place
		if r := h.open[CanaryClass]; r != nil && r.State != Full {
			c.close(h, CanaryClass, at)
		}
	}
}

// set ends the open row of a class and begins another, unless it says the same already.
func (c *Coverage) set(h *host, class string, state State, reason string, since int64) {
	r := h.open[class]
	if r != nil && r.State == state && r.Reason == reason {
		return
	}
	if state != Silent && !h.room(now()) && (r == nil || rank[state] <= rank[r.State]) {
		// A change for the worse is always written, or a host could change its state until nobody hears that it sees nothing.
		// They are few: the way back is not written until the next hour.
		h.starved = true // the next hour's first look writes what stands then
		return
	}
	if r != nil {
		since = max(since, r.From)
		c.close(h, class, since)
	}
	n := &Row{Tenant: h.tenant, Host: h.id, ID: "c-" + uuid.Must(uuid.NewV7()).String(), Class: class, From: since, State: state, Reason: reason}
	h.open[class] = n
	c.dirty[n.ID] = *n
}

// maxChanges bounds the rows of one host an hour: a hostile sensor must not fill the database.
const maxChanges = 1000

// room says whether another row may be written.
func (h *host) room(at int64) bool {
	if hour := at / 3600e6; hour != h.hour {
		h.hour, h.changes, h.over = hour, 0, map[string]uint64{}
	}
	h.changes++
	return h.changes <= maxChanges
}

func (c *Coverage) close(h *host, class string, at int64) {
	r := h.open[class]
	r.To = max(at, r.From+1) // an open row has To 0: a closed one must differ from it and have a width
	c.dirty[r.ID] = *r
	delete(h.open, class)
}
