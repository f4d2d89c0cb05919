// Package eventstore keeps events and finds them again. It reads the log, makes new events searchable
// within two seconds (hot files), seals them into immutable Parquet segments named by the manifest, merges
// and expires those, and answers by id, host, process, time and kind. Positions live in the manifest alone.
//
// Files are written and queried by worker processes (package duck); this package starts and watches them
// and never opens DuckDB. It knows nothing of rules and incidents. cmd/yagura runs it, the console asks it. What an
// answer promises, whichever engine gives it, is package storetest.
package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/stream"
)

// ErrClosed means that the store no longer runs.
var ErrClosed = errors.New("event store closed")

// Options say where the store works and how. Zero durations and counts take the defaults given.
type Options struct {
	Dir          string // data directory; segments, hot, quarantine and tmp are made below it
	Stream       *stream.Log
	Manifest     Manifest
	WorkerArgs   []string      // arguments of this program before the role: ["worker"]; nil: there are no workers
	HotEvery     time.Duration // 1 s
	HotTime      time.Duration // 60 s: how long a worker may take for a hot file; a seal may take five times that, a probe half of it
	SealEvery    time.Duration // 60 s
	SealRows     int           // 50,000: events of one shard that seal before SealEvery, and most of one seal
	TidyEvery    time.Duration // 30 s: compaction and retention
	MergeFiles   int           // 24: segments of one tenant, day, group and level that are merged
	Retention    time.Duration // 90 days, from the newest received of a segment
	TreeHorizon  time.Duration // 7 days that a process tree looks at
	QueryWorkers int           // 2
	// Quarantined is told of each batch or record that was acknowledged and cannot be read, so that it is
	// counted as loss. It may be told twice of the same one after a crash.
	Quarantined func(context.Context, Quarantined)
	Faults      *fault.Board // told what of the store fails and when it works again; may be nil
	// Now gives the time that retention and merges believe; nil: the machine's clock.
	Now func() time.Time
	Log *slog.Logger
}

func (o *Options) fill() {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&o.HotEvery, time.Second)
	or(&o.HotTime, time.Minute)
	or(&o.SealEvery, time.Minute)
	or(&o.TidyEvery, 30*time.Second)
	or(&o.Retention, 90*24*time.Hour)
	or(&o.TreeHorizon, 7*24*time.Hour)
	if o.SealRows == 0 {
		o.SealRows = 50_000
	}
	if o.MergeFiles == 0 {
		o.MergeFiles = 24
	}
	if o.QueryWorkers == 0 {
		o.QueryWorkers = 2
	}
	if o.Quarantined == nil {
		o.Quarantined = func(context.Context, Quarantined) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Store is the open store. Its queries may be called from many goroutines, before and beside Run.
type Store struct {
	opts    Options
	dir     string // absolute
	program *program
	queries *pool
	seals   *pool // two processes: a hot file must not wait for a seal
	merges  *pool
	waste   waste

	pending pending

	merging    sync.Mutex             // one round of merges at a time; guards mergeAfter, held across the whole of it
	mergeAfter map[mergeKey]time.Time // sets whose merge failed

	retrying sync.Mutex // one at a time takes from the quarantine; held across the whole of it

	sealing sync.Mutex            // one seal at a time; held across the whole of it, nothing else waits for it
	seeking sync.Mutex            // one search for bad files at a time
	ends    [stream.Shards]uint64 // last record of each shard at Open

	mu      sync.Mutex // guards what follows; never held across I/O
	shards  [stream.Shards]position
	hot     []hotFile
	delays  delays
	kick    chan struct{}        // a shard has rows enough to seal; one waiting signal is enough
	bad     map[string]Damaged   // by path: files that are not read
	written map[string]time.Time // by path: when a segment was last written, as it was found whole
	orphans []Orphan
	waiting Waiting
}

// position is how far one shard has come.
type position struct {
	sealed   uint64            // the manifest's cursor
	hot      uint64            // last record in a hot file
	rows     int               // events between the two
	since    time.Time         // the first event between the two became hot, about
	at       time.Time         // last seal
	poisoned map[uint64]string // records that end every worker, and why
}

// Open prepares the store: it reads the positions, sets aside hot files and segments that no manifest row
// names, and moves the log's numbers past the cursors if the log lost its end. Append nothing before it. It
// deletes nothing, and segments that are missing do not keep it from opening.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts.fill()
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open event store %s: %w", opts.Dir, err)
	}
	s := &Store{
		opts: opts, dir: dir, kick: make(chan struct{}, 1), mergeAfter: map[mergeKey]time.Time{}, bad: map[string]Damaged{}, written: map[string]time.Time{},
	}
	s.pending.init()
	s.waste.init(dir)
	for _, folder := range []string{"hot", "tmp", "segments", "quarantine"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, fmt.Errorf("open event store: %w", err)
		}
	}
	files, err := opts.Manifest.Segments(ctx)
	if err != nil {
		return nil, fmt.Errorf("open event store: list segments: %w", err)
	}
	known := make(map[string]bool, len(files))
	for _, f := range files {
		known[filepath.FromSlash(f.Path)] = true
	}
	s.setAside(ctx, known)
	s.listOrphans(ctx)
	if err := s.settleRetries(files); err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	s.tellKept()
	// From here on the folders of workers are theirs.
	if s.program, err = openProgram(dir, opts.WorkerArgs); err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	s.queries = newPool(s.program, RoleQuery, dir, opts.QueryWorkers, &opts)
	s.seals = newPool(s.program, RoleSeal, dir, 2, &opts)
	s.merges = newPool(s.program, RoleCompact, dir, 1, &opts)
	if found := s.look(files); len(found) > 0 {
		s.mark(ctx, found, nil)
	}
	snap, err := opts.Manifest.Snapshot(ctx, Want{From: 1<<63 - 1})
	if err != nil {
		return nil, fmt.Errorf("open event store: read positions: %w", err)
	}
	for i := range s.shards {
		if err := opts.Stream.Advance(ctx, i, snap.Cursors[i]); err != nil {
			return nil, fmt.Errorf("open event store: %w", err)
		}
		at, err := s.pastPurged(ctx, i, snap.Cursors[i])
		if err != nil {
			return nil, fmt.Errorf("open event store: %w", err)
		}
		s.shards[i] = position{sealed: at, hot: at, poisoned: map[uint64]string{}}
	}
	s.ends = s.logEnds()
	return s, nil
}

// pastPurged moves a cursor over records that the log has purged, and gives where it stands: the log purges
// what was sealed, so this manifest is an older one that was put back. What it had sealed stands in files.
func (s *Store) pastPurged(ctx context.Context, shard int, cursor uint64) (uint64, error) {
	first, _, _ := s.opts.Stream.State(shard)
	if first == 0 || first-1 <= cursor {
		return cursor, nil
	}
	s.opts.Log.ErrorContext(ctx, "the manifest is older than the log: the files that it does not name are looked at",
		slog.Int("shard", shard), slog.Uint64("cursor", cursor), slog.Uint64("first", first))
	if err := s.opts.Manifest.Seal(ctx, Seal{Shard: shard, First: cursor + 1, Last: first - 1}); err != nil {
		return 0, err
	}
	return first - 1, nil
}

// Run reads the log until ctx ends, and leaves nothing running behind. It does not seal on the way out:
// what is not sealed is in the log.
func (s *Store) Run(ctx context.Context) error {
	defer s.program.close()
	defer s.merges.close()
	defer s.seals.close()
	defer s.queries.close()
	group, ctx := errgroup.WithContext(ctx)
	for i := range s.shards {
		group.Go(func() error { return s.follow(ctx, i) })
	}
	group.Go(func() error { return s.heat(ctx) })
	group.Go(func() error { return s.sealAll(ctx) })
	group.Go(func() error { return s.tidy(ctx) })
	group.Go(func() error { return s.reconcile(ctx) })
	group.Go(func() error { return s.scrubAll(ctx) })
	group.Go(func() error { return s.nurse(ctx) })
	return group.Wait()
}

// Sealed gives the cursor of a shard: the log may be purged up to it.
func (s *Store) Sealed(shard int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[shard].sealed
}
