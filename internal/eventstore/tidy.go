package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of one merge: what the compact worker can sort within its memory, and what a query still reads
// quickly as one file.
const (
	mergeRows  = 2_000_000
	mergeBytes = 256 << 20
	mergeMost  = 256 // files

	// A file of fewer rows has no day of its own once that is over: with MergeFiles others that were received on one day
	// it becomes one file, or times that a recording or a hostile host chose would leave one file for each of their days.
	mergeFew = 2_000
)

// mergeRest is how long a set of segments is left alone after its merge failed: one that can never be
// merged must not keep a worker busy, nor the others from theirs.
const mergeRest = time.Hour

// tidy merges small segments and expires old ones.
func (s *Store) tidy(ctx context.Context) error {
	tick := time.NewTicker(s.opts.TidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := s.opts.Now()
			s.heal(ctx)
			if err := s.Expire(ctx, now); ctx.Err() == nil {
				s.opts.Faults.Report(fault.Retention, "", err)
			}
			if _, err := s.Compact(ctx, now); ctx.Err() == nil && (err != nil || s.nothingRests(now)) {
				s.opts.Faults.Report(fault.Merge, "", err)
			}
		}
	}
}

// nothingRests says whether every set may be merged: none waits because its merge failed.
func (s *Store) nothingRests(now time.Time) bool {
	s.merging.Lock()
	defer s.merging.Unlock()
	for k, until := range s.mergeAfter {
		if now.After(until) {
			delete(s.mergeAfter, k) // it may be merged again, or be gone
		}
	}
	return len(s.mergeAfter) == 0
}

type mergeKey struct {
	tenant tenant.ID
	day    string
	group  string
	level  int
}

// Compact merges what is due and gives how many merges it made: MergeFiles segments of one tenant, day,
// group and level, or fewer of a day that is over and has grown still for an hour. Where nothing of that is due,
// MergeFiles small ones of different days that are over.
func (s *Store) Compact(ctx context.Context, now time.Time) (merges int, err error) {
	s.merging.Lock()
	defer s.merging.Unlock()
	files, err := s.opts.Manifest.Segments(ctx)
	if err != nil {
		return 0, fmt.Errorf("list segments: %w", err)
	}
	files, _, _ = s.whole(files, nil) // a bad file is evidence: it is not made a part of a good one
	today, quiet := now.UTC().Format(time.DateOnly), now.Add(-time.Hour).UnixMicro()
	over := func(f File) bool { return f.Day < today && f.Received <= quiet }
	days := gatherSets(files, func(f File) (mergeKey, bool) { return mergeKey{f.Tenant, f.Day, f.Group, f.Level}, f.Level < 2 })
	for _, x := range days {
		still := len(x.files) > 1 && !slices.ContainsFunc(x.files, func(f File) bool { return !over(f) })
		if len(x.files) < s.opts.MergeFiles && !still {
			continue
		}
		n, mergeErr := s.mergeSet(ctx, now, x, x.key.level+1)
		merges, err = merges+n, errors.Join(err, mergeErr)
		if ctx.Err() != nil {
			return merges, err
		}
	}
	if merges > 0 {
		return merges, err // the list of files has changed
	}
	small := gatherSets(files, func(f File) (mergeKey, bool) {
		received := time.UnixMicro(f.Received).UTC().Format(time.DateOnly) // retention counts from it: days of it are not mixed
		return mergeKey{f.Tenant, received, f.Group, smallOnes}, over(f) && f.Rows < mergeFew
	})
	for _, x := range small {
		if len(x.files) < s.opts.MergeFiles || ctx.Err() != nil {
			continue
		}
		n, mergeErr := s.mergeSet(ctx, now, x, 2)
		merges, err = merges+n, errors.Join(err, mergeErr)
	}
	return merges, err
}

// smallOnes stands for a level in the key of a set of small files, which have any.
const smallOnes = -1

type mergeSet struct {
	key   mergeKey
	files []File
}

// gatherSets puts files that have the same key together, in the order of their first.
func gatherSets(files []File, key func(File) (mergeKey, bool)) []*mergeSet {
	at := map[mergeKey]*mergeSet{}
	var out []*mergeSet
	for _, f := range files {
		k, ok := key(f)
		if !ok {
			continue
		}
		if at[k] == nil {
			at[k] = &mergeSet{key: k}
			out = append(out, at[k])
		}
		at[k].files = append(at[k].files, f)
	}
	return out
}

// mergeSet merges a set in portions.
func (s *Store) mergeSet(ctx context.Context, now time.Time, x *mergeSet, level int) (merges int, err error) {
	if now.Before(s.mergeAfter[x.key]) {
		return 0, nil
	}
	delete(s.mergeAfter, x.key)
	for _, part := range portions(x.files) {
		err := s.merge(ctx, part, level)
		switch {
		case err == nil:
			merges++
		case errors.Is(err, ErrStale): // retention was first, the next round sees it
			return merges, nil
		case noSpace(err) || errors.Is(err, ErrNoWorker): // no fault of the set: the next round tries it
			return merges, err
		default:
			s.mergeAfter[x.key] = now.Add(mergeRest)
			return merges, err
		}
	}
	return merges, nil
}

// noSpace knows a full disk by its words, which are those of the kernel in Go and in the worker's DuckDB alike.
func noSpace(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "no space left on device")
}

// portions cuts a set into merges within bounds. A file alone is not merged.
func portions(set []File) [][]File {
	slices.SortFunc(set, func(a, b File) int { return cmp.Or(cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Path, b.Path)) })
	var out [][]File
	var cur []File
	var rows, size int64
	flush := func() {
		if len(cur) > 1 {
			out = append(out, cur)
		}
		cur, rows, size = nil, 0, 0
	}
	for _, f := range set {
		if len(cur) > 0 && (rows+f.Rows > mergeRows || size+f.Bytes > mergeBytes || len(cur) == mergeMost) {
			flush()
		}
		cur, rows, size = append(cur, f), rows+f.Rows, size+f.Bytes
	}
	flush()
	return out
}

func (s *Store) merge(ctx context.Context, files []File, level int) error {
	// Retention must not unlink what the worker reads.
	defer s.waste.hold()()
	for i := range files {
		// What is merged gets a new sum: an altered byte would be sealed as good.
		if reason, err := s.verify(ctx, &files[i], 0); reason != "" {
			s.mark(ctx, []Damaged{{File: files[i], Reason: reason}}, err)
			return fmt.Errorf("merge %d segments of %s: %w", len(files), files[i].Day, err)
		} else if err != nil {
			return err
		}
	}
	token := uuid.Must(uuid.NewV7()).String()
	work, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	a, err := s.merges.do(work, Request{Op: "compact", Token: token, Merge: files, Level: level}, nil, nil)
	if err != nil {
		s.forget(token)
		return fmt.Errorf("merge %d segments of %s: %w", len(files), files[0].Day, err)
	}
	for i := range a.Files {
		a.Files[i].Checked = s.opts.Now().UnixMicro()
	}
	if err := s.opts.Manifest.Swap(ctx, files, a.Files); err != nil {
		s.forget(token)
		return fmt.Errorf("merge %d segments of %s: %w", len(files), files[0].Day, err)
	}
	old := make([]string, len(files))
	for i, f := range files {
		old[i] = f.Path
	}
	s.waste.add(old)
	return nil
}
