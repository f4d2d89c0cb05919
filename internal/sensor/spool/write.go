package spool

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
)

// Batch is a run of events of one stream and lane, as it is sent.
type Batch struct {
	Stream  uint64
	Lane    event.Lane
	First   uint64
	Count   int
	Boot    [16]byte
	Content []byte // zstd of event.AppendBatch

	seg     *segment // nil: in memory
	at      int64
	size    uint32
	sum     uint32
	reports []Range // what its dropped events report
	gone    bool    // given up; guarded by Spool.mu
}

func (b *Batch) last() uint64    { return b.First + uint64(b.Count) - 1 }
func (b *Batch) span() seq.Range { return seq.Range{First: b.First, Last: b.last()} }

func (b *Batch) header() *header {
	return &header{lane: b.Lane, stream: b.Stream, first: b.First, count: uint32(b.Count), boot: b.Boot, size: uint32(len(b.Content)), sum: checksum(b.Content)}
}

// errCrowded says that others left too little room on the disk. That is no reason to lose anything while the
// server can be reached: the batch waits in memory.
var errCrowded = errors.New("others leave too little room on the disk")

// errFull says that the budget is spent on what matters more.
var errFull = errors.New(ReasonBudget)

func (s *Spool) writeDue(now time.Time) error {
	s.flush.Lock()
	defer s.flush.Unlock()
	return errors.Join(s.write(now, false), s.saveDirty())
}

// writeAll writes until nothing is left, dropped events for what was shed on the way included. The
// bound is for a spool that loses the very batches that report its losses.
func (s *Spool) writeAll() error {
	s.flush.Lock()
	defer s.flush.Unlock()
	var err error
	for range 64 {
		err = s.write(time.Now(), true)
		s.mu.Lock()
		left := len(s.lost)
		s.mu.Unlock()
		if left == 0 {
			break
		}
	}
	return errors.Join(err, s.saveDirty())
}

// write moves due batches out of the builders. flush is held.
func (s *Spool) write(now time.Time, all bool) error {
	s.report()
	var errs error
	for lane := range s.put {
		linger := s.o.Linger[lane]
		if all {
			linger = -time.Hour // the clock may be stepped back
		}
		for _, r := range s.put[lane].take(now, linger) {
			if err := s.keep(event.Lane(lane), r); err != nil {
				errs = err
			}
		}
	}
	return errs
}

// keep compresses a batch and puts it on disk, or in memory, or reports it lost. flush is held.
func (s *Spool) keep(lane event.Lane, r raw) error {
	content := s.zstd.EncodeAll(r.b, nil)
	if len(content) > event.MaxBatchBytes && r.count > 1 {
		a, b := r.halves()
		return errors.Join(s.keep(lane, a), s.keep(lane, b))
	}
	b := &Batch{Stream: s.stream, Lane: lane, First: r.first, Count: r.count, Boot: s.o.Boot, Content: content, reports: r.reports}
	b.size, b.sum = uint32(len(content)), checksum(content)
	s.spare = 0
	var err error
	for range 5 {
		if err = s.migrate(lane); err == nil {
			err = s.appendDisk(b)
		}
		if err == nil || errors.Is(err, errFull) {
			break
		}
		if !noSpace(err) {
			continue // once more, into a new file
		}
		// What the server has goes first. Then the batch may wait in memory. Only when that is full, too, is
		// something given up, on what matters less or is older.
		n, serr := s.freeOne()
		if n == 0 && serr == nil && !s.fitsMemory(b) {
			n, serr = s.giveUpOne(lane)
		}
		if n == 0 || serr != nil {
			break
		}
		s.spare += n
	}
	switch {
	case err == nil:
		s.settled(b)
		b.Content = nil // read again when it is sent
		s.offer(b)
		return nil
	case errors.Is(err, errFull):
		s.giveUp(b, ReasonBudget)
		return nil
	}
	s.mu.Lock()
	s.problem = err.Error()
	s.mu.Unlock()
	if !s.appendMemory(b) {
		s.giveUp(b, ReasonMemory)
		return err
	}
	s.offer(b)
	return err
}

func noSpace(err error) bool {
	return errors.Is(err, errCrowded) || diskFull(err)
}

func (r *raw) halves() (a, b raw) {
	n := r.count / 2
	cut := r.ends[n-1]
	a = raw{first: r.first, count: n, ends: r.ends[:n], b: r.b[:cut]}
	b = raw{first: r.first + uint64(n), count: r.count - n, b: r.b[cut:]}
	for _, e := range r.ends[n:] {
		b.ends = append(b.ends, e-cut)
	}
	for _, report := range r.reports {
		if report.at < b.first {
			a.reports = append(a.reports, report)
		} else {
			b.reports = append(b.reports, report)
		}
	}
	return a, b
}

// settled notes that the dropped events of a batch are on disk. flush is held.
func (s *Spool) settled(b *Batch) {
	for _, r := range b.reports {
		if r.marker != "" {
			_ = os.Remove(r.marker) // left over: reported once more after a restart
		}
		s.mu.Lock()
		s.stateOf(r.Stream).report(r.Lane, seq.Range{First: r.First, Last: r.Last})
		s.dirty = true
		s.mu.Unlock()
	}
	b.reports = nil
}

// giveUp reports a batch as lost, and again what its dropped events would have reported.
func (s *Spool) giveUp(b *Batch, reason string) {
	s.lose(Range{Stream: b.Stream, Lane: b.Lane, First: b.First, Last: b.last(), Reason: reason})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.reports {
		s.loseLocked(r)
	}
}

// appendMemory keeps a batch that no disk takes, shedding what matters less. It says whether it could.
func (s *Spool) appendMemory(b *Batch) bool {
	s.mu.Lock()
	var out []*Batch
	for s.memory()+len(b.Content) > s.o.MaxMemory {
		v := s.memoryVictim(b.Lane)
		if v == nil {
			break
		}
		s.lane[v.Lane].dropMemory(v)
		v.gone = true
		if !s.lane[v.Lane].accepted(v.Stream).Has(v.span()) {
			out = append(out, v)
		}
	}
	fits := s.memory()+len(b.Content) <= s.o.MaxMemory
	if fits {
		q := &s.lane[b.Lane]
		q.inMemory = append(q.inMemory, b)
		q.memory += len(b.Content)
	}
	s.mu.Unlock()
	for _, v := range out {
		s.giveUp(v, ReasonMemory)
	}
	return fits
}

// fitsMemory says whether a batch has room in memory without anything being shed there.
func (s *Spool) fitsMemory(b *Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory()+len(b.Content) <= s.o.MaxMemory
}

// memory is the bytes of batches in memory. mu is held.
func (s *Spool) memory() (n int) {
	for l := range s.lane {
		n += s.lane[l].memory
	}
	return n
}

// memoryVictim gives what to shed for lane: accepted batches first, then the oldest of the lowest lane,
// never of a lane above. mu is held.
func (s *Spool) memoryVictim(lane event.Lane) *Batch {
	for l := len(s.lane) - 1; l >= 0; l-- {
		for _, b := range s.lane[l].inMemory {
			if s.lane[l].accepted(b.Stream).Has(b.span()) {
				return b
			}
		}
	}
	for l := len(s.lane) - 1; l >= int(lane); l-- {
		for _, b := range s.lane[l].inMemory {
			if !s.lane[l].sending[key{b.Stream, b.First}] {
				return b
			}
		}
	}
	return nil
}

// migrate writes the batches in memory to a disk that takes them again, in order. flush is held.
func (s *Spool) migrate(lane event.Lane) error {
	for {
		s.mu.Lock()
		q := &s.lane[lane]
		var b *Batch
		if len(q.inMemory) > 0 {
			b = q.inMemory[0]
		}
		done := b != nil && q.sealed[b.Stream] >= b.last()
		s.mu.Unlock()
		if b == nil {
			return nil
		}
		if !done {
			content := *b // a sender may be reading b
			if err := s.appendDisk(&content); err != nil {
				return fmt.Errorf("bring batches from memory to disk: %w", err)
			}
			s.settled(&content)
			s.mu.Lock()
			b.seg, b.at, b.reports = content.seg, content.at, nil
			s.mu.Unlock()
		}
		s.mu.Lock()
		q.dropMemory(b)
		if !q.sending[key{b.Stream, b.First}] {
			b.Content = nil // read again when it is sent
		}
		s.mu.Unlock()
	}
}
