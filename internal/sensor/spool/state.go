package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/seq"
)

// streamState is what is remembered of a stream beside its files: streams.json. It is a help, never the
// truth: without it a deleted tail cannot be named and a range may be reported twice.
type streamState struct {
	Stream   uint64         `json:"stream"`
	Given    [3]uint64      `json:"given"`    // numbers known to have been given out
	Sealed   [3]uint64      `json:"sealed"`   // freed because the server had sealed them
	Reported [3][][2]uint64 `json:"reported"` // dropped events for these are on disk
	Closed   bool           `json:"closed"`   // its closed events are on disk
	durable  [3]uint64      // of Given, what streams.json knew: what a tally adds to it was never written
	pending  [3]seq.Set     // lost in this run, dropped event on its way
	reported [3]seq.Set
}

// maxStreams bounds streams.json; the oldest without files are forgotten.
const maxStreams = 64

func (t *streamState) through(lane event.Lane, n uint64) { t.Given[lane] = max(t.Given[lane], n) }
func (t *streamState) seal(lane event.Lane, n uint64) {
	t.Sealed[lane] = max(t.Sealed[lane], n)
	t.through(lane, n)
}
func (t *streamState) report(lane event.Lane, n seq.Range)  { t.reported[lane].Add(n) }
func (t *streamState) lostNow(lane event.Lane, n seq.Range) { t.pending[lane].Add(n) }
func (t *streamState) gone(lane event.Lane, n seq.Range) bool {
	return t.reported[lane].Has(n) || t.pending[lane].Has(n)
}

// stateOf gives the state of a stream, made when it is new. mu is held.
func (s *Spool) stateOf(stream uint64) *streamState {
	t := s.state[stream]
	if t == nil {
		t = &streamState{Stream: stream}
		s.state[stream] = t
	}
	return t
}

// saveDirty writes streams.json when it would say something new. flush is held.
func (s *Spool) saveDirty() error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = false
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	return s.saveState()
}

func (s *Spool) saveState() error {
	if s.lock == nil {
		return nil
	}
	s.mu.Lock()
	held := map[uint64]bool{s.stream: true}
	for l := range s.lane {
		for _, seg := range s.lane[l].segments {
			held[seg.stream] = true
		}
	}
	var list []*streamState
	for id, t := range s.state {
		if !held[id] && t.Closed {
			delete(s.state, id)
			continue
		}
		for l := range t.reported {
			t.Reported[l] = nil
			for _, r := range t.reported[l] {
				t.Reported[l] = append(t.Reported[l], [2]uint64{r.First, r.Last})
			}
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *streamState) int { return strings.Compare(fmt.Sprint(a.Stream), fmt.Sprint(b.Stream)) })
	if len(list) > maxStreams {
		list = list[:maxStreams]
	}
	b, err := json.Marshal(list)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encode streams: %w", err)
	}
	path := filepath.Join(s.dir, "streams.json")
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write streams: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write streams: %w", err)
	}
	return nil
}

// readState reads streams.json; one that cannot be read is worth nothing and no error.
func (s *Spool) readState() {
	b, err := os.ReadFile(filepath.Join(s.dir, "streams.json"))
	if err != nil || len(b) > 4<<20 {
		return
	}
	var list []*streamState
	if json.Unmarshal(b, &list) != nil {
		return
	}
	s.remembers = true
	for _, t := range list {
		if t == nil || t.Stream == s.stream {
			continue
		}
		for l := range t.Reported {
			for _, r := range t.Reported[l] {
				if r[0] > 0 && r[0] <= r[1] {
					t.reported[l].Add(seq.Range{First: r[0], Last: r[1]})
				}
			}
		}
		t.durable = t.Given
		s.state[t.Stream] = t
	}
}

// readFolder lists what earlier starts left: segments, freed ones, ranges being shed; and finds the holes.
func (s *Spool) readFolder() error {
	s.readState()
	s.readTallies()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	var shed []Range
	type aged struct {
		seg *segment
		mod int64
	}
	var all []aged
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		lane, stream, n, ok := parseName(strings.TrimSuffix(e.Name(), ext))
		if !ok || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		switch ext {
		case extShed:
			shed = append(shed, Range{Stream: stream, Lane: lane, First: n.First, Last: n.Last, Reason: ReasonBudget, marker: path})
		case extFreed:
			all = append(all, aged{&segment{path: path, lane: lane, stream: stream, first: n.First, last: n.Last, freed: true}, info.ModTime().UnixNano()})
		case extSegment:
			all = append(all, aged{&segment{path: path, lane: lane, stream: stream, first: n.First, last: n.First - 1, size: info.Size(), backlog: true}, info.ModTime().UnixNano()})
		}
	}
	// Within a stream by number, streams by the age of their first file.
	birth := map[uint64]int64{}
	for _, a := range all {
		if b, ok := birth[a.seg.stream]; !ok || a.mod < b {
			birth[a.seg.stream] = a.mod
		}
	}
	slices.SortStableFunc(all, func(a, b aged) int {
		if a.seg.stream != b.seg.stream {
			if birth[a.seg.stream] != birth[b.seg.stream] {
				return int(min(max(birth[a.seg.stream]-birth[b.seg.stream], -1), 1))
			}
			return strings.Compare(fmt.Sprint(a.seg.stream), fmt.Sprint(b.seg.stream))
		}
		return int(min(max(int64(a.seg.first)-int64(b.seg.first), -1), 1))
	})
	seen := map[key]*account{}
	for _, a := range all {
		if slices.ContainsFunc(shed, func(r Range) bool {
			return r.Stream == a.seg.stream && r.Lane == a.seg.lane && !a.seg.freed && a.seg.size > 0 && s.within(a.seg, r)
		}) {
			_ = os.Remove(a.seg.path) // a crash cut the shedding short: finish it
			continue
		}
		k := key{a.seg.stream, uint64(a.seg.lane)}
		if seen[k] == nil {
			seen[k] = &account{}
		}
		if err := s.readSegment(a.seg, seen[k]); err != nil {
			return err
		}
	}
	for _, r := range shed {
		// Also when streams.json has it as reported: the report may have been given up since.
		a := seen[key{r.Stream, uint64(r.Lane)}]
		if a != nil {
			a.have.Add(seq.Range{First: r.First, Last: r.Last})
		}
		s.stats.Dropped += r.Last - r.First + 1
		s.loseLocked(r)
		s.stateOf(r.Stream).through(r.Lane, r.Last)
		s.stateOf(r.Stream).report(r.Lane, seq.Range{First: r.First, Last: r.Last}) // no hole to be reported once more
	}
	for k, a := range seen {
		s.holes(k.stream, event.Lane(k.first), a)
	}
	for stream, t := range s.state {
		for l := range t.Given {
			if stream != s.stream && seen[key{stream, uint64(l)}] == nil {
				s.holes(stream, event.Lane(l), &account{})
			}
		}
	}
	return nil
}

// within says whether a file holds a record of a range being shed. A range whose report was lost with another file
// has none: the file around it stays.
func (s *Spool) within(seg *segment, r Range) bool {
	f, err := os.Open(seg.path)
	if err != nil {
		return false
	}
	defer f.Close()
	records, _, err := walk(f, seg.size)
	return err == nil && slices.ContainsFunc(records, func(h found) bool { return r.First <= h.first && h.first <= r.Last })
}

// account is which numbers of a stream and lane are here, and where damage was seen.
type account struct {
	have    seq.Set
	damaged bool
}

// readSegment lists a file, moves what is no record to quarantine and takes the file into its queue.
func (s *Spool) readSegment(seg *segment, a *account) error {
	q := &s.lane[seg.lane]
	q.accepted(seg.stream)
	if seg.freed {
		a.have.Add(seg.span())
		q.accepted(seg.stream).Add(seg.span())
		q.segments = append(q.segments, seg)
		return nil
	}
	f, err := os.Open(seg.path)
	if err != nil {
		return fmt.Errorf("open spool file: %w", err)
	}
	defer f.Close()
	records, holes, err := walk(f, seg.size)
	if err != nil {
		return fmt.Errorf("read spool file %s: %w", filepath.Base(seg.path), err)
	}
	for _, h := range holes {
		a.damaged = true
		s.damaged(seg, h[0], h[1]-h[0])
	}
	for _, r := range records {
		if r.stream == seg.stream && r.lane == seg.lane {
			a.have.Add(seq.Range{First: r.first, Last: r.last()})
			seg.last = max(seg.last, r.last())
		}
	}
	if seg.last < seg.first {
		_ = os.Remove(seg.path) // nothing left to send; its bytes are in quarantine
		if len(holes) > 0 {
			a.have.Add(seq.Range{First: seg.first, Last: seg.first}) // the name says that this number was given out
			s.loseLocked(Range{Stream: seg.stream, Lane: seg.lane, First: seg.first, Last: seg.first, Reason: ReasonDamaged})
			s.stats.Dropped++
		}
		return nil
	}
	q.segments = append(q.segments, seg)
	q.bytes += seg.size
	return nil
}

// holes reports the numbers of an older stream that are neither here, nor sealed, nor reported.
func (s *Spool) holes(stream uint64, lane event.Lane, a *account) {
	t := s.stateOf(stream)
	last := t.Given[lane]
	from := t.Sealed[lane] + 1
	durable := max(t.Sealed[lane], t.durable[lane])
	if len(a.have) > 0 {
		durable = max(durable, a.have[len(a.have)-1].Last)
		last = max(last, durable)
		if t.Sealed[lane] == 0 && !s.remembers {
			from = a.have[0].First // what came before may have been freed in its time
		}
	}
	t.through(lane, last)
	if from > last {
		return
	}
	reason := ReasonGap
	if a.damaged {
		reason = ReasonDamaged
	}
	lose := func(n seq.Range, reason string) {
		for _, m := range a.have.Missing(n) {
			for _, r := range t.reported[lane].Missing(m) {
				s.stats.Dropped += r.Last - r.First + 1
				s.loseLocked(Range{Stream: stream, Lane: lane, First: r.First, Last: r.Last, Reason: reason})
			}
		}
	}
	if from <= min(last, durable) {
		lose(seq.Range{First: from, Last: min(last, durable)}, reason)
	}
	if from = max(from, durable+1); from <= last {
		lose(seq.Range{First: from, Last: last}, ReasonKilled)
	}
}

// closeOldStreams puts closed events for the streams of earlier starts.
func (s *Spool) closeOldStreams() {
	for _, t := range s.state {
		if t.Stream == s.stream || t.Closed {
			continue
		}
		for l, last := range t.Given {
			if last > 0 {
				e := &event.Event{Kind: event.Closed, OS: sense.OS, Stream: t.Stream, Lane: uint64(l), Last: last}
				s.o.Stamp(e)
				s.Put(e)
			}
		}
		s.dirty = true
		t.Closed = true // saved only with the state that is written after the events are
	}
}
