package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

	mu       sync.Mutex // guards all below; never held across I/O
	loaded   bool
	lanes    map[lane]*sequence
	boots    map[string]int64 // boot id to server time minus boot time, µs
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
		src = &source{lanes: map[lane]*sequence{}, boots: map[string]int64{}, sealed: map[lane]uint64{}}
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
	for _, b := range boots {
		src.boots[b.ID] = b.Offset
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

// boot ties the boot's clock to ours. Within one boot the first estimate stands, so that time does not
// jump at each Hello; a difference of a second says that our own clock was set.
func (src *source) boot(id []byte, offset int64) (use int64, changed bool) {
	key := hex.EncodeToString(id)
	src.mu.Lock()
	defer src.mu.Unlock()
	old, known := src.boots[key]
	if d := offset - old; known && d > -1e6 && d < 1e6 {
		return old, false
	}
	if len(src.boots) >= maxBoots {
		var oldest string
		for k, o := range src.boots {
			if oldest == "" || o < src.boots[oldest] { // the smaller the offset, the earlier the boot
				oldest = k
			}
		}
		delete(src.boots, oldest)
	}
	src.boots[key] = offset
	return offset, true
}
