package spool

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
)

// room makes place for need bytes of a lane, or says errFull or errCrowded. flush is held.
func (s *Spool) room(lane event.Lane, need int64) error {
	for {
		limit, crowded := s.o.MaxBytes, false
		s.mu.Lock()
		var used int64
		for l := range s.lane {
			used += s.lane[l].bytes
		}
		s.mu.Unlock()
		if s.o.MinFree > 0 && s.freeSpace() < s.o.MinFree+need {
			limit, crowded = min(limit, used+s.spare), used+need <= limit // others fill the disk: do not grow
		}
		if used+need <= limit {
			return nil
		}
		n, err := s.freeOne()
		if err != nil {
			return err
		}
		s.spare += n
		switch {
		case n > 0:
			continue
		case crowded:
			return fmt.Errorf("%w of %s: free some", errCrowded, s.dir)
		}
		if n, err = s.giveUpOne(lane); err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("spool holds %d bytes: %w", used, errFull)
		}
	}
}

func (s *Spool) freeSpace() int64 {
	if n, ok := freeBytes(s.dir); ok {
		return n
	}
	return 1 << 62 // unknown: the write will say
}

// freeOne empties one file that the server has accepted whole, of the lowest lane that has one, and gives its bytes;
// 0 when there is none. Nothing is lost by it. flush is held.
func (s *Spool) freeOne() (int64, error) {
	for l := event.Bulk + 1; l > 0; l-- {
		if seg := s.oldest(l-1, true); seg != nil {
			n := seg.size
			return n, s.freeEarly(seg)
		}
	}
	return 0, nil
}

// giveUpOne deletes the oldest file of the lowest lane, never of one above the lane that needs the place, and gives
// its bytes; 0 when there is none. What of it the server does not have is lost and reported. flush is held.
func (s *Spool) giveUpOne(lane event.Lane) (int64, error) {
	for l := event.Bulk + 1; l > lane; l-- {
		seg := s.oldest(l-1, false)
		if seg == nil && s.active[l-1] != nil && s.active[l-1].size > 0 {
			if err := s.rotate(l - 1); err != nil {
				return 0, err
			}
			seg = s.oldest(l-1, false)
		}
		if seg != nil {
			n := seg.size
			return n, s.giveUpSegment(seg)
		}
	}
	return 0, nil
}

// oldest gives the oldest closed file of a lane: accepted whole, or any, those being sent last.
func (s *Spool) oldest(lane event.Lane, accepted bool) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.lane[lane]
	var busy *segment
	for _, seg := range q.segments {
		switch {
		case seg.file != nil || seg.freed:
		case accepted && !q.accepted(seg.stream).Has(seg.span()):
		case seg.sending > 0:
			if busy == nil && !accepted {
				busy = seg
			}
		default:
			return seg
		}
	}
	return busy
}

// freeEarly empties a file whose batches the server has accepted but not sealed. Its name stays, so that a
// restart does not take the hole for a loss.
func (s *Spool) freeEarly(seg *segment) error {
	path := filepath.Join(s.dir, rangeName(seg.lane, seg.stream, seg.first, seg.last)+extFreed)
	if err := os.Rename(seg.path, path); err != nil {
		return fmt.Errorf("free accepted batches: %w", err)
	}
	err := os.Truncate(path, 0)
	s.mu.Lock()
	s.lane[seg.lane].bytes -= seg.size
	seg.path, seg.size, seg.freed, seg.backlog = path, 0, true, false
	s.stats.Freed++
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("free accepted batches: %w", err)
	}
	return nil
}

// giveUpSegment deletes a file and reports what of it the server does not have. A marker file keeps each
// range over a crash until the dropped event is on disk.
func (s *Spool) giveUpSegment(seg *segment) error {
	var reclaimed []Range
	if seg.lane == event.Critical {
		reclaimed = s.reportsIn(seg) // streams.json may say that they are reported: their markers outrank it
	}
	s.mu.Lock()
	missing := s.lane[seg.lane].accepted(seg.stream).Missing(seg.span())
	s.mu.Unlock()
	var lost []Range
	for _, m := range missing {
		lost = append(lost, Range{Stream: seg.stream, Lane: seg.lane, First: m.First, Last: m.Last, Reason: ReasonBudget})
	}
	s.mark(lost)
	s.mark(reclaimed)
	if err := os.Remove(seg.path); err != nil {
		for _, r := range append(lost, reclaimed...) {
			_ = os.Remove(r.marker)
		}
		return fmt.Errorf("shed: %w", err)
	}
	s.mu.Lock()
	s.lane[seg.lane].remove(seg)
	for _, r := range reclaimed {
		s.loseLocked(r)
	}
	s.mu.Unlock()
	for _, r := range lost {
		s.lose(r)
	}
	s.log.Warn("spool over its budget, oldest batches of the lane dropped", slog.String("lane", seg.lane.String()),
		slog.Uint64("first", seg.first), slog.Uint64("last", seg.last))
	return nil
}

// mark makes the marker files of ranges.
func (s *Spool) mark(ranges []Range) {
	for i := range ranges {
		r := &ranges[i]
		marker := filepath.Join(s.dir, rangeName(r.Lane, r.Stream, r.First, r.Last)+extShed)
		if f, err := os.OpenFile(marker, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			r.marker = marker
			_ = f.Close() // empty
		}
	}
}

// reportsIn reads the dropped events of a file of the critical lane, so that losing it loses no account.
func (s *Spool) reportsIn(seg *segment) (out []Range) {
	f, err := os.Open(seg.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	records, _, err := walk(f, seg.size)
	if err != nil {
		return nil
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(event.MaxBatchExpanded))
	if err != nil {
		return nil
	}
	defer d.Close()
	s.mu.Lock()
	have := s.lane[seg.lane].accepted(seg.stream)
	s.mu.Unlock()
	for _, r := range records {
		if have.Has(seq.Range{First: r.first, Last: r.last()}) {
			continue
		}
		content := make([]byte, r.size)
		if _, err := f.ReadAt(content, r.at+headerSize); err != nil || checksum(content) != r.sum {
			continue
		}
		plain, err := d.DecodeAll(content, nil)
		if err != nil {
			continue
		}
		events, err := event.DecodeBatch(plain)
		if err != nil {
			continue
		}
		for _, e := range events {
			if e.Kind == event.Dropped && e.Lane <= uint64(event.Bulk) {
				out = append(out, Range{Stream: e.Stream, Lane: event.Lane(e.Lane), First: e.First, Last: e.Last, Reason: e.Reason})
			}
		}
	}
	return out
}

// free deletes what the server has sealed.
func (s *Spool) free() {
	s.mu.Lock()
	var gone []*segment
	var settled []*Batch
	for l := range s.lane {
		q := &s.lane[l]
		q.accepted(s.stream)
		for _, seg := range q.segments {
			if seg.file == nil && seg.last <= q.sealed[seg.stream] && seg.sending == 0 {
				gone = append(gone, seg)
			}
		}
		for _, b := range q.inMemory {
			if b.last() <= q.sealed[b.Stream] {
				settled = append(settled, b)
			}
		}
	}
	for _, seg := range gone {
		s.lane[seg.lane].remove(seg)
		s.stateOf(seg.stream).seal(seg.lane, seg.last)
		s.dirty = true
	}
	for _, b := range settled {
		s.lane[b.Lane].dropMemory(b)
	}
	s.mu.Unlock()
	if len(gone) > 0 {
		// First what was sealed, then the files: a kill between must not make them look lost.
		s.flush.Lock()
		if err := s.saveState(); err != nil {
			s.log.Warn("sealed numbers cannot be kept, they may be reported as lost after a kill", slog.Any("err", err))
		}
		s.flush.Unlock()
	}
	for _, seg := range gone {
		if err := os.Remove(seg.path); err != nil {
			s.log.Warn("sealed spool file cannot be removed", slog.String("file", filepath.Base(seg.path)), slog.Any("err", err))
		}
	}
	for _, b := range settled {
		for _, r := range b.reports {
			_ = os.Remove(r.marker)
		}
	}
}

// maxQuarantine bounds the folder of damaged records. Full: the bytes stay where they are until the file
// is freed.
const maxQuarantine = 16 << 20

// damaged copies bytes of a file to quarantine and counts them.
func (s *Spool) damaged(seg *segment, at, size int64) {
	s.mu.Lock()
	s.stats.Damaged++
	s.mu.Unlock()
	dir := filepath.Join(s.dir, "quarantine")
	name := fmt.Sprintf("%s.%d.bad", filepath.Base(seg.path), at)
	s.log.Warn("spool record damaged, moved to quarantine", slog.String("file", name))
	if err := copyPart(seg.path, filepath.Join(dir, name), dir, at, size); err != nil {
		s.log.Warn("damaged record cannot be kept", slog.String("file", name), slog.Any("err", err))
	}
}

func copyPart(from, to, dir string, at, size int64) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make quarantine: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	used := size
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			used += info.Size()
		}
	}
	if used > maxQuarantine {
		return fmt.Errorf("quarantine is full (%d bytes): empty %s", maxQuarantine, dir)
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open damaged file: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep damaged record: %w", err)
	}
	_, err = io.Copy(out, io.NewSectionReader(in, at, size))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("keep damaged record: %w", err)
	}
	return nil
}
