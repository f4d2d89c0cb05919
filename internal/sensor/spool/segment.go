package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
)

// segment is one file of records of one stream and lane, with growing numbers.
type segment struct {
	path    string
	lane    event.Lane
	stream  uint64
	first   uint64
	last    uint64   // first-1 when nothing is in it
	size    int64    // bytes on disk
	file    *os.File // while it is written
	backlog bool     // holds batches that no list of the queue names
	freed   bool     // emptied early, the server had accepted all of it
	sending int      // batches under way
}

func (s *segment) span() seq.Range { return seq.Range{First: s.first, Last: s.last} }

const (
	extSegment = ".spool"
	extFreed   = ".freed"
	extShed    = ".shed"
)

func fileName(lane event.Lane, stream, first uint64) string {
	return fmt.Sprintf("%d-%016x-%020d", lane, stream, first)
}

func rangeName(lane event.Lane, stream, first, last uint64) string {
	return fileName(lane, stream, first) + fmt.Sprintf("-%020d", last)
}

// parseName reads LANE-STREAM-FIRST[-LAST] from a file's name without its extension.
func parseName(s string) (lane event.Lane, stream uint64, n seq.Range, ok bool) {
	part := strings.Split(s, "-")
	if len(part) != 3 && len(part) != 4 {
		return 0, 0, n, false
	}
	l, err1 := strconv.ParseUint(part[0], 10, 8)
	stream, err2 := strconv.ParseUint(part[1], 16, 64)
	first, err3 := strconv.ParseUint(part[2], 10, 64)
	last, err4 := first, error(nil)
	if len(part) == 4 {
		last, err4 = strconv.ParseUint(part[3], 10, 64)
	}
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || l > uint64(event.Bulk) || first == 0 || last < first {
		return 0, 0, n, false
	}
	return event.Lane(l), stream, seq.Range{First: first, Last: last}, true
}

// appendDisk writes one batch and, in the critical lane, syncs it. flush is held.
func (s *Spool) appendDisk(b *Batch) error {
	if s.problem != "" && s.lock == nil {
		return fmt.Errorf("spool has no folder: %s", s.problem)
	}
	need := int64(headerSize + len(b.Content))
	if err := s.room(b.Lane, need); err != nil {
		return err
	}
	seg := s.active[b.Lane]
	if seg != nil && seg.size+need > s.o.SegmentMax {
		if err := s.rotate(b.Lane); err != nil {
			return err
		}
		seg = nil
	}
	if seg == nil {
		var err error
		if seg, err = s.create(b); err != nil {
			return err
		}
	}
	h := b.header()
	buf := append(h.append(make([]byte, 0, need)), b.Content...)
	_, err := seg.file.WriteAt(buf, seg.size)
	if err == nil && b.Lane == event.Critical {
		err = s.o.Sync(seg.file)
	}
	if err != nil {
		// What a failed sync left in the page cache is worth nothing: never go on with this file. What it
		// holds before this record was synced, or is as safe as its lane promises.
		_ = seg.file.Truncate(seg.size) // best effort; a torn record is found by its checksum
		s.abandon(b.Lane)
		return fmt.Errorf("write %s: %w", filepath.Base(seg.path), err)
	}
	b.at, b.seg = seg.size, seg
	s.spare = max(0, s.spare-need)
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.size += need
	seg.last = b.last()
	s.lane[b.Lane].bytes += need
	s.problem = ""
	return nil
}

// create starts a file for b. flush is held.
func (s *Spool) create(b *Batch) (*segment, error) {
	seg := &segment{path: filepath.Join(s.dir, fileName(b.Lane, b.Stream, b.First)+extSegment), lane: b.Lane, stream: b.Stream, first: b.First, last: b.First - 1}
	// Not O_EXCL: after a failed write of the same batch the file may be left, and is written over.
	f, err := os.OpenFile(seg.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make spool file: %w", err)
	}
	seg.file = f
	if err := durable.SyncFolder(s.dir); err != nil {
		return nil, fmt.Errorf("make spool file: %w", err)
	}
	s.active[b.Lane] = seg
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lane[b.Lane].segments = append(s.lane[b.Lane].segments, seg)
	return seg, nil
}

// rotate closes the active file of a lane; the next batch starts another one. flush is held.
func (s *Spool) rotate(lane event.Lane) error {
	seg := s.active[lane]
	if seg == nil {
		return nil
	}
	err := s.o.Sync(seg.file)
	s.abandon(lane)
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Base(seg.path), err)
	}
	return nil
}

// abandon closes the active file without a sync. flush is held.
func (s *Spool) abandon(lane event.Lane) {
	seg := s.active[lane]
	s.active[lane] = nil
	_ = seg.file.Close() // written and synced before, or given up
	s.mu.Lock()
	seg.file = nil
	empty := seg.last < seg.first
	if empty {
		s.lane[lane].remove(seg)
	}
	s.mu.Unlock()
	if empty {
		_ = os.Remove(seg.path) // left over: removed at the next start
	}
}
