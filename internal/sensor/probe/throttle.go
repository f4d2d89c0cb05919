package probe

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// throttled is a process whose events of one class are held back at the moment.
type throttled struct {
	key   bucketKey
	start *event.Event
}

// bucketKey and bucket mirror the structs of syscall.h.
type bucketKey struct {
	Start       uint64
	Tgid, Class uint32
}

type bucket struct {
	Filled, Tokens, HeldBack, HeldSince, HeldLast uint64
}

const maxThrottled = 1024 // processes watched; full: their end is not told one by one, the counters still are

// throttle reads that a process used up its budget.
func (d *decoder) throttle(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	class := f.u32()
	_ = f.u32()
	if f.short {
		return nil
	}
	if int(class) >= len(classes) {
		return fmt.Errorf("throttle of class %d: %w", class, event.ErrMalformed)
	}
	e.Kind = event.SensorThrottle
	e.Subject, e.State, e.FromNS = classes[class], "start", h.bootNS
	e.Reason = "the process makes more events than its budget allows; what is over it is counted, not sent"
	if len(d.throttled) < maxThrottled {
		d.throttled = append(d.throttled, throttled{bucketKey{h.start, h.tgid, class}, e})
	}
	emit(e)
	return nil
}

const calmAfter = time.Second

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
		boot, host := p.Now()
		e := &event.Event{Kind: event.SensorThrottle, OS: event.Linux, BootNS: boot, HostTime: host, Actor: t.start.Actor, Parent: t.start.Parent,
			Subject: t.start.Subject, State: "stop", FromNS: t.start.FromNS, ToNS: b.HeldLast, Count: b.HeldBack}
		if err != nil {
			e.ToNS, e.Reason = boot, "the count is not known: too many processes were throttled at once"
		} else {
			b.HeldBack, b.HeldSince = 0, 0
			if err := p.maps["buckets"].Put(t.key, b); err != nil {
				e.Reason = "a later throttling of this process may not be told: " + err.Error()
			}
		}
		emit(e)
	}
	d.throttled = still
}
