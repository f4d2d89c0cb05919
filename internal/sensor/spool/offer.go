package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Watermark is how far the server is with one stream and lane.
type Watermark struct {
	Stream   uint64
	Lane     event.Lane
	Accepted uint64 // in the server's log: not sent again
	Sealed   uint64 // in a segment: freed here
}

type key struct{ stream, first uint64 }

// maxFresh bounds the batches of a lane that are remembered one by one for sending first. Full: the
// oldest is left to its file, which is read again when the line is free.
const maxFresh = 64

// queue is what a lane holds. Everything is guarded by Spool.mu.
type queue struct {
	segments []*segment // oldest first
	fresh    []*Batch   // written since the last reset, sent before the backlog
	old      []*Batch   // read from a file of the backlog
	inMemory []*Batch   // no disk took them; always newer than the segments
	sending  map[key]bool
	acked    map[uint64]*seq.Set // by stream: accepted by the server
	sealed   map[uint64]uint64   // by stream
	bytes    int64
	memory   int
}

func (q *queue) accepted(stream uint64) *seq.Set {
	if q.acked == nil {
		q.acked, q.sealed, q.sending = map[uint64]*seq.Set{}, map[uint64]uint64{}, map[key]bool{}
	}
	a := q.acked[stream]
	if a == nil {
		a = new(seq.Set)
		q.acked[stream] = a
	}
	return a
}

func (q *queue) remove(seg *segment) {
	q.segments = slices.DeleteFunc(q.segments, func(o *segment) bool { return o == seg })
	q.bytes -= seg.size
}

func (q *queue) dropMemory(b *Batch) {
	if i := slices.Index(q.inMemory, b); i >= 0 {
		q.inMemory = slices.Delete(q.inMemory, i, i+1)
		q.memory -= len(b.Content)
	}
}

func (q *queue) events() (n uint64) {
	for _, seg := range q.segments {
		if seg.last >= seg.first && !seg.freed {
			for _, m := range q.accepted(seg.stream).Missing(seg.span()) {
				n += m.Last - m.First + 1
			}
		}
	}
	for _, b := range q.inMemory {
		if !q.accepted(b.Stream).Has(b.span()) {
			n += uint64(b.Count)
		}
	}
	return n
}

// offer makes a new batch known to senders.
func (s *Spool) offer(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.lane[b.Lane]
	q.accepted(b.Stream)
	q.fresh = append(q.fresh, b)
	if len(q.fresh) > maxFresh {
		if v := q.fresh[0]; v.seg != nil {
			v.seg.backlog = true
		} else {
			q.old = append(q.old, v)
		}
		q.fresh = slices.Delete(q.fresh, 0, 1)
	}
	s.announce(b.Lane)
}

// announce wakes the senders of a lane. mu is held.
func (s *Spool) announce(lane event.Lane) {
	close(s.more[lane])
	s.more[lane] = make(chan struct{})
}

// Next gives a batch of the lane to send and waits for one; new batches come before old ones. The caller
// says Accept or Again for each.
func (s *Spool) Next(ctx context.Context, lane event.Lane) (*Batch, error) {
	for {
		b, more, err := s.Try(ctx, lane)
		if b != nil || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-more:
		}
	}
}

// Try is Next without waiting: b is nil when there is nothing to send, and more is closed when that changes.
func (s *Spool) Try(ctx context.Context, lane event.Lane) (b *Batch, more <-chan struct{}, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, context.Cause(ctx)
		}
		s.mu.Lock()
		q := &s.lane[lane]
		b := q.pick()
		var seg *segment
		if b == nil {
			seg = q.backlog()
		}
		more := s.more[lane]
		s.mu.Unlock()
		switch {
		case b != nil:
			if ok, err := s.load(b); ok || err != nil {
				return b, nil, err
			}
		case seg != nil:
			s.list(seg)
		default:
			return nil, more, nil
		}
	}
}

// pick takes the next batch off the lists and marks it as being sent. mu is held.
func (q *queue) pick() *Batch {
	for _, list := range []*[]*Batch{&q.fresh, &q.old} {
		for len(*list) > 0 {
			b := (*list)[0]
			*list = slices.Delete(*list, 0, 1)
			k := key{b.Stream, b.First}
			if b.gone || q.accepted(b.Stream).Has(b.span()) || q.sending[k] || b.seg != nil && !slices.Contains(q.segments, b.seg) {
				continue
			}
			q.sending[k] = true
			if b.seg != nil {
				b.seg.sending++
			}
			return b
		}
	}
	return nil
}

// backlog takes the oldest file that is still to be listed. mu is held.
func (q *queue) backlog() *segment {
	for _, seg := range q.segments {
		if seg.backlog {
			seg.backlog = false
			return seg
		}
	}
	return nil
}

// list reads the headers of a file and queues what the server has not accepted.
func (s *Spool) list(seg *segment) {
	f, err := os.Open(seg.path)
	if err != nil {
		return // freed meanwhile
	}
	defer f.Close()
	s.mu.Lock()
	size := seg.size
	s.mu.Unlock()
	records, _, err := walk(f, size)
	if err != nil {
		s.log.Warn("spool file cannot be read", slog.String("file", filepath.Base(seg.path)), slog.Any("err", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.lane[seg.lane]
	listed := map[uint64]bool{}
	for _, b := range q.fresh {
		if b.Stream == seg.stream {
			listed[b.First] = true
		}
	}
	for _, r := range records {
		n := seq.Range{First: r.first, Last: r.last()}
		if listed[r.first] || q.sending[key{seg.stream, r.first}] || q.accepted(seg.stream).Has(n) || s.stateOf(seg.stream).gone(seg.lane, n) {
			continue
		}
		q.old = append(q.old, &Batch{Stream: r.stream, Lane: r.lane, First: r.first, Count: int(r.count), Boot: r.boot, seg: seg, at: r.at, size: r.size, sum: r.sum})
	}
}

// load reads the content of a batch. A damaged one goes to quarantine and is reported; ok is then false.
func (s *Spool) load(b *Batch) (ok bool, err error) {
	s.mu.Lock()
	seg := b.seg
	inMemory := seg == nil || b.Content != nil
	s.mu.Unlock()
	if inMemory {
		return true, nil
	}
	f, err := os.Open(seg.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.finish(b)
		return false, nil
	}
	if err != nil {
		s.Again(b)
		return false, fmt.Errorf("open spool file: %w", err)
	}
	defer f.Close()
	content := make([]byte, b.size) // bounded by the header's check
	_, err = f.ReadAt(content, b.at+headerSize)
	if err == nil && checksum(content) == b.sum {
		b.Content = content
		return true, nil
	}
	s.damaged(seg, b.at, int64(headerSize)+int64(b.size))
	s.finish(b)
	s.mu.Lock()
	known := s.stateOf(b.Stream).gone(b.Lane, b.span())
	s.mu.Unlock()
	if !known {
		s.lose(Range{Stream: b.Stream, Lane: b.Lane, First: b.First, Last: b.last(), Reason: ReasonDamaged})
		s.mu.Lock()
		s.stateOf(b.Stream).lostNow(b.Lane, b.span())
		s.dirty = true
		s.mu.Unlock()
	}
	return false, nil
}

// finish ends the sending of a batch.
func (s *Spool) finish(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.lane[b.Lane]
	delete(q.sending, key{b.Stream, b.First})
	if b.seg != nil && b.seg.sending > 0 {
		b.seg.sending--
	}
}

// Again gives a batch back that could not be sent.
func (s *Spool) Again(b *Batch) {
	s.finish(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.lane[b.Lane]
	if b.seg != nil {
		b.Content = nil
	}
	q.old = slices.Insert(q.old, 0, b)
	s.announce(b.Lane)
}

// Accept says that the server has the batch in its log, with its watermark.
func (s *Spool) Accept(b *Batch, w Watermark) {
	s.finish(b)
	s.mu.Lock()
	s.lane[b.Lane].accepted(b.Stream).Add(b.span())
	s.mu.Unlock()
	s.Advance(w)
}

// Advance takes watermarks that came with any answer; they only move forward.
func (s *Spool) Advance(ws ...Watermark) {
	s.mu.Lock()
	for _, w := range ws {
		if w.Lane > event.Bulk {
			continue
		}
		q := &s.lane[w.Lane]
		if w.Accepted > 0 {
			q.accepted(w.Stream).Add(seq.Range{First: 1, Last: w.Accepted})
		}
		if w.Sealed > q.sealedOf(w.Stream) {
			q.accepted(w.Stream).Add(seq.Range{First: 1, Last: w.Sealed})
			q.sealed[w.Stream] = w.Sealed
		}
	}
	s.mu.Unlock()
	s.free()
}

func (q *queue) sealedOf(stream uint64) uint64 { return q.sealed[stream] }

// Reset takes the watermarks of a new connection: what the server does not claim to have is sent again,
// whatever it said before.
func (s *Spool) Reset(ws []Watermark) {
	s.mu.Lock()
	for l := range s.lane {
		q := &s.lane[l]
		q.accepted(s.stream)
		for stream := range q.acked {
			q.acked[stream] = new(seq.Set)
			if n := q.sealed[stream]; n > 0 {
				q.acked[stream].Add(seq.Range{First: 1, Last: n})
			}
		}
		q.fresh, q.old = nil, nil
		for _, seg := range q.segments {
			seg.backlog = !seg.freed
		}
		q.old = append(q.old, q.inMemory...)
		s.announce(event.Lane(l))
	}
	s.mu.Unlock()
	s.Advance(ws...)
}

// StreamState is what the spool holds of an older stream.
type StreamState struct {
	Stream uint64
	Lane   event.Lane
	Last   uint64
}

// Streams lists the older streams that are still here.
func (s *Spool) Streams() []StreamState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []StreamState
	for l := range s.lane {
		last := map[uint64]uint64{}
		for _, seg := range s.lane[l].segments {
			if seg.stream != s.stream {
				last[seg.stream] = max(last[seg.stream], seg.last)
			}
		}
		for stream, n := range last {
			out = append(out, StreamState{stream, event.Lane(l), n})
		}
	}
	return out
}

// Refused says that the server will never take the batch: it is given up and reported, so that one batch
// does not stop the lane.
func (s *Spool) Refused(b *Batch) {
	s.finish(b)
	s.mu.Lock()
	s.stateOf(b.Stream).lostNow(b.Lane, b.span())
	s.lane[b.Lane].dropMemory(b)
	b.gone = true
	s.mu.Unlock()
	s.giveUp(b, ReasonRefused)
}
