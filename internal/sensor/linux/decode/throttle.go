package decode

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/clock"
)

// throttled is a process whose events of one class are held back at the moment.
type throttled struct {
	key           BucketKey
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

// BucketKey and Bucket mirror the structs of syscall.h.
type BucketKey struct {
	Start        uint64
	Tgid, Budget uint32
}

// Bucket is what a process has left of one budget.
type Bucket struct {
	Filled, Tokens, HeldBack, HeldLast uint64
}

const maxThrottled = 1024 // processes watched; full: their end is not told one by one, the counters still are

// throttle reads that a process used up its budget.
func (d *Decoder) throttle(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	class := f.u32()
	budget, before := f.u32(), f.u64()
	if f.short {
		return nil
	}
	if int(class) >= len(Classes) {
		return fmt.Errorf("throttle of class %d: %w", class, event.ErrMalformed)
	}
	e.Kind = event.SensorThrottle
	e.Subject, e.State, e.FromNS = Classes[class], "start", h.bootNS
	e.Reason = "the process makes more events than its budget allows; what is over it is counted, not sent"
	lane := event.Critical
	if budget == budgetFile || budget == budgetEmptied {
		lane = event.Bulk
	}
	e.Lane = uint64(lane)
	key := BucketKey{h.start, h.tgid, budget}
	for i, t := range d.throttled {
		if t.key == key { // it calmed down and began again before anyone looked
			emit(t.end(d.o.Clock, before, h.bootNS))
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

// Calm tells of processes that were throttled and no longer are, with how many of their events were held back. look gives the bucket
// of one. Now 0 ends all; at is the time since boot that the events are given.
func (d *Decoder) Calm(look func(BucketKey) (Bucket, error), now, at uint64, emit func(*event.Event)) {
	still := d.throttled[:0]
	for _, t := range d.throttled {
		b, err := look(t.key)
		if err == nil && now != 0 && now < b.HeldLast+uint64(calmAfter) {
			still = append(still, t)
			continue
		}
		e := t.end(d.o.Clock, b.HeldBack, at)
		if err != nil {
			e.Count, e.Reason = 0, "the count is not known: too many processes were throttled at once"
		}
		emit(e)
	}
	d.throttled = still
}

// end tells that a throttling is over. Held is what the process's bucket counted up to now.
func (t *throttled) end(c *clock.Clock, held, boot uint64) *event.Event {
	return &event.Event{
		Kind: event.SensorThrottle, OS: event.Linux, BootNS: boot, HostTime: c.Host(boot), Actor: t.actor, Parent: t.parent,
		Subject: t.class, State: "stop", Lane: uint64(t.lane), FromNS: t.since, ToNS: boot, Count: held - t.before,
	}
}
