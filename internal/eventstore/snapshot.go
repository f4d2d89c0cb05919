package eventstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// snapshot is what one query reads: segments and cursors of one moment, and the hot files of that moment
// or before. Rows of hot files at or before the cursors are in the segments.
type snapshot struct {
	Snapshot
	hot     []hotFile
	gaps    []Damaged // left out: they cannot be read
	release func()
}

// snapshot takes the hot files first: what is sealed in between is then in both, and the cursors tell.
// The other way round it would be in neither.
func (s *Store) snapshot(ctx context.Context, w Want) (snapshot, error) {
	release := s.waste.hold()
	s.mu.Lock()
	hot := slices.Clone(s.hot)
	s.mu.Unlock()
	m, err := s.opts.Manifest.Snapshot(ctx, w)
	if err != nil {
		release()
		return snapshot{}, fmt.Errorf("read the manifest: %w", err)
	}
	snap := snapshot{Snapshot: m, hot: hot, release: release}
	snap.Files, snap.hot, snap.gaps = s.whole(m.Files, hot)
	fewer, err := s.touched(ctx, snap.Files)
	if err != nil {
		release()
		return snapshot{}, fmt.Errorf("look at the segments: %w", err)
	}
	if fewer {
		snap.Files, snap.hot, snap.gaps = s.whole(m.Files, hot)
	}
	return snap, nil
}

// hotPaths names its hot files.
func (s snapshot) hotPaths() []string {
	out := make([]string, len(s.hot))
	for i, h := range s.hot {
		out[i] = h.path
	}
	return out
}

// waste unlinks files once no snapshot taken before they went out of use is still read.
type waste struct {
	dir string

	mu     sync.Mutex     // guards what follows
	now    uint64         // grows with each hold
	held   map[uint64]int // readers, by when they began
	doomed []doomed
}

type doomed struct {
	path string
	at   uint64 // readers that began later cannot name it
}

func (w *waste) init(dir string) {
	w.dir = dir
	w.held = map[uint64]int{}
}

// hold keeps every file that is in use now until release is called.
func (w *waste) hold() (release func()) {
	w.mu.Lock()
	w.now++
	at := w.now
	w.held[at]++
	w.mu.Unlock()
	var once sync.Once
	return func() {
		once.Do(func() {
			w.mu.Lock()
			delete(w.held, at)
			w.mu.Unlock()
			w.sweep()
		})
	}
}

// add dooms files that neither the manifest nor the list of hot files names any more.
func (w *waste) add(paths []string) {
	w.mu.Lock()
	for _, p := range paths {
		w.doomed = append(w.doomed, doomed{p, w.now})
	}
	w.mu.Unlock()
	w.sweep()
}

func (w *waste) sweep() {
	w.mu.Lock()
	oldest := w.now + 1
	for at := range w.held {
		oldest = min(oldest, at)
	}
	var keep []doomed
	var gone []string
	for _, d := range w.doomed {
		if d.at < oldest {
			gone = append(gone, d.path)
		} else {
			keep = append(keep, d)
		}
	}
	w.doomed = keep
	w.mu.Unlock()
	for _, p := range gone {
		// What cannot be unlinked now is removed at the next start: no manifest row names it.
		_ = os.Remove(filepath.Join(w.dir, filepath.FromSlash(p)))
	}
}
