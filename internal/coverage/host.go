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
	reasonSignedOff = "the sensor was stopped on request"
	reasonReplayed  = "a recording that was replayed: nothing is watched there"
	missedPrefix    = "the canary's "
)

// host is what is known of one host's sight. All times are µs UTC by the server's clock.
type host struct {
	tenant    tenant.ID
	id        event.HostID
	name      string
	heard     int64 // last sign of life
	grace     int64 // the server started then: silence before it is not the host's
	silent    bool
	signedOff bool
	revoked   bool
	recording bool // by its token
	declared  map[string]declared
	throttled map[string]string // class to reason
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
	return &host{tenant: t, id: id, declared: map[string]declared{}, throttled: map[string]string{}, open: map[string]*Row{}, missed: map[part]int64{}}
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
	h.name, h.heard, h.signedOff, h.revoked, h.recording = name, at, false, false, recording
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

// Reported notes a heartbeat and what it says of capabilities. A sensor that is going down on request
// says so: it is silent from now on, and known why.
func (c *Coverage) Reported(ctx context.Context, t tenant.ID, id event.HostID, caps []Capability, goingDown bool) {
	c.mu.Lock()
	h := c.host(t, id)
	at := now()
	h.heard = at
	switch {
	case goingDown:
		h.silent, h.signedOff = true, true
	case h.silent && !h.signedOff:
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

// Heard notes any other sign of life.
func (c *Coverage) Heard(t tenant.ID, id event.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.host(t, id)
	h.heard = now()
	if h.silent && !h.signedOff {
		h.back(h.heard)
		c.evaluate(h, h.heard)
	}
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
	for k := range c.faults {
		if k.host == id {
			delete(c.faults, k)
		}
	}
	c.mu.Unlock()
	c.flush(ctx)
}

func (h *host) declare(caps []Capability, at int64) {
	for _, p := range caps {
		if !Declarable(p.State) || !IsClass(p.Class) {
			continue
		}
		if h.declared[p.Class].at <= at {
			h.declared[p.Class] = declared{p.State, clip(p.Reason), at}
		}
	}
}

var rank = map[State]int{Full: 0, Partial: 1, Unprotected: 2, Blind: 3, Silent: 4}

// evaluate brings the open rows of a host in line with what is known. at is now; a state that is known
// to have begun earlier begins there.
func (c *Coverage) evaluate(h *host, at int64) {
	if h.silent {
		since, reason := h.heard, reasonSilent
		switch {
		case h.recording:
			reason = reasonReplayed
		case h.signedOff:
			reason = reasonSignedOff
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
		if why := h.throttled[class]; why != "" && rank[state] < rank[Partial] {
			state, reason = Partial, why
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
	if state != Silent && !h.room(now()) {
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

// clip bounds a reason that a host sent.
func clip(s string) string {
	if len(s) <= 300 {
		return s
	}
	for i := range s { // by character, so that text stays text
		if i > 296 {
			return s[:i] + "…"
		}
	}
	return s
}
