package eventstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-edr/yagura/internal/stream"
)

// Folders below the data directory for what a start found and does not know.
const (
	orphanFolder = "segments/.orphans"
	beforeFolder = "hot/.before" // hot files of an earlier run
)

// setAside moves every file below segments that the manifest does not name to orphanFolder, and the hot
// files of the run before to beforeFolder. A start deletes nothing: a manifest that is older than the files,
// as one restored from a copy is, makes all of them look like rubbish. reconcile judges them later. What
// cannot be moved stays where it is, and the store opens all the same.
func (s *Store) setAside(ctx context.Context, known map[string]bool) {
	moved := 0
	move := func(from, to string) {
		target := filepath.Join(s.dir, filepath.FromSlash(to))
		for n := 1; exists(target); n++ {
			target = filepath.Join(s.dir, filepath.FromSlash(fmt.Sprintf("%s.%d", to, n)))
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.Rename(filepath.Join(s.dir, from), target)); err != nil {
			s.opts.Log.ErrorContext(ctx, "file that the manifest does not name could not be set aside: it stays where it is", slog.String("path", from), slog.Any("err", err))
			return
		}
		moved++
	}
	for _, rel := range s.filesBelow(ctx, "segments") {
		if !known[rel] {
			move(rel, orphanFolder+"/"+strings.TrimPrefix(filepath.ToSlash(rel), "segments/"))
		}
	}
	if moved > 0 {
		s.opts.Log.ErrorContext(ctx, "files that the manifest does not name were set aside; nothing was deleted, and what can be proven to belong here is taken back",
			slog.Int("files", moved), slog.String("folder", filepath.Join(s.dir, filepath.FromSlash(orphanFolder))))
	}
	for _, rel := range s.filesBelow(ctx, "hot") {
		if name := filepath.Base(rel); strings.HasPrefix(name, probePrefix) || strings.HasPrefix(name, trialPrefix) {
			_ = os.Remove(filepath.Join(s.dir, rel)) // of no events, or of a copy
			continue
		}
		move(rel, beforeFolder+"/"+filepath.Base(rel))
	}
	for _, rel := range s.filesBelow(ctx, "tmp") {
		if strings.HasPrefix(filepath.Base(rel), "duckdb_") { // what a merge spilled: a part of files that are all still there
			_ = os.Remove(filepath.Join(s.dir, rel))
			continue
		}
		move(rel, orphanFolder+"/tmp/"+filepath.Base(rel))
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// filesBelow lists the files below a folder of the data directory, but not those in folders that begin with
// a dot. What cannot be read is said and passed over.
func (s *Store) filesBelow(ctx context.Context, folder string) []string {
	var out []string
	top := filepath.Join(s.dir, filepath.FromSlash(folder))
	_ = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			s.opts.Log.ErrorContext(ctx, "folder of the store cannot be read: what is in it is not looked at", slog.String("path", path), slog.Any("err", err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if path != top && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if rel, err := filepath.Rel(s.dir, path); err == nil {
			out = append(out, rel)
		}
		return nil
	})
	return out
}

// logEnds gives the last record of each shard now.
func (s *Store) logEnds() (out [stream.Shards]uint64) {
	for i := range out {
		_, out[i], _ = s.opts.Stream.State(i)
	}
	return out
}
