package ingest

import (
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// Bounds of the clock of a boot, in µs but for the first (docs/adr/0017).
const (
	slew     = 16    // while an offset goes down, time runs at a sixteenth of the boot's clock: it never stands and never turns
	slack    = 1_000 // a smaller offset is taken with this to spare, so that each does not bring a bend of its own
	leap     = 30e6  // no call of a sensor takes as long: what differs by more is no delay, a clock was set or a machine was paused
	maxBends = 64    // of one boot
	stepped  = 1e6   // the server's own clock went back by more than this against its monotonic one
	heardMax = 32    // calls remembered: eight minutes of heartbeats
)

// rises says when a larger offset is believed that a delay can look like: when each of the last so many calls
// came later than believed by more than that. The smaller the difference, the longer it is watched.
var rises = []struct {
	calls int
	above int64
}{{4, 2e6}, {heardMax, 250e3}}

// bootClock ties the boot clock of one boot of a host to the server's clock. All numbers are µs.
//
// What arrives at A and left when the boot clock stood at b shows that server time minus boot time is at
// most A − b, since no delay is negative. The offset is the least of these. It is the boot's, never an
// event's: events keep their order and their distances. What was stamped once stays as it is, for the next
// lane and for a batch that comes again; a new offset holds for what is later by the boot's clock than all
// that was stamped, and a smaller one is reached by running slower.
type bootClock struct {
	bends []fleet.Bend // in order of From, at least one
	high  int64        // the newest boot time that was stamped
	back  int64        // of the server's steps back, what is in the bends
	loose bool         // high was worked out after a restart: the boot's clock itself may show that it is less
	guess bool         // the offset comes from the host's own wall clock
	heard []int64      // what the last greetings and heartbeats showed, newest last

	version, saved int // of what has to outlive a restart
}

// newClock gives the clock of a boot of which nothing was stamped.
func newClock(offset int64) *bootClock {
	return &bootClock{bends: []fleet.Bend{{At: offset, Offset: offset}}, version: 1}
}

// restore gives the clock of a boot as it was kept. at is now: what was stamped lies before it, or as little
// after it as a slower run can bring.
func restore(b fleet.Boot, at int64) *bootClock {
	c := &bootClock{bends: b.Bends, loose: true}
	if len(c.bends) == 0 || c.last().Offset != b.Offset { // an older server wrote it
		c.bends = []fleet.Bend{{At: b.Offset, Offset: b.Offset}}
	}
	x := c.last()
	at += leap / (slew - 1)
	c.high = max(x.From, min(at-x.Offset, x.From+(at-x.At)*slew))
	return c
}

func (c *bootClock) last() *fleet.Bend { return &c.bends[len(c.bends)-1] }

// time gives the server's time of a boot time. It never decreases with b but where the server's own clock,
// or the boot's, was found to have been set back.
func (c *bootClock) time(b int64) int64 {
	i := len(c.bends) - 1
	for i > 0 && b <= c.bends[i].From {
		i--
	}
	x := &c.bends[i]
	if b <= x.From {
		return b + x.Offset
	}
	return max(b+x.Offset, x.At+(b-x.From)/slew)
}

// turn sets the offset of what is later than all that was stamped. With jump it holds at once, even where
// that turns time back.
func (c *bootClock) turn(offset int64, jump bool) {
	c.version++
	if c.high == 0 {
		c.bends = []fleet.Bend{{At: offset, Offset: offset}}
		return
	}
	x := fleet.Bend{From: c.high, At: c.time(c.high), Offset: offset}
	if jump {
		x.At = min(x.At, x.From+offset)
	}
	if c.last().From == x.From && len(c.bends) > 1 {
		c.bends = c.bends[:len(c.bends)-1] // nothing was stamped by that one
	}
	if len(c.bends) >= maxBends {
		c.bends = append(c.bends[:0], c.bends[1:]...) // so old that hardly a spool still holds what it dates
	}
	c.bends = append(c.bends, x)
}

// hear takes a greeting or a heartbeat, which are sent as soon as they are made. moved is how far a clock
// was found set, 0 when it was not: below 0 the boot's clock went forward or the server's back, which no
// delay and no pause does.
func (c *bootClock) hear(b, at int64) (moved int64) {
	bound := at - b
	if c.loose {
		c.high, c.loose = min(c.high, max(b, c.last().From)), false
	}
	if c.guess {
		c.guess = false
		c.turn(bound, false)
		return 0
	}
	offset := c.last().Offset
	if moved = bound - offset; moved < -leap || moved > leap {
		if moved > 0 && c.high > b+leap {
			// A machine that was restored from a snapshot runs through the same boot times again.
			for c.high = b; len(c.bends) > 1 && c.last().From >= b; {
				c.bends = c.bends[:len(c.bends)-1]
			}
		}
		c.heard = nil
		c.turn(bound, moved < 0)
		return moved
	}
	if moved < 0 {
		offset = bound - slack
		c.turn(offset, false)
	}
	if c.heard = append(c.heard, bound); len(c.heard) > heardMax {
		c.heard = append(c.heard[:0], c.heard[1:]...)
	}
	for _, r := range rises {
		if len(c.heard) < r.calls {
			continue
		}
		if least := slices.Min(c.heard[len(c.heard)-r.calls:]); least-offset > r.above {
			c.heard = nil
			c.turn(least, false)
			break
		}
	}
	return 0
}

// stamp dates the events of one batch that have a place in the boot, and gives when the batch counts as
// received: at, or a moment later while time still runs slower.
func (c *bootClock) stamp(events []*event.Event, at int64) (received int64) {
	newest := int64(0)
	for _, e := range events {
		if b := bootTime(e); b <= max(c.high, at-c.last().Offset+leap) {
			newest = max(newest, b)
		}
	}
	if bound := at - newest; newest > 0 && bound < c.last().Offset {
		c.turn(bound-slack, false)
	}
	received = at
	for _, e := range events {
		b := bootTime(e)
		if b == 0 {
			continue
		}
		e.Time = at // no clock runs so far ahead: nothing is known of this event but that it came
		if b <= max(c.high, newest) {
			e.Time = c.time(b)
		}
		if e.Time > at+leap || e.Time <= at-oldest.Microseconds() {
			e.Time = at
		}
		received = max(received, e.Time)
	}
	c.high = max(c.high, newest)
	return received
}

// bootTime gives where an event stands in its boot, 0 when it stands nowhere: a recording has its own time.
func bootTime(e *event.Event) int64 {
	if e.Flags&event.FlagImported != 0 {
		return 0
	}
	return int64(e.BootNS / 1000)
}

// guessed makes the clock of a boot that never greeted us: its events lay in the spool over a reboot, or
// they overtook the greeting. The wall clock of the host says where it began, if that can be; one offset
// for all of it keeps their order whatever happened to that clock meanwhile.
func guessed(events []*event.Event, at int64) *bootClock {
	var newest *event.Event
	for _, e := range events {
		if b := bootTime(e); b > 0 && (newest == nil || e.BootNS > newest.BootNS) {
			newest = e
		}
	}
	if newest == nil {
		return nil
	}
	left := at
	if h := newest.HostTime; h > at-oldest.Microseconds() && h <= at {
		left = h
	}
	c := newClock(left - bootTime(newest))
	c.guess = true
	return c
}

// setBack follows the server's own clock when that was set back. What is stamped stays.
func (c *bootClock) setBack(back int64) {
	if c.back == back {
		return
	}
	c.turn(c.last().Offset-(back-c.back), true)
	c.back, c.heard = back, nil
}

// wall is the server's own clock. It notices when it was set back: that is not the hosts' doing. Set
// forward looks like a pause of the server and needs no notice: the hosts' next calls show it.
type wall struct {
	mu    sync.Mutex // guards all below
	start time.Time
	ahead int64 // the most that wall time was ahead of monotonic time since start
	back  int64 // all steps back together
}

// now gives the time and how far the clock was set back since the start, in µs.
func (w *wall) now() (at, back int64) {
	t := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.start.IsZero() {
		w.start = t
	}
	return t.UnixMicro(), w.note(t.UnixMicro()-w.start.UnixMicro(), t.Sub(w.start).Microseconds())
}

func (w *wall) note(passed, monotonic int64) (back int64) {
	ahead := passed - monotonic
	if ahead < w.ahead-stepped {
		w.back += w.ahead - ahead
		w.ahead = ahead
	}
	w.ahead = max(w.ahead, ahead)
	return w.back
}
