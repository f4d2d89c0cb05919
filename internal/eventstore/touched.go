package eventstore

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

// writeTime is how long after its name was drawn a segment may be written without being looked at: most take less, and
// the sum of one that took more is taken once.
const writeTime = 15 * time.Second

// touched looks before a query reads segments whether somebody wrote to one since it was made or looked at, and compares
// it with its sum then: DuckDB's pages have none, and a turned bit would be shown as evidence until the next scrub. What
// a disk turns without a write is the scrub's to find. It says whether files were taken out of answers by it.
func (s *Store) touched(ctx context.Context, files []File) (bool, error) {
	var found []Damaged
	var why error
	for i := range files {
		f := files[i]
		st, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(f.Path)))
		if err != nil {
			continue // the reading says so, and finds out why
		}
		at := st.ModTime()
		s.mu.Lock()
		seen, known := s.written[f.Path]
		s.mu.Unlock()
		if known && seen.Equal(at) {
			continue
		}
		if known || !writtenOnce(f.Path, at) {
			reason, err := s.verify(ctx, &f, 0)
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			if reason == Altered {
				found, why = append(found, Damaged{File: f, Reason: reason}), err
				continue
			}
		}
		s.mu.Lock()
		if len(s.written) > maxWritten {
			clear(s.written)
		}
		s.written[f.Path] = at
		s.mu.Unlock()
	}
	if len(found) > 0 {
		s.mark(ctx, found, why)
	}
	return len(found) > 0, nil
}

// maxWritten bounds what is remembered of files; full: all is forgotten, and looked at again.
const maxWritten = 100_000

// writtenOnce says whether a segment was last written when it was made, which its name tells.
func writtenOnce(file string, at time.Time) bool {
	id, err := uuid.Parse(strings.TrimSuffix(path.Base(file), path.Ext(file)))
	if err != nil || id.Version() != 7 {
		return false
	}
	return at.Sub(time.Unix(id.Time().UnixTime())).Abs() < writeTime
}
