package probe

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// throttled is a process whose events of one class are held back at the moment.
type throttled struct {
	key           bucketKey
	actor, parent event.Process
	class         string
	lane          event.Lane // of what is held back
	since, before uint64     // boot time of its begin; held back by earlier throttlings
}

// budgetFile is the budget of events that leave by the bulk lane, as syscall.h numbers it. Memory and secrets have
// budgets of their own, and what is held back of them matters more.
const (
	budgetFile    = 3
	budgetEmptied = 6
)

// bucketKey and bucket mirror the structs of syscall.h.
type bucketKey struct {
	Start        uint64
	Tgid, Budget uint32
}

type bucket struct {
	Filled, Tokens, HeldBack, HeldLast uint64
}

const maxThrottled = 1024 // processes watched; full: their end is not told one by one, the counters still are

// throttle reads that a process used up its budget.
func (d *decoder) throttle(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	class := f.u32()
	budget, before := f.u32(), f.u64()
	if f.short {
		return nil
	}
	if int(class) >= len(classes) {
		return fmt.Errorf("throttle of class %d: %w", class, event.ErrMalformed)
	}
	e.Kind = event.SensorThrottle
	e.Subject, e.State, e.FromNS = classes[class], "start", h.bootNS
	e.Reason = "the process makes more events than its budget allows; what is over it is counted, not sent"
	lane := event.Critical
	if budget == budgetFile || budget == budgetEmptied {
		lane = event.Bulk
	}
	e.Lane = uint64(lane)
	key := bucketKey{h.start, h.tgid, budget}
	for i, t := range d.throttled {
		if t.key == key { // it calmed down and began again before anyone looked
			emit(t.end(d.clock, before, h.bootNS))
			d.throttled = append(d.throttled[:i], d.throttled[i+1:]...)
			break
		}
	}
	if len(d.throttled) < maxThrottled {
		d.throttled = append(d.throttled, throttled{key, e.Actor, e.Parent, e.Subject, lane, e.FromNS, before})
	}
	emit(e)
	return nil
}

// calmAfter is longer than BUCKET_CALM_NS: when a throttling is told to be over, the next refusal begins a new one.
const calmAfter = 1200 * time.Millisecond

// calm tells of processes that were throttled and no longer are, with how many of their events were held back.
// Now 0 ends all.
func (d *decoder) calm(p *Probe, now uint64, emit func(*event.Event)) {
	still := d.throttled[:0]
	for _, t := range d.throttled {
		var b bucket
		err := p.maps["buckets"].Lookup(t.key, &b)
		if err == nil && now != 0 && now < b.HeldLast+uint64(calmAfter) {
			still = append(still, t)
			continue
		}
		boot, _ := p.Now()
		e := t.end(d.clock, b.HeldBack, boot)
		if err != nil {
			e.Count, e.Reason = 0, "the count is not known: too many processes were throttled at once"
		}
		emit(e)
	}
	d.throttled = still
}

// end tells that a throttling is over. Held is what the process's bucket counted up to now.
func (t *throttled) end(c *clock, held, boot uint64) *event.Event {
	return &event.Event{
		Kind: event.SensorThrottle, OS: event.Linux, BootNS: boot, HostTime: c.host(boot), Actor: t.actor, Parent: t.parent,
		Subject: t.class, State: "stop", Lane: uint64(t.lane), FromNS: t.since, ToNS: boot, Count: held - t.before,
	}
}
