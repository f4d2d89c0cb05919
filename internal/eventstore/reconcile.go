package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Verdicts on a file that the manifest does not name.
const (
	Unjudged   = "unjudged"   // the log is read first
	Redundant  = "redundant"  // every event of it is stored elsewhere
	Unfinished = "unfinished" // a write that never ended: its events stand in the log, or in what was to be merged
	Kept       = "kept"       // nobody can say whether it belongs here
)

// orphanLife is how long a file stays that is proven to hold nothing of its own.
const orphanLife = 7 * 24 * time.Hour

// Orphan is a file below segments that the manifest does not name.
type Orphan struct {
	Path    string // below the data directory
	Bytes   int64
	Verdict string
	Why     string // of Kept
	Found   time.Time
}

// Orphans gives the files that the manifest does not name.
func (s *Store) Orphans() []Orphan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.orphans)
}

func (s *Store) listOrphans(ctx context.Context) {
	var out []Orphan
	for _, rel := range s.filesBelow(ctx, orphanFolder) {
		o := Orphan{Path: filepath.ToSlash(rel), Verdict: Unjudged, Found: s.opts.Now()}
		if st, err := os.Stat(filepath.Join(s.dir, rel)); err == nil {
			o.Bytes = st.Size()
		}
		out = append(out, o)
	}
	s.mu.Lock()
	s.orphans = out
	s.mu.Unlock()
}

// judge keeps a verdict; an empty one takes the file off the list.
func (s *Store) judge(path, verdict, why string) {
	s.mu.Lock()
	for i := range s.orphans {
		if s.orphans[i].Path == path {
			if s.orphans[i].Verdict, s.orphans[i].Why = verdict, why; verdict == "" {
				s.orphans = slices.Delete(s.orphans, i, i+1)
			}
			break
		}
	}
	s.mu.Unlock()
}

// reconcile judges what a start set aside, once all that stood in the log then is sealed: until then a file of
// an unfinished seal looks like one that was lost.
func (s *Store) reconcile(ctx context.Context) error {
	for !s.caughtUp() {
		if !pause.For(ctx, min(time.Second, s.opts.TidyEvery)) {
			return nil
		}
	}
	s.judgeHot(ctx)
	found := map[partition][]orphan{}
	for _, o := range s.Orphans() {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		if strings.HasSuffix(o.Path, ".tmp") {
			s.judge(o.Path, Unfinished, "")
			continue
		}
		f, has, err := s.inspect(ctx, o.Path)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case err != nil:
			s.judge(o.Path, Kept, err.Error())
		case f.Tenant == (tenant.ID{}):
			s.judge(o.Path, Kept, "it is a hot file whose events were not found in the log")
		case has.count() != uint64(f.Rows):
			s.judge(o.Path, Kept, "it holds one event more than once")
		default:
			k := partition{f.Tenant, f.Group}
			if d := path.Base(path.Dir(path.Dir(o.Path))); isDay(d) {
				f.Day = d // a merge of small files keeps the day of one of them
			}
			found[k] = append(found[k], orphan{File: f, at: o.Path, spans: has})
		}
	}
	for k, list := range found {
		if err := s.takeBack(ctx, k, list); err != nil && ctx.Err() == nil {
			s.opts.Log.ErrorContext(ctx, "files that the manifest does not name could not be judged", slog.Any("tenant", k.tenant), slog.String("group", k.group), slog.Any("err", err))
			for _, o := range list {
				s.judge(o.at, Kept, err.Error())
			}
		}
	}
	s.forgetProven(ctx)
	s.changed()
	return nil
}

func (s *Store) caughtUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.shards {
		if s.shards[i].sealed < s.ends[i] {
			return false
		}
	}
	return true
}

type partition struct {
	tenant tenant.ID
	group  string
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

type orphan struct {
	File
	at    string // where it lies now
	spans spans
}

// inspect lets a worker read one file and gives what its manifest row would be, and which events it holds.
func (s *Store) inspect(ctx context.Context, path string) (File, spans, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	has := spans{}
	a, err := s.merges.do(ctx, Request{Op: "inspect", Path: path}, nil, has.read)
	if err != nil {
		return File{}, nil, fmt.Errorf("inspect %s: %w", path, err)
	}
	if len(a.Files) != 1 {
		return File{}, nil, fmt.Errorf("inspect %s: no answer", path)
	}
	has.tidy()
	return a.Files[0], has, nil
}

// settledOf gives which of the events are settled already.
func (s *Store) settledOf(ctx context.Context, has spans) (spans, error) {
	out := spans{}
	type of struct {
		tenant tenant.ID
		host   event.HostID
	}
	seen := map[of]bool{}
	for k := range has {
		x := of{k.tenant, k.host}
		if seen[x] {
			continue
		}
		seen[x] = true
		lanes, err := s.opts.Manifest.Covered(ctx, k.tenant, k.host)
		if err != nil {
			return nil, fmt.Errorf("read what is settled of %s: %w", k.host, err)
		}
		for lane, ranges := range lanes {
			out[sequence{k.tenant, k.host, lane}] = ranges
		}
	}
	return out, nil
}

// judgeHot removes the hot files of the run before whose events are all settled by now, which is how it is
// unless the log was lost; the others are kept.
func (s *Store) judgeHot(ctx context.Context) {
	for _, rel := range s.filesBelow(ctx, beforeFolder) {
		name := filepath.ToSlash(rel)
		if !strings.HasSuffix(name, ".tmp") {
			_, has, err := s.inspect(ctx, name)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				var settled spans
				if settled, err = s.settledOf(ctx, has); err == nil && has.common(settled) == has.count() {
					_ = os.Remove(filepath.Join(s.dir, rel)) // proven: each of its events is sealed
					continue
				}
			}
		}
		to := orphanFolder + "/hot/" + path.Base(name)
		if err := errors.Join(os.MkdirAll(filepath.Join(s.dir, orphanFolder, "hot"), 0o700), os.Rename(filepath.Join(s.dir, rel), filepath.Join(s.dir, filepath.FromSlash(to)))); err != nil {
			s.opts.Log.ErrorContext(ctx, "hot file of an earlier run stays where it is", slog.String("path", name), slog.Any("err", err))
			continue
		}
		s.program.give(s.dir, to)
		s.mu.Lock()
		s.orphans = append(s.orphans, Orphan{Path: to, Verdict: Unjudged})
		s.mu.Unlock()
	}
}

// takeBack gives the files of one partition their manifest rows back when it is proven that no event would be
// there twice, and drops the rows of missing files when it is proven that their events are all in those.
//
// The proof is by event ids: a file is adopted when it shares none with the files that are there. Settled
// events of a group are in its segments, seals see to that; so when as many events of the adopted files
// were settled before as the missing rows name, they are the same.
func (s *Store) takeBack(ctx context.Context, k partition, list []orphan) error {
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	there, missing, err := s.partitionOf(ctx, k, files, list)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b orphan) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.at, b.at))
	})
	var back []orphan
	all := spans{}
	for _, o := range list {
		switch n := o.spans.common(there); n {
		case 0:
			back = append(back, o)
			there.add(o.spans)
			all.add(o.spans)
		case uint64(o.Rows):
			s.judge(o.at, Redundant, "")
		default:
			s.judge(o.at, Kept, fmt.Sprintf("%d of its %d events are stored elsewhere", n, o.Rows))
		}
	}
	if len(back) == 0 {
		return nil
	}
	settled, err := s.settledOf(ctx, all)
	if err != nil {
		return err
	}
	gone := accounted(missing, back, settled)
	adopted := make([]File, len(back))
	for i, o := range back {
		if adopted[i], err = s.moveBack(ctx, o); err != nil {
			return err
		}
	}
	if err := s.opts.Manifest.Adopt(ctx, adopted, all.covered(), gone); err != nil {
		return err // the next start sets the files aside again
	}
	paths := make([]string, len(gone))
	for i, f := range gone {
		paths[i] = f.Path
	}
	for _, o := range back {
		s.judge(o.at, "", "")
	}
	s.unmark(paths...)
	s.opts.Log.WarnContext(ctx, "segments that the manifest did not name are part of the store again", slog.Int("segments", len(back)),
		slog.Uint64("events", all.count()), slog.Int("missing_rows_replaced", len(gone)))
	return nil
}

// partitionOf gives the events of those of the partition's files that are there and can share one with the
// orphans, and the rows of all that are not there.
func (s *Store) partitionOf(ctx context.Context, k partition, files []File, list []orphan) (there spans, missing []File, err error) {
	there = spans{}
	for _, f := range files {
		if f.Tenant != k.tenant || f.Group != k.group {
			continue
		}
		s.mu.Lock()
		d, bad := s.bad[f.Path]
		s.mu.Unlock()
		if bad && d.Reason == Missing {
			missing = append(missing, f)
			continue
		}
		if !slices.ContainsFunc(list, func(o orphan) bool {
			return f.MinTime <= o.MaxTime && f.MaxTime >= o.MinTime && f.MinHost <= o.MaxHost && f.MaxHost >= o.MinHost
		}) {
			continue
		}
		_, has, err := s.inspect(ctx, f.Path)
		if err != nil {
			return nil, nil, fmt.Errorf("a segment of the same time cannot be read, so nothing can be proven: %w", err)
		}
		there.add(has)
	}
	return there, missing, nil
}

// accounted gives the missing rows whose events are in the files that are back: all of them when the numbers
// agree, else those of the days for which they agree, else those that one of the files is by all that is known.
func accounted(missing []File, back []orphan, settled spans) (gone []File) {
	agree := func(missing []File, back []orphan) bool {
		var rows int64
		for _, m := range missing {
			rows += m.Rows
		}
		var n uint64
		for _, o := range back {
			n += o.spans.common(settled)
		}
		return rows == int64(n)
	}
	if agree(missing, back) {
		return missing
	}
	days := map[string][]File{}
	for _, m := range missing {
		days[m.Day] = append(days[m.Day], m)
	}
	used := map[string]bool{}
	for day, of := range days {
		here := slices.DeleteFunc(slices.Clone(back), func(o orphan) bool { return o.Day != day })
		mixed := slices.ContainsFunc(of, func(m File) bool { return !m.within(day) }) || slices.ContainsFunc(here, func(o orphan) bool { return !o.within(day) })
		if !mixed && agree(of, here) {
			gone = append(gone, of...)
			continue
		}
		for _, m := range of {
			for _, o := range here {
				if !used[o.at] && o.Rows == m.Rows && o.MinTime == m.MinTime && o.MaxTime == m.MaxTime && o.MinHost == m.MinHost && o.MaxHost == m.MaxHost {
					used[o.at] = true
					gone = append(gone, m)
					break
				}
			}
		}
	}
	return gone
}

// within says whether all its events are of one day.
func (f File) within(day string) bool {
	return time.UnixMicro(f.MinTime).UTC().Format(time.DateOnly) == day && time.UnixMicro(f.MaxTime).UTC().Format(time.DateOnly) == day
}

// moveBack puts an orphan where a segment belongs and gives its manifest row.
func (s *Store) moveBack(ctx context.Context, o orphan) (File, error) {
	f := o.File
	folder := path.Join("segments", f.Tenant.String(), f.Day, f.Group)
	f.Path = path.Join(folder, path.Base(o.at))
	if !strings.HasSuffix(f.Path, ".parquet") || exists(filepath.Join(s.dir, filepath.FromSlash(f.Path))) {
		f.Path = path.Join(folder, uuid.Must(uuid.NewV7()).String()+".parquet")
	}
	to := filepath.Join(s.dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return f, fmt.Errorf("take %s back: %w", o.at, err)
	}
	s.program.give(s.dir, folder)
	if err := os.Rename(filepath.Join(s.dir, filepath.FromSlash(o.at)), to); err != nil {
		return f, fmt.Errorf("take %s back: %w", o.at, err)
	}
	if err := durable.SyncFolder(filepath.Dir(to)); err != nil {
		return f, err
	}
	var err error
	if f.Sum, f.Bytes, err = s.sumOf(ctx, f.Path, 0); err != nil {
		return f, err
	}
	f.Received, f.Checked = min(f.Received, s.opts.Now().UnixMicro()), s.opts.Now().UnixMicro()
	return f, nil
}

// forgetProven removes what holds nothing of its own, after some days.
func (s *Store) forgetProven(ctx context.Context) {
	for _, o := range s.Orphans() {
		if o.Verdict != Redundant && o.Verdict != Unfinished {
			continue
		}
		name := filepath.Join(s.dir, filepath.FromSlash(o.Path))
		st, err := os.Stat(name)
		if err != nil || s.opts.Now().Sub(st.ModTime()) < orphanLife {
			continue
		}
		if os.Remove(name) == nil {
			s.judge(o.Path, "", "")
			s.opts.Log.InfoContext(ctx, "set-aside file removed: every event of it is stored elsewhere", slog.String("path", o.Path), slog.String("verdict", o.Verdict))
		}
	}
}
