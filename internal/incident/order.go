package incident

import (
	"encoding/binary"

	"github.com/yagura-edr/yagura/internal/event"
)

// bootClock puts the events of one boot on one scale: boot_ns plus an offset. The server's estimate of when an event
// happened is made for each batch and wanders by hundreds of milliseconds, so that a cause may be told to come after its
// effect; the kernel's own count does not.
type bootClock struct {
	boot    uint32
	anchors []anchor // by from
}

// anchor holds from a boot_ns on: clocks drift apart over weeks.
type anchor struct {
	from   uint64 // ns since boot
	offset int64  // µs
}

const (
	clockStray = 3_000_000 // µs by which estimates of one boot may wander before they are believed more than its first
	maxAnchors = 64        // of one boot; full: the oldest goes
	maxClocks  = 16        // boots of one host; full: all are begun anew
)

// moment gives when an event happened, µs UTC, in an order that is that of the kernel for the events of one boot. Without a
// boot's count it is the server's estimate.
func (a *activity) moment(e *event.Event) int64 {
	told := when(e)
	if e.BootNS == 0 || e.Actor.Key == (event.Key{}) || e.OS != event.Linux {
		return told
	}
	boot := binary.BigEndian.Uint32(e.Actor.Key[12:])
	since := int64(e.BootNS / 1000)
	c := a.clock
	if c == nil || c.boot != boot {
		c = a.clocks[boot]
		a.clock = c
	}
	if c == nil {
		if a.clocks == nil || len(a.clocks) >= maxClocks {
			a.clocks = map[uint32]*bootClock{}
		}
		a.clocks[boot] = &bootClock{boot: boot, anchors: []anchor{{offset: told - since}}}
		return told
	}
	i := len(c.anchors) - 1
	for i > 0 && c.anchors[i].from > e.BootNS {
		i--
	}
	at := c.anchors[i].offset + since
	if i == len(c.anchors)-1 && abs64(at-told) > clockStray {
		if len(c.anchors) >= maxAnchors {
			c.anchors = append(c.anchors[:0], c.anchors[1:]...)
			c.anchors[0].from = 0
		}
		c.anchors = append(c.anchors, anchor{from: e.BootNS, offset: told - since})
		return told
	}
	return at
}

// moment gives when what was stored happened, on the scale of its host.
func (g *Graph) moment(s event.Stamped) int64 {
	if a := g.hosts[s.ID.Host]; a != nil {
		return a.moment(s.Event)
	}
	return when(s.Event)
}
