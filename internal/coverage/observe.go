package coverage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Observe reads what events say about the sensor's own sight. It is the detection engine's observer; an
// event seen twice, after a restart, changes nothing.
func (c *Coverage) Observe(ctx context.Context, t tenant.ID, events []event.Stamped) {
	c.mu.Lock()
	at := now()
	for _, e := range events {
		h := c.host(t, e.ID.Host)
		if h.tenant != t {
			continue
		}
		switch v := e.Event; v.Kind {
		case event.SensorLoss:
			c.lost(h, e.ID, class(v), Lost, v.Count, span(v, v.FromNS), span(v, v.ToNS), or(v.Reason, "the kernel gave records faster than the sensor took them"))
		case event.Dropped:
			n := uint64(0)
			if v.First > 0 && v.Last >= v.First {
				n = v.Last - v.First + 1
			}
			c.lost(h, e.ID, class(v), Lost, max(n, v.Count), span(v, v.FromNS), span(v, v.ToNS), or(v.Reason, "the sensor's spool gave them up"))
		case event.SensorThrottle:
			if v.State == "stop" {
				delete(h.throttled, class(v))
				if t := held(v); v.Count > 0 {
					c.lost(h, e.ID, class(v), t.cause, v.Count, span(v, v.FromNS), span(v, v.ToNS), t.reason)
				}
			} else {
				h.throttled[class(v)] = held(v)
			}
			c.evaluate(h, at)
		case event.SensorStart:
			c.started(h, e)
		case event.SensorStop:
			c.stopped(h, e, at)
		case event.SensorTamper:
			if v.Subject == event.TamperFrozen {
				c.frozen(h, e)
			}
		case event.SensorCapability:
			h.declare([]Capability{{Class: v.Subject, State: State(v.State), Reason: v.Reason}}, v.Time)
			c.evaluate(h, at)
		case event.SensorCanary, event.ProcessExec, event.FileCreate, event.FileDelete, event.NetConnect:
			c.seeCanary(h, e, at)
		default:
		}
	}
	pending := len(c.dirty)+len(c.raised) > 0
	c.mu.Unlock()
	if pending {
		c.flush(ctx)
	}
}

// Quarantined counts a batch that was taken from the sensor and could not be read: its events are lost.
func (c *Coverage) Quarantined(ctx context.Context, t tenant.ID, first event.ID, count uint64, at int64, reason string) {
	c.mu.Lock()
	h := c.host(t, first.Host)
	c.lost(h, first, laneClass(uint64(first.Lane)), Detained, count, at, at, reason)
	c.mu.Unlock()
	c.flush(ctx)
}

// Lost counts events that were numbered and will not come. source names the first of them: telling twice counts once.
func (c *Coverage) Lost(ctx context.Context, t tenant.ID, source event.ID, class string, n uint64, from, to int64, reason string) {
	c.mu.Lock()
	c.lost(c.host(t, source.Host), source, class, Lost, n, from, to, reason)
	c.mu.Unlock()
	c.flush(ctx)
}

// Returned takes back that a batch is lost: its events were taken out of quarantine and stored.
func (c *Coverage) Returned(ctx context.Context, t tenant.ID, first event.ID, at int64) {
	class := laneClass(uint64(first.Lane))
	r := Row{Tenant: t, Host: first.Host, ID: lossID(first.String(), class), Class: class, From: at, To: at + 1, State: Partial, Cause: Returned}
	if rows, err := c.o.Store.Coverage(ctx, t, 0, 0); err == nil {
		for _, old := range rows {
			if old.ID == r.ID {
				r.From, r.To = old.From, old.To
			}
		}
	}
	c.mu.Lock()
	c.dirty[r.ID] = r
	c.mu.Unlock()
	c.flush(ctx)
}

// lossPrefix tells the row of a loss from one that says how a class stood.
const lossPrefix = "l-"

// lossID names the row of a loss by what told of it.
func lossID(name, class string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("yagura-loss-v1\n%s\n%s", name, class)))
	return lossPrefix + hex.EncodeToString(sum[:16])
}

// lost writes a closed row for events that are gone. Its id comes from the event that told of it, so
// telling twice counts once.
func (c *Coverage) lost(h *host, source event.ID, class string, cause Cause, n uint64, from, to int64, reason string) {
	if n == 0 {
		return // a claim that ingest took back
	}
	n = min(n, 1<<53)
	name := source.String()
	if !h.room(now()) {
		// Beyond the hour's rows all losses of a class and cause share one. Read again after a restart they may count
		// twice: too much rather than too little.
		k := overKey{class, cause}
		h.over[k] = min(h.over[k]+n, 1<<53)
		n, reason = h.over[k], "too many losses for rows of their own: "+reason
		from = h.hour * 3600e6
		to = max(to, from+1)
		name = fmt.Sprintf("%s\n%d\n%s", h.id, h.hour, cause)
	}
	r := Row{Tenant: h.tenant, Host: h.id, ID: lossID(name, class), Class: class, From: min(from, to), To: max(from, to, min(from, to)+1), State: Partial, Cause: cause, Lost: n, Reason: event.Clip(reason, maxReason)}
	c.dirty[r.ID] = r
}

// IsCanary says whether a process of a host is a canary that this server asked for. Until the sensor has
// named the process, the first that carries the nonce is believed; if the sensor then names another, a
// high detection says so.
func (c *Coverage) IsCanary(_ context.Context, id event.HostID, key event.Key) bool {
	if key == (event.Key{}) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[id]
	if h == nil {
		return false
	}
	for _, r := range h.runs {
		if r.reported != (event.Key{}) {
			if r.reported == key {
				return true
			}
		} else if len(r.sights) > 0 && r.sights[0].key == key && !r.ended {
			return true
		}
	}
	return false
}

// class gives the class that an event of the sensor is about; a name that is none stands for that of its lane.
func class(v *event.Event) string {
	if s := v.Subject; IsClass(s) {
		return s
	}
	return laneClass(v.Lane)
}

// held says what a sensor holds back of one loud process: counted there to the event, and no fault of anyone. Where it
// comes from the bulk lane it is noise of a build or a backup.
func held(v *event.Event) throttle {
	who := "one process"
	if v.Actor.Path != "" {
		who = fmt.Sprintf("%s (pid %d)", event.Show(v.Actor.Path), v.Actor.PID)
	}
	t := throttle{Throttled, event.Clip(who+": "+or(v.Reason, "it made too many"), maxReason)}
	if v.Lane == uint64(event.Bulk) && class(v) == "file" {
		t.cause = Held
	}
	return t
}

func laneClass(lane uint64) string {
	switch event.Lane(min(lane, 255)) {
	case event.Network:
		return "network"
	case event.Bulk:
		return "file"
	default:
		return "process"
	}
}

// span turns a moment of the host's boot into server time, by the event's own two clocks.
func span(v *event.Event, ns uint64) int64 {
	if ns == 0 || ns > v.BootNS {
		return v.Time
	}
	return v.Time - int64((v.BootNS-ns)/1000)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
