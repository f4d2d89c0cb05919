package spool

import (
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Bounds between Put and the disk, by lane. Full: the event gets its number and is reported as dropped;
// the caller, who empties kernel rings, is never held up.
var maxQueued = [3]int{32 << 20, 4 << 20, 8 << 20}

// A batch is cut at this many bytes before compression: zstd brings events to a fifth or less, so it stays
// under MaxBatchBytes; one that does not is cut in halves when it is written.
const cutAt = 1 << 20

// raw is a batch before compression.
type raw struct {
	first   uint64
	count   int
	ends    []int32 // where each event ends in b, for cutting
	b       []byte
	since   time.Time
	reports []Range // ranges that dropped events of this batch report
}

// builder collects the events of one lane.
type builder struct {
	mu     sync.Mutex // guards all
	next   uint64     // number of the next event
	open   raw
	whole  []raw // waiting for the writer
	queued int   // bytes in whole
	one    []byte
	slot   *slot // of the tally; nil when there is none
	lame   bool  // the tally could not be written any more
}

func (b *builder) given() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next - 1
}

func (b *builder) isLame() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lame
}

// opened says since when the open batch waits; false when there is none.
func (b *builder) opened() (since time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open.since, b.open.count > 0
}

// cut closes the open batch. mu is held.
func (b *builder) cut() {
	if b.open.count > 0 {
		b.whole = append(b.whole, b.open)
		b.queued += len(b.open.b)
		b.open = raw{}
	}
}

// add numbers an event; a reason is given back when it could not be kept. news says that the writer has a batch
// to write, or one more to wait for.
func (b *builder) add(e *event.Event, lane event.Lane, now time.Time, report *Range) (seq uint64, news bool, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seq = b.next
	b.next++
	if b.slot != nil && !b.slot.note(seq) {
		b.slot, b.lame = nil, true
	}
	b.one = e.Append(b.one[:0])
	if len(b.one) > event.MaxEventBytes && e.Fit() { // a huge command line is cut and marked, not lost
		b.one = e.Append(b.one[:0])
	}
	switch {
	case len(b.one) > event.MaxEventBytes:
		b.one = nil // do not keep a giant buffer
		reason = ReasonBig
	case b.queued+len(b.open.b)+len(b.one) > maxQueued[lane]:
		reason = ReasonBusy
	}
	if reason != "" {
		b.cut() // a batch has no holes
		return seq, len(b.whole) > 0, reason
	}
	if b.open.count == 0 {
		b.open = raw{first: seq, since: now, b: make([]byte, 0, 8<<10)}
	}
	b.open.b = protowire.AppendBytes(b.open.b, b.one)
	b.open.ends = append(b.open.ends, int32(len(b.open.b)))
	b.open.count++
	if report != nil {
		r := *report
		r.at = seq
		b.open.reports = append(b.open.reports, r)
	}
	if b.open.count >= event.MaxBatchEvents || len(b.open.b) >= cutAt {
		b.cut()
	}
	return seq, len(b.whole) > 0 || b.open.count == 1, ""
}

// take gives the batches that are due: whole ones, and the open one when it is older than linger.
func (b *builder) take(now time.Time, linger time.Duration) []raw {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.count > 0 && now.Sub(b.open.since) >= linger {
		b.cut()
	}
	out := b.whole
	b.whole, b.queued = nil, 0
	return out
}

// Put numbers an event and takes it over; the caller must not touch e's strings' backing memory again but
// may reuse e. It does no I/O and never waits for the disk.
func (s *Spool) Put(e *event.Event) { s.putReport(e, nil) }

func (s *Spool) putReport(e *event.Event, report *Range) bool {
	lane := laneOf(e)
	seq, news, reason := s.put[lane].add(e, lane, time.Now(), report)
	if reason != "" {
		s.lose(Range{Stream: s.stream, Lane: lane, First: seq, Last: seq, Reason: reason})
	}
	if news {
		select {
		case s.wake <- struct{}{}:
		default: // a wake-up is already on its way
		}
	}
	return reason == ""
}

// lose remembers a range until a dropped event reports it. Neighbours join, so that a long drought is
// one range and memory stays bounded; the bound on the rest is how often a lane changes its luck.
func (s *Spool) lose(r Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Dropped += r.Last - r.First + 1
	s.loseLocked(r)
}

func (s *Spool) loseLocked(r Range) {
	if r.marker == "" {
		for i := len(s.lost) - 1; i >= 0 && i >= len(s.lost)-8; i-- {
			if p := &s.lost[i]; p.marker == "" && p.Stream == r.Stream && p.Lane == r.Lane && p.Reason == r.Reason && p.Last+1 == r.First {
				p.Last = r.Last
				return
			}
		}
	}
	s.lost = append(s.lost, r)
}

// report turns lost ranges into dropped events of the critical lane, at most a few hundred at a time.
func (s *Spool) report() {
	s.mu.Lock()
	n := min(len(s.lost), 256)
	due := append([]Range(nil), s.lost[:n]...)
	s.lost = append([]Range(nil), s.lost[n:]...)
	s.mu.Unlock()
	for _, r := range due {
		e := &event.Event{
			Kind: event.Dropped, OS: sense.OS, Stream: r.Stream, Lane: uint64(r.Lane), First: r.First, Last: r.Last,
			Count: r.Last - r.First + 1, Reason: r.Reason,
		}
		s.o.Stamp(e)
		if !s.putReport(e, &r) {
			s.mu.Lock()
			s.loseLocked(r)
			s.mu.Unlock()
		}
	}
}
