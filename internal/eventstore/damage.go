package eventstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/pause"
)

// Reasons why a file is not read.
const (
	Missing    = "missing"    // the manifest names it and it is not there
	Altered    = "altered"    // its bytes are not those that were written
	Unreadable = "unreadable" // it can be opened or decoded no more; tried again at the next start
)

// Damaged is a file whose events are not in any answer. Nothing of it is deleted.
type Damaged struct {
	File
	Reason string
	Hot    bool // its events stand in the log, and come back when they are sealed
	Found  time.Time

	why   error     // what was found wrong with it, where that is known of this file alone
	stamp time.Time // when the file was last written, as it was found
}

// Overlaps says whether its events can be of a host and a span; zero values do not narrow.
func (d Damaged) Overlaps(h event.HostID, from, to int64) bool {
	if d.Hot {
		return true
	}
	if h != (event.HostID{}) && (h.String() < d.MinHost || h.String() > d.MaxHost) {
		return false
	}
	return (from == 0 || d.MaxTime >= from) && (to == 0 || d.MinTime < to)
}

// Damaged gives every file that is not read now, oldest first.
func (s *Store) Damaged() []Damaged {
	s.mu.Lock()
	out := slices.Collect(maps.Values(s.bad))
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b Damaged) int {
		return cmp.Or(cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Path, b.Path))
	})
	return out
}

// mark takes files out of every later answer and says so once.
func (s *Store) mark(ctx context.Context, found []Damaged, why error) {
	for i, d := range found {
		if st, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(d.Path))); err == nil {
			found[i].stamp = st.ModTime()
		}
	}
	s.mu.Lock()
	for _, d := range found {
		d.Found = s.opts.Now()
		s.bad[d.Path] = d
	}
	s.mu.Unlock()
	for _, d := range found {
		s.opts.Log.ErrorContext(ctx, "a file of the store cannot be read: answers leave it out and say so; restore it from a backup and it is read again",
			slog.String("path", d.Path), slog.String("reason", d.Reason), slog.Int64("events", d.Rows), slog.Any("err", cmp.Or(d.why, why)))
		if d.Reason == Altered && !d.Hot {
			d.Bad = d.Reason
			if err := s.opts.Manifest.Checked(ctx, d.File); err != nil {
				s.opts.Log.ErrorContext(ctx, "a bad segment could not be marked; it stays out of answers until the next start", slog.String("path", d.Path), slog.Any("err", err))
			}
		}
	}
	s.changed()
}

// unmark lets a file be read again.
func (s *Store) unmark(paths ...string) {
	s.mu.Lock()
	n := len(s.bad)
	for _, p := range paths {
		delete(s.bad, p)
	}
	now := len(s.bad)
	s.mu.Unlock()
	if now != n {
		s.changed()
	}
}

// changed tells what of the store is not whole, each time that this may have changed.
func (s *Store) changed() {
	var bad, hot []Damaged
	for _, d := range s.Damaged() {
		if d.Hot {
			hot = append(hot, d)
		} else {
			bad = append(bad, d)
		}
	}
	s.report(fault.Segments, len(bad) > 0, func() error {
		n := map[string]int{}
		var rows, from, to int64
		for i, d := range bad {
			n[d.Reason]++
			rows += d.Rows
			if i == 0 {
				from, to = d.MinTime, d.MaxTime
			}
			from, to = min(from, d.MinTime), max(to, d.MaxTime)
		}
		return fault.Told(
			fmt.Sprintf("%d missing, %d altered, %d unreadable; %d events of %s to %s; the first: %s", n[Missing], n[Altered], n[Unreadable], rows, event.Clock(from), event.Clock(to), bad[0].Path),
			fmt.Sprintf("ファイルなし %d、改変 %d、読み取り不可 %d。イベント %d 件、%s から %s まで。最初のファイル: %s", n[Missing], n[Altered], n[Unreadable], rows, event.Clock(from), event.Clock(to), bad[0].Path))
	})
	s.report(fault.HotFile, len(hot) > 0, func() error {
		return fault.Told(fmt.Sprintf("%d files, the first: %s", len(hot), hot[0].Path), fmt.Sprintf("ファイル %d 個、最初は %s", len(hot), hot[0].Path))
	})
	files, size, why := 0, int64(0), Orphan{}
	for _, o := range s.Orphans() {
		if o.Verdict == Kept {
			if files, size = files+1, size+o.Bytes; files == 1 {
				why = o
			}
		}
	}
	s.report(fault.Orphans, files > 0, func() error {
		return fault.Told(fmt.Sprintf("%d files, %d bytes; the first is %s: %s", files, size, why.Path, why.Why), fmt.Sprintf("ファイル %d 個、%d バイト、最初は %s", files, size, why.Path))
	})
	w := s.Waiting()
	s.report(fault.RetentionWaits, w.Segments > 0, func() error {
		return fault.Told(fmt.Sprintf("%d segments with %d events, received from %s to %s", w.Segments, w.Events, event.Clock(w.Oldest), event.Clock(w.Newest)),
			fmt.Sprintf("セグメント %d 個、イベント %d 件、%s から %s までに受信", w.Segments, w.Events, event.Clock(w.Oldest), event.Clock(w.Newest)))
	})
}

func (s *Store) report(cause fault.Cause, stands bool, detail func() error) {
	if stands {
		s.opts.Faults.Raise(cause, "", detail())
	} else {
		s.opts.Faults.Clear(cause, "")
	}
}

// sumOf hashes a file, at most rate bytes a second (0: as fast as it can).
func (s *Store) sumOf(ctx context.Context, path string, rate int64) (sum string, size int64, err error) {
	f, err := os.Open(filepath.Join(s.dir, filepath.FromSlash(path)))
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	for began := time.Now(); ; {
		n, err := io.CopyN(h, f, 1<<20)
		size += n
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), size, nil
		}
		if err != nil {
			return "", size, fmt.Errorf("read %s: %w", path, err)
		}
		if ctx.Err() != nil {
			return "", size, context.Cause(ctx)
		}
		if rate > 0 {
			if ahead := time.Duration(size*int64(time.Second)/rate) - time.Since(began); ahead > 0 && !pause.For(ctx, ahead) {
				return "", size, context.Cause(ctx)
			}
		}
	}
}

// verify compares a segment with its sum; one that has none gets it now. reason is empty when it is whole.
func (s *Store) verify(ctx context.Context, f *File, rate int64) (reason string, err error) {
	sum, size, err := s.sumOf(ctx, f.Path, rate)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, err
	case ctx.Err() != nil:
		return "", err
	case err != nil:
		return Unreadable, err
	case f.Sum != "" && f.Sum != sum:
		return Altered, fmt.Errorf("%s has SHA-256 %s; it was written with %s", f.Path, sum, f.Sum)
	case f.Sum == "" && size != f.Bytes:
		return Altered, fmt.Errorf("%s has %d bytes; it was written with %d", f.Path, size, f.Bytes)
	}
	f.Sum = sum
	return "", nil
}

// look finds files that are gone or have another length, which needs no reading.
func (s *Store) look(files []File) (found []Damaged) {
	for _, f := range files {
		switch st, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(f.Path))); {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, Damaged{File: f, Reason: Missing, why: fmt.Errorf("look at %s: %w", f.Path, err)})
		case err != nil:
			found = append(found, Damaged{File: f, Reason: Unreadable, why: fmt.Errorf("look at %s: %w", f.Path, err)})
		case st.Size() != f.Bytes:
			found = append(found, Damaged{File: f, Reason: Altered, why: fmt.Errorf("%s has %d bytes; it was written with %d", f.Path, st.Size(), f.Bytes)})
		case f.Bad != "":
			found = append(found, Damaged{File: f, Reason: f.Bad})
		}
	}
	return found
}

// blind says whether an error of a query may be the fault of a file.
func blind(err error) bool {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code == "data" || f.Code == "memory"
	}
	d, dead := errors.AsType[*death](err)
	return dead && d.suspicious() && d.how != hung
}

// seekTime bounds the search for bad files; what it found by then counts.
const seekTime = 2 * time.Minute

// seek finds the files that make a request fail: those that are gone first, then those whose bytes were
// altered, then by asking again over halves. A fault that no file has finds nothing, and stands.
func (s *Store) seek(ctx context.Context, snap snapshot, r Request, why error) bool {
	s.seeking.Lock()
	defer s.seeking.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), seekTime)
	defer cancel()
	known := len(s.Damaged())
	if files, _, _ := s.whole(snap.Files, nil); len(files) < len(snap.Files) {
		return true // another query found it meanwhile
	}
	if found := s.look(snap.Files); len(found) > 0 {
		s.mark(ctx, found, why)
		return true
	}
	hot := make([]File, len(snap.hot))
	for i, h := range snap.hot {
		hot[i] = File{Path: h.path, Rows: h.rows}
	}
	s.halve(ctx, snap.Files, hot, r, why)
	return len(s.Damaged()) > known
}

// halve asks r again over parts of the files until single files remain that fail alone, and marks those.
func (s *Store) halve(ctx context.Context, files, hot []File, r Request, why error) {
	if ctx.Err() != nil {
		return
	}
	if n := len(files) + len(hot); n > 1 {
		f, h := min(n/2, len(files)), max(0, n/2-len(files))
		for _, half := range [][2][]File{{files[:f], hot[:h]}, {files[f:], hot[h:]}} {
			if err := s.try(ctx, half[0], half[1], r); blind(err) {
				s.halve(ctx, half[0], half[1], r, err)
			}
		}
		return
	}
	if _, dead := errors.AsType[*death](why); dead && s.queries.prove(ctx) != nil {
		return // workers die of anything: no file's fault
	}
	if len(hot) == 1 {
		s.mark(ctx, []Damaged{{File: hot[0], Reason: Unreadable, Hot: true}}, why)
		return
	}
	f := files[0]
	reason, err := s.verify(ctx, &f, 0)
	if reason == "" {
		reason, err = Unreadable, why
	}
	s.mark(ctx, []Damaged{{File: f, Reason: reason}}, err)
}

// try asks r over some files and throws the rows away.
func (s *Store) try(ctx context.Context, files, hot []File, r Request) error {
	r.Segments, r.Hot = files, nil
	for _, h := range hot {
		r.Hot = append(r.Hot, h.Path)
	}
	_, err := s.queries.do(ctx, r, nil, func([]byte) error { return nil })
	return err
}

// whole splits what a snapshot names into what can be read and what cannot.
func (s *Store) whole(files []File, hot []hotFile) (good []File, warm []hotFile, gaps []Damaged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bad) == 0 {
		return files, hot, nil
	}
	for _, f := range files {
		if d, bad := s.bad[f.Path]; bad {
			gaps = append(gaps, d)
		} else {
			good = append(good, f)
		}
	}
	for _, h := range hot {
		if d, bad := s.bad[h.path]; bad {
			gaps = append(gaps, d)
		} else {
			warm = append(warm, h)
		}
	}
	return good, warm, gaps
}
