package eventstore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/pause"
)

// Scrub is how far the look at every segment's bytes has come.
type Scrub struct {
	Segments int   // of the manifest
	Checked  int   // of them, compared with their sum within scrubEvery
	Oldest   int64 // when the one that was looked at longest ago was, µs UTC; 0: one was never
}

const (
	scrubEvery = 7 * 24 * time.Hour // a segment's bytes are compared with its sum this often
	scrubRate  = 16 << 20           // bytes a second of that, so that it takes little of a disk and of a core
)

// Scrub gives the progress of the look at every segment.
func (s *Store) Scrub(ctx context.Context) (p Scrub, err error) {
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return p, fmt.Errorf("list segments: %w", err)
	}
	p.Segments = len(files)
	before := s.opts.Now().Add(-scrubEvery).UnixMicro()
	for i, f := range files {
		if f.Checked > before {
			p.Checked++
		}
		if i == 0 || f.Checked < p.Oldest {
			p.Oldest = f.Checked
		}
	}
	return p, nil
}

// scrubAll compares segments with their sums, the one longest not looked at first, slowly and for ever.
func (s *Store) scrubAll(ctx context.Context) error {
	for pause.For(ctx, s.opts.TidyEvery) {
		if _, err := s.scrubDue(ctx, scrubEvery, scrubRate); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "segments not compared with their sums, trying again", slog.Any("err", err))
		}
	}
	return nil
}

// Deep compares every segment with its sum now, as fast as the disk gives it, and says how many it looked at.
func (s *Store) Deep(ctx context.Context) (segments int, err error) { return s.scrubDue(ctx, 0, 0) }

func (s *Store) scrubDue(ctx context.Context, every time.Duration, rate int64) (n int, err error) {
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return 0, fmt.Errorf("list segments: %w", err)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Checked, b.Checked) })
	before := func() int64 { return s.opts.Now().Add(-every).UnixMicro() }
	for i := range files {
		f := &files[i]
		if every > 0 && f.Checked > before() && f.Checked <= s.opts.Now().Add(time.Hour).UnixMicro() {
			break
		}
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		if err := s.scrubOne(ctx, f, rate); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// scrubOne looks at one segment. One that a merge or the retention takes away meanwhile is kept until it was read.
func (s *Store) scrubOne(ctx context.Context, f *File, rate int64) error {
	defer s.waste.hold()()
	reason, why := s.verify(ctx, f, rate)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if reason == Missing && !s.named(ctx, f.Path) {
		return nil // merged or expired since the list was read
	}
	s.mu.Lock()
	was, bad := s.bad[f.Path]
	s.mu.Unlock()
	f.Checked = s.opts.Now().UnixMicro()
	if reason != "" {
		if !bad || was.Reason != reason {
			s.mark(ctx, []Damaged{{File: *f, Reason: reason}}, why)
		}
		return nil
	}
	f.Bad = ""
	if err := s.opts.Manifest.Checked(ctx, *f); err != nil {
		return fmt.Errorf("keep the check of %s: %w", f.Path, err)
	}
	if bad && (was.Reason != Unreadable || rate == 0 && s.opens(ctx, *f)) {
		s.opts.Log.InfoContext(ctx, "a segment is whole again and is read again", slog.String("path", f.Path))
		s.unmark(f.Path)
	}
	return nil
}

func (s *Store) named(ctx context.Context, path string) bool {
	files, err := s.opts.Manifest.Segments(ctx)
	return err != nil || slices.ContainsFunc(files, func(f File) bool { return f.Path == path })
}

// opens says whether a worker, which may be another user than the server, can read a segment.
func (s *Store) opens(ctx context.Context, f File) bool {
	s.program.give(s.dir, f.Path) // whoever restored it may be root
	_, err := s.merges.do(ctx, Request{Op: "inspect", Path: f.Path}, nil, func([]byte) error { return nil })
	return err == nil
}

// heal looks whether somebody put a segment back, or took from workers what they need to read it.
func (s *Store) heal(ctx context.Context) {
	for _, d := range s.Damaged() {
		if d.Hot {
			continue
		}
		st, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(d.Path)))
		if err != nil || st.Size() != d.Bytes || !st.Mode().IsRegular() {
			continue
		}
		withheld := d.Reason == Unreadable && s.program.foreign(st)
		if st.ModTime().Equal(d.stamp) && !withheld {
			continue
		}
		if err := s.scrubOne(ctx, &d.File, 0); err != nil {
			return
		}
	}
}
