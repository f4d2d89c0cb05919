package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/stream"
)

// hotRows bounds the events of one hot file, and so the memory of its writer.
const hotRows = 40_000

// hotFile holds events of all shards that were not sealed when it was written.
type hotFile struct {
	path string // below the data directory
	last [stream.Shards]uint64
	rows int64
}

// follow reads one shard into pending. Damaged records are reported and passed over.
func (s *Store) follow(ctx context.Context, shard int) error {
	r := s.opts.Stream.Reader(shard, s.Sealed(shard)+1)
	for {
		seq, batches, err := r.Next(ctx)
		var damaged *stream.DamagedError
		switch {
		case errors.As(err, &damaged):
			s.quarantineRecord(ctx, shard, seq, damaged.Reason, damaged.Raw)
			batches = nil // its number must pass the cursor all the same
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case errors.Is(err, stream.ErrClosed):
			return fmt.Errorf("event store reads shard %d: %w", shard, err)
		case err != nil:
			s.opts.Log.WarnContext(ctx, "log record not read, trying again", slog.Int("shard", shard), slog.Any("err", err))
			if !pause.For(ctx, time.Second) {
				return nil
			}
			continue
		}
		if err := s.pending.add(ctx, Entry{Shard: shard, Record: seq, Batches: batches}); err != nil {
			return nil //nolint:nilerr // it waited for room when the end was asked for
		}
	}
}

// heat writes a hot file each HotEvery, or sooner when many records wait.
func (s *Store) heat(ctx context.Context) error {
	tick := time.NewTicker(s.opts.HotEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.pending.filling:
		}
		for entries := s.pending.take(); len(entries) > 0; {
			n := prefix(entries, hotRows)
			done, ok := s.heatSome(ctx, entries[:n])
			entries = entries[done:]
			if !ok && !pause.For(ctx, time.Second) {
				return nil
			}
		}
	}
}

// prefix gives how many entries hold at most rows events, at least one.
func prefix(entries []Entry, rows int) int {
	n, sum := 0, 0
	for n < len(entries) {
		sum += entryRows(entries[n])
		if n > 0 && sum > rows {
			break
		}
		n++
	}
	return n
}

// heatSome writes entries to one hot file and gives how many of them are done with. When a worker dies of them it
// tries half of them, down to the one record that does it; that one goes to quarantine if it is to blame.
func (s *Store) heatSome(ctx context.Context, entries []Entry) (done int, ok bool) {
	err := s.writeHot(ctx, entries)
	d, dead := errors.AsType[*death](err)
	switch {
	case err == nil:
		s.opts.Faults.Clear(fault.HotWrite, "")
		return len(entries), true
	case ctx.Err() != nil:
		return 0, false
	case dead && d.how == unborn: // a fault of its own stands
		return 0, false
	case dead && len(entries) > 1:
		return s.heatSome(ctx, entries[:len(entries)/2])
	case dead && d.suspicious():
		if err = s.blame(ctx, entries[0], d, "hot"); err == nil {
			return 1, true
		}
	}
	if ctx.Err() == nil {
		s.opts.Faults.Raise(fault.HotWrite, "", err)
	}
	return 0, false
}

func (s *Store) writeHot(ctx context.Context, entries []Entry) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.HotTime)
	defer cancel()
	var path string
	var rows int64
	if prefixRows(entries) > 0 {
		path = "hot/" + uuid.Must(uuid.NewV7()).String() + ".parquet"
		a, err := s.seals.do(ctx, Request{Op: "hot", Path: path}, entries, nil)
		if err != nil {
			_ = os.Remove(filepath.Join(s.dir, path))
			_ = os.Remove(filepath.Join(s.dir, path+".tmp"))
			return fmt.Errorf("write hot file: %w", err)
		}
		rows = a.Rows
	}
	now := time.Now()
	s.mu.Lock()
	h := hotFile{path: path, rows: rows}
	full := false
	for _, e := range entries {
		h.last[e.Shard] = max(h.last[e.Shard], e.Record)
		p := &s.shards[e.Shard]
		if p.hot == p.sealed {
			p.since = now
		}
		p.hot = max(p.hot, e.Record)
		p.rows += entryRows(e)
		full = full || p.rows >= s.opts.SealRows
		for i := range e.Batches {
			s.delays.add(now.UnixMicro() - e.Batches[i].Received)
		}
	}
	if rows > 0 {
		s.hot = append(s.hot, h)
	}
	s.mu.Unlock()
	if full {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	return nil
}

func prefixRows(entries []Entry) int {
	n := 0
	for _, e := range entries {
		n += entryRows(e)
	}
	return n
}
