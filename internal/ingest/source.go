package ingest

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/seq"
)

// lane names one sequence of a host.
type lane struct {
	stream uint64
	lane   event.Lane
}

// Bounds of what is remembered of one host (docs/limits.md).
const (
	maxLanes  = 768 // 256 starts of the sensor with three lanes each
	maxRecent = 64  // batches of a lane whose content is remembered
	maxBoots  = 16
	maxCalls  = 8  // Hello, Report and Renew of one host at a time; a sensor has one of each
	maxAttend = 4  // Attend streams of one host; a sensor has one, and one more while it notices that the old one is dead
	maxLines  = 30 // of the server's log about one host in a minute
	maxStarts = 64 // streams of one host that are new within a minute: a sensor that cannot even start begins six
)

// source is what is remembered of one host. Its lock is held for moments only, but for the first load.
type source struct {
	load sync.Mutex // held while the host is read from the manifest, which happens once
	save sync.Mutex // held while the clock of a boot is written to the control database
	tell sync.Mutex // held while it is told that two use the identity, or one alone: what was found last is told last

	mu      sync.Mutex // guards all below; never held across I/O
	loaded  bool
	lanes   map[lane]*sequence
	order   *list.List            // of the sequences, the one touched last in front
	boots   map[string]*bootClock // by boot id, hex
	greeted map[uint64]string     // the boot that a stream of the sensor runs in, by its Hello
	attends []chan struct{}       // Attend streams that stand, oldest first; closed: that one goes
	kept    int                   // quarantined batches of today
	keptDay int64
	starts  int // streams that began in the minute startAt
	startAt int64
	lines   int // of the server's log about this host in the minute lineAt
	lineAt  int64
	claims  claims

	lives    lives
	gaps     map[lane]*gap
	first    map[uint64]int64 // first heartbeat of a stream
	held     map[uint64]bool  // older streams that the sensor's spool still holds
	measured int64            // last heartbeat
	refused  int64            // when the log last took nothing of it
}

// maxRanges bounds the holes of one stream and lane. Beyond it batches that make another hole are refused until the
// sensor has sent what is missing.
const maxRanges = 1024

// sequence is one stream and lane: what was accepted, what is on its way to the log, and the content of
// the last batches.
type sequence struct {
	key      lane
	place    *list.Element // in source.order
	accepted seq.Set
	sealed   uint64    // everything up to it is in a segment
	read     time.Time // when sealed was last read from the manifest; zero: never
	flights  []*flight
	recent   []remembered // at most maxRecent
	next     int
}

// flight is a range on its way to the log. done is closed by the gatherer once the range is accepted or
// is not.
type flight struct {
	seq.Range
	done chan struct{}
}

type remembered struct {
	seq.Range
	sum [sha256.Size]byte
}

func (q *sequence) remember(x seq.Range, sum [sha256.Size]byte) {
	if len(q.recent) < maxRecent {
		q.recent = append(q.recent, remembered{x, sum})
	} else {
		q.recent[q.next%maxRecent] = remembered{x, sum}
	}
	q.next++
}

// contradicts says whether the same range came before with other content.
func (q *sequence) contradicts(x seq.Range, sum [sha256.Size]byte) bool {
	for i := range q.recent {
		if r := &q.recent[i]; r.Range == x && r.sum != sum {
			return true
		}
	}
	return false
}

// source gives what is remembered of a host, reading its boots from the control database first. How far a lane
// is settled is read when the lane is asked for.
func (s *Service) source(ctx context.Context, id fleet.Identity) (*source, error) {
	s.mu.Lock()
	src := s.sources[id.Host]
	if src == nil {
		src = &source{lanes: map[lane]*sequence{}, order: list.New(), boots: map[string]*bootClock{}, greeted: map[uint64]string{}}
		s.sources[id.Host] = src
	}
	s.mu.Unlock()
	src.load.Lock()
	defer src.load.Unlock()
	if src.loaded {
		return src, nil
	}
	boots, err := s.o.Fleet.Boots(ctx, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	rebuilt := s.rebuilt[id.Host]
	delete(s.rebuilt, id.Host)
	s.mu.Unlock()
	host, _ := s.o.Fleet.Host(id.Tenant, id.Host)
	src.mu.Lock()
	defer src.mu.Unlock()
	src.lives.twice = host.Twice
	for k, r := range rebuilt {
		q := src.sequence(k)
		for _, x := range r {
			q.accepted.Add(x)
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

// sequence gives the memory of one lane, forgetting the one touched longest ago when there are too many.
// The lock is held.
func (src *source) sequence(k lane) *sequence {
	if q := src.lanes[k]; q != nil {
		src.order.MoveToFront(q.place)
		return q
	}
	if len(src.lanes) >= maxLanes {
		for e := src.order.Back(); e != nil; e = e.Prev() { // at most maxUploads have flights
			if old, ok := e.Value.(*sequence); ok && len(old.flights) == 0 {
				src.order.Remove(e)
				delete(src.lanes, old.key)
				break
			}
		}
	}
	q := &sequence{key: k}
	q.place = src.order.PushFront(q)
	src.lanes[k] = q
	return q
}

// knows says whether a stream of the host was ever seen here: it greeted, or something of it was accepted. The
// lock is held.
func (src *source) knows(stream uint64) bool {
	if _, ok := src.greeted[stream]; ok {
		return true
	}
	for _, l := range event.Lanes {
		if src.lanes[lane{stream, l}] != nil {
			return true
		}
	}
	return false
}

// learn reads from the manifest how far lanes are settled, where that was never read or longer ago than age. A
// lane of which the manifest knows nothing is not remembered for having been asked for.
func (s *Service) learn(ctx context.Context, id fleet.Identity, src *source, keys []lane, age time.Duration) error {
	var ask []Settled
	at := time.Now()
	src.mu.Lock()
	for _, k := range keys {
		q := src.lanes[k]
		if q == nil || q.read.IsZero() || at.Sub(q.read) >= age {
			ask = append(ask, Settled{Stream: k.stream, Lane: k.lane})
		}
		if q != nil {
			q.read = at // others need not ask meanwhile
		}
	}
	src.mu.Unlock()
	if len(ask) == 0 {
		return nil
	}
	settled, err := s.o.Manifest.Settled(ctx, id.Tenant, id.Host, ask)
	src.mu.Lock()
	defer src.mu.Unlock()
	if err != nil {
		for _, x := range ask {
			if q := src.lanes[lane{x.Stream, x.Lane}]; q != nil {
				q.read = time.Time{}
			}
		}
		return fmt.Errorf("read watermarks of %s: %w", id.Host, err)
	}
	for _, x := range settled {
		k := lane{x.Stream, x.Lane}
		if len(x.Ranges) == 0 && src.lanes[k] == nil {
			continue
		}
		q := src.sequence(k)
		q.sealed, q.read = x.Ranges.Through(), at
		for _, r := range x.Ranges {
			q.accepted.Add(r)
		}
	}
	return nil
}

// begin counts a stream that was never seen here; false: too many began within this minute.
func (src *source) begin(stream uint64, at int64) bool {
	src.mu.Lock()
	defer src.mu.Unlock()
	if src.knows(stream) {
		return true
	}
	if minute := at / 60e6; minute != src.startAt {
		src.startAt, src.starts = minute, 0
	}
	src.starts++
	return src.starts <= maxStarts
}

// mayLog says whether a line of the log may be written for what a host did; each minute's rest is one line.
func (s *Service) mayLog(ctx context.Context, id fleet.Identity, src *source) bool {
	src.mu.Lock()
	unsaid := 0
	if minute := now() / 60e6; minute != src.lineAt {
		unsaid = max(src.lines-maxLines, 0)
		src.lineAt, src.lines = minute, 0
	}
	src.lines++
	may := src.lines <= maxLines
	src.mu.Unlock()
	if unsaid > 0 {
		s.log.WarnContext(ctx, "a host made more lines than are written", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.Int("n", unsaid))
	}
	return may
}

// attend counts an Attend stream. Beyond maxAttend the oldest goes: whoever holds old ones, on purpose or behind a
// dead line, must not keep orders from the sensor that comes now.
func (src *source) attend() (cut <-chan struct{}, leave func()) {
	mine := make(chan struct{})
	src.mu.Lock()
	defer src.mu.Unlock()
	if len(src.attends) >= maxAttend {
		close(src.attends[0])
		src.attends = src.attends[1:]
	}
	src.attends = append(src.attends, mine)
	return mine, func() {
		src.mu.Lock()
		defer src.mu.Unlock()
		src.attends = slices.DeleteFunc(src.attends, func(c chan struct{}) bool { return c == mine })
	}
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

// booted says whether a boot was there before.
func (src *source) booted(boot []byte) bool {
	src.mu.Lock()
	defer src.mu.Unlock()
	return src.boots[hex.EncodeToString(boot)] != nil
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
