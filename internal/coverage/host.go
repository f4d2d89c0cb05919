package coverage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// maxReason bounds, in bytes, a reason that a host sent.
const maxReason = 300

// host is what is known of one host's sight. All times are µs UTC by the server's clock.
type host struct {
	tenant    tenant.ID
	id        event.HostID
	name      string
	heard     int64 // last sign of life
	grace     int64 // the server started then: silence before it is not the host's
	silent    bool
	off       int64  // when the sensor signed off; 0: it did not, or was heard since
	ended     Cause  // of the sign-off: Stopped or ShutDown
	who       string // stopped it, by its own word
	until     int64  // of the maintenance in which it is silent
	stop      *stop  // not yet judged
	began     int64  // the newest start of a sensor, by its event
	revoked   bool
	recording bool // by its token
	declared  map[string]declared
	throttled map[string]throttle // by class
	gaps      map[string]string   // class to reason
	open      map[string]*Row     // by class

	hour    int64              // of the two below
	changes int                // rows written this hour
	starved bool               // a row was not written for want of room
	over    map[overKey]uint64 // loss beyond what gets rows of its own

	watched int64          // first nonce of this connection: canaries are due from here on
	issued  int64          // last nonce
	runs    []*run         // oldest first
	proven  [parts]int64   // when each part last came through
	missed  map[part]int64 // parts that did not come in time, with when they last did
	passed  int64          // when all expected parts last came through
}

// throttle is what is held back of a class now.
type throttle struct {
	cause  Cause // Throttled or Held
	reason string
}

type overKey struct {
	class string
	cause Cause
}

type declared struct {
	state  State
	reason string
	at     int64
}

func newHost(t tenant.ID, id event.HostID) *host {
	return &host{tenant: t, id: id, declared: map[string]declared{}, throttled: map[string]throttle{}, gaps: map[string]string{}, open: map[string]*Row{}, missed: map[part]int64{}}
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
	h.name, h.heard, h.off, h.ended, h.who, h.until, h.recording = name, at, 0, "", "", 0, recording
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
		h.silent, h.off, h.ended = true, at, Stopped
		if h.stop != nil && at-h.stop.seen < restartTime.Microseconds() {
			h.ended, h.who = h.stop.cause, h.stop.who
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
	off, h.off, h.ended, h.who = h.off, 0, "", ""
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

// evaluate brings the open rows of a host in line with what is known. at is now; a state that is known
// to have begun earlier begins there.
func (c *Coverage) evaluate(h *host, at int64) {
	if h.revoked { // a call that was under way then opens nothing again: nobody would ever end it
		return
	}
	if h.silent {
		silence := c.silence(h, at)
		classes := map[string]bool{CanaryClass: true}
		for class := range h.declared {
			classes[class] = true
		}
		for class := range h.open {
			classes[class] = true
		}
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			c.set(h, class, silence)
		}
		return
	}
	for _, class := range slices.Sorted(maps.Keys(h.declared)) {
		c.set(h, class, h.finding(class, at))
	}
	switch {
	case len(h.missed) > 0:
		c.set(h, CanaryClass, finding{Partial, Missed, "the canary did not come through whole", slices.Min(slices.Collect(maps.Values(h.missed)))})
	case h.passedThisTime():
		c.set(h, CanaryClass, finding{state: Full, cause: Declared, since: at})
	default: // not proven yet: an end to what stood there, and nothing in its place
		if r := h.open[CanaryClass]; r != nil && r.State != Full {
			c.close(h, CanaryClass, at)
		}
	}
}

// silence says why a host is silent, and since when.
func (c *Coverage) silence(h *host, at int64) finding {
	s := finding{state: Silent, cause: NoSign, since: h.heard}
	switch until, _ := c.planned(h.tenant, h.id); {
	case h.recording:
		s.cause = Replayed
	case until > at:
		h.until, s.cause = until, Planned
	default:
		if h.off != 0 {
			s.cause, s.reason = cmp.Or(h.ended, Stopped), event.Clip(h.who, maxReason)
		}
		s.since = max(s.since, h.until) // it stayed dark when the maintenance was over
		h.until = 0
	}
	return s
}

// finding gives the worst of what is known of a class: what the sensor declares, what it holds back, what did not come,
// and what the canary proves.
func (h *host) finding(class string, at int64) finding {
	d := h.declared[class]
	s := finding{d.state, Declared, d.reason, at}
	consider := func(o finding) {
		if o.worse(s) {
			s = o
		}
	}
	if t, ok := h.throttled[class]; ok {
		consider(finding{Partial, t.cause, t.reason, at})
	}
	if why := h.gaps[class]; why != "" {
		consider(finding{Partial, Gap, why, at})
	}
	for p := range parts {
		if last, missed := h.missed[p]; missed && p.class() == class {
			consider(finding{Partial, Missed, fmt.Sprintf("the canary's %s did not come through", p), last})
		}
	}
	return s
}

// set ends the open row of a class and begins another, unless it says the same already.
func (c *Coverage) set(h *host, class string, s finding) {
	r := h.open[class]
	if r != nil && r.State == s.state && r.Cause == s.cause && r.Reason == s.reason {
		return
	}
	if s.state != Silent && !h.room(now()) && (r == nil || !s.worse(finding{state: r.State, cause: r.Cause})) {
		// A change for the worse is always written, or a host could change its state until nobody hears that it sees nothing.
		// They are few: the way back is not written until the next hour.
		h.starved = true // the next hour's first look writes what stands then
		return
	}
	since := s.since
	if r != nil {
		since = max(since, r.From)
		c.close(h, class, since)
	}
	n := &Row{Tenant: h.tenant, Host: h.id, ID: "c-" + uuid.Must(uuid.NewV7()).String(), Class: class, From: since, State: s.state, Cause: s.cause, Reason: s.reason}
	h.open[class] = n
	c.dirty[n.ID] = *n
}

// maxChanges bounds the rows of one host an hour: a hostile sensor must not fill the database.
const maxChanges = 1000

// room says whether another row may be written.
func (h *host) room(at int64) bool {
	if hour := at / 3600e6; hour != h.hour {
		h.hour, h.changes, h.over = hour, 0, map[overKey]uint64{}
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
