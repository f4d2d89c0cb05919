package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// lane names one sequence of a host.
type lane struct {
	stream uint64
	lane   event.Lane
}

// Bounds of what is remembered of one host.
const (
	maxLanes  = 768 // 256 starts of the sensor with three lanes each
	maxRecent = 64  // batches of a lane whose content is remembered
	maxBoots  = 16
)

// source is what is remembered of one host. Its lock is held for moments only, but for the first load.
type source struct {
	load sync.Mutex // held while the host is read from the manifest, which happens once
	save sync.Mutex // held while the clock of a boot is written to the control database

	mu       sync.Mutex // guards all below; never held across I/O
	loaded   bool
	lanes    map[lane]*sequence
	boots    map[string]*bootClock // by boot id, hex
	greeted  map[uint64]string     // the boot that a stream of the sensor runs in, by its Hello
	sealed   map[lane]uint64
	sealedAt time.Time
	uploads  int // under way
	kept     int // quarantined batches of today
	keptDay  int64
}

// sequence is one stream and lane: what was accepted, what is on its way to the log, and the content of
// the last batches.
type sequence struct {
	accepted ranges
	flights  []*flight
	recent   [maxRecent]remembered
	next     int
	touched  time.Time
}

// flight is a range on its way to the log. done is closed by the gatherer once the range is accepted or
// is not.
type flight struct {
	Range
	done chan struct{}
}

type remembered struct {
	Range
	sum [sha256.Size]byte
}

func (q *sequence) remember(x Range, sum [sha256.Size]byte) {
	q.recent[q.next%maxRecent] = remembered{x, sum}
	q.next++
}

// contradicts says whether the same range came before with other content.
func (q *sequence) contradicts(x Range, sum [sha256.Size]byte) bool {
	for i := range q.recent {
		if r := &q.recent[i]; r.Range == x && r.sum != sum {
			return true
		}
	}
	return false
}

// source gives what is remembered of a host, reading it from manifest and control database first.
func (s *Service) source(ctx context.Context, id fleet.Identity) (*source, error) {
	s.mu.Lock()
	src := s.sources[id.Host]
	if src == nil {
		src = &source{lanes: map[lane]*sequence{}, boots: map[string]*bootClock{}, greeted: map[uint64]string{}, sealed: map[lane]uint64{}}
		s.sources[id.Host] = src
	}
	s.mu.Unlock()
	src.load.Lock()
	defer src.load.Unlock()
	if src.loaded {
		return src, nil
	}
	settled, err := s.o.Manifest.Settled(ctx, id.Tenant, id.Host)
	if err != nil {
		return nil, fmt.Errorf("read watermarks of %s: %w", id.Host, err)
	}
	boots, err := s.o.Fleet.Boots(ctx, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	rebuilt := s.rebuilt[id.Host]
	delete(s.rebuilt, id.Host)
	s.mu.Unlock()
	src.mu.Lock()
	defer src.mu.Unlock()
	src.settle(settled)
	for k, r := range rebuilt {
		q := src.sequence(k)
		for _, x := range r {
			q.accepted = q.accepted.add(x)
		}
	}
	at, back := s.wall.now()
	for _, b := range boots {
		src.boots[b.ID] = restore(b, at)
		src.boots[b.ID].back = back
	}
	src.loaded = true
	return src, nil
}

// settle takes the manifest's word. The lock is held.
func (src *source) settle(settled []Settled) {
	clear(src.sealed)
	for _, x := range settled {
		k := lane{x.Stream, x.Lane}
		src.sealed[k] = ranges(x.Ranges).through()
		q := src.sequence(k)
		for _, r := range x.Ranges {
			q.accepted = q.accepted.add(r)
		}
	}
	src.sealedAt = time.Now()
}

// sequence gives the memory of one lane, forgetting the one touched longest ago when there are too many.
// The lock is held.
func (src *source) sequence(k lane) *sequence {
	q := src.lanes[k]
	if q == nil {
		if len(src.lanes) >= maxLanes {
			var oldest lane
			var at time.Time
			for k, q := range src.lanes {
				if len(q.flights) == 0 && (at.IsZero() || q.touched.Before(at)) {
					oldest, at = k, q.touched
				}
			}
			delete(src.lanes, oldest)
		}
		q = &sequence{}
		src.lanes[k] = q
	}
	q.touched = time.Now()
	return q
}

// refresh reads the seal's progress again when it is older than age.
func (s *Service) refresh(ctx context.Context, id fleet.Identity, src *source, age time.Duration) error {
	src.mu.Lock()
	fresh := time.Since(src.sealedAt) < age
	if !fresh {
		src.sealedAt = time.Now() // others need not ask meanwhile
	}
	src.mu.Unlock()
	if fresh {
		return nil
	}
	settled, err := s.o.Manifest.Settled(ctx, id.Tenant, id.Host)
	if err != nil {
		return fmt.Errorf("read watermarks of %s: %w", id.Host, err)
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	src.settle(settled)
	return nil
}

// maxGreeted bounds the streams of a host whose boot is remembered: one runs, a clone may run beside it.
const maxGreeted = 8

// clock gives the clock of a boot, or puts fresh in its place when there is none; nil when that is nil
// too. The lock is held.
func (src *source) clock(boot string, back int64, fresh func() *bootClock) *bootClock {
	c := src.boots[boot]
	if c == nil {
		if c = fresh(); c == nil {
			return nil
		}
		c.back = back
		if len(src.boots) >= maxBoots {
			var oldest string
			for k, c := range src.boots {
				if oldest == "" || c.last().Offset < src.boots[oldest].last().Offset { // the smaller the offset, the earlier the boot
					oldest = k
				}
			}
			delete(src.boots, oldest)
		}
		src.boots[boot] = c
	}
	c.setBack(back)
	return c
}

// greet takes the clocks of a Hello. moved is as of (*bootClock).hear.
func (src *source) greet(boot []byte, stream uint64, b, at, back int64) (moved int64) {
	src.mu.Lock()
	defer src.mu.Unlock()
	if len(src.greeted) >= maxGreeted {
		clear(src.greeted)
	}
	key := hex.EncodeToString(boot)
	src.greeted[stream] = key
	if b == 0 {
		return 0 // it does not say: a recording has no clock
	}
	return src.clock(key, back, func() *bootClock { return newClock(at - b) }).hear(b, at)
}

// hear takes those of a heartbeat; steady says that the clocks have run together for some minutes.
func (src *source) hear(stream uint64, b, at, back int64) (moved int64, steady bool) {
	src.mu.Lock()
	defer src.mu.Unlock()
	c := src.boots[src.greeted[stream]]
	if c == nil || b == 0 {
		return 0, false // an older sensor, or one that has to greet first
	}
	c.setBack(back)
	moved = c.hear(b, at)
	return moved, len(c.heard) == heardMax
}

// stamp dates a batch by the clock of its boot and gives when it counts as received.
func (src *source) stamp(boot []byte, events []*event.Event, at, back int64) (received int64) {
	src.mu.Lock()
	defer src.mu.Unlock()
	var c *bootClock
	if len(boot) > 0 {
		c = src.clock(hex.EncodeToString(boot), back, func() *bootClock { return guessed(events, at) })
	}
	return stamp(events, at, c)
}

// keepClock writes what changed of a boot's clock, so that no event dated by it is kept before it is: after
// a restart the same boot time has to give the same time.
func (s *Service) keepClock(ctx context.Context, id fleet.Identity, src *source, boot []byte, at int64) error {
	key := hex.EncodeToString(boot)
	stale := func() (b fleet.Boot, version int) {
		src.mu.Lock()
		defer src.mu.Unlock()
		c := src.boots[key]
		if c == nil || c.version == c.saved {
			return b, 0
		}
		return fleet.Boot{ID: key, Offset: c.last().Offset, Seen: at, Bends: slices.Clone(c.bends)}, c.version
	}
	if _, version := stale(); version == 0 {
		return nil
	}
	src.save.Lock()
	defer src.save.Unlock()
	b, version := stale()
	if version == 0 {
		return nil // who held the lock before wrote it
	}
	if err := s.o.Fleet.SaveBoot(ctx, id, b); err != nil {
		return err
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	if c := src.boots[key]; c != nil {
		c.saved = max(c.saved, version)
	}
	return nil
}
