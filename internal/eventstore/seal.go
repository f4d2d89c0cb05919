package eventstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// sealBytes bounds the records sent for one seal.
const sealBytes = 32 << 20

// sealAll seals each shard whose oldest unsealed event is SealEvery old, or that holds SealRows of them.
func (s *Store) sealAll(ctx context.Context) error {
	tick := time.NewTicker(max(s.opts.SealEvery/8, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.kick:
		}
		for shard := range s.shards {
			for s.due(shard) {
				if err := s.sealShard(ctx, shard, s.opts.SealRows); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					if d, dead := errors.AsType[*death](err); !dead || d.how != unborn { // that is a fault of its own
						s.opts.Faults.Raise(fault.Seal, strconv.Itoa(shard), err)
					}
					if !pause.For(ctx, min(s.opts.SealEvery, 5*time.Second)) {
						return nil
					}
					break
				}
			}
			if !s.due(shard) {
				s.opts.Faults.Clear(fault.Seal, strconv.Itoa(shard))
			}
		}
	}
}

func (s *Store) due(shard int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.shards[shard]
	return p.hot > p.sealed && (p.rows >= s.opts.SealRows || time.Since(p.since) >= s.opts.SealEvery)
}

// SealNow seals everything that is searchable now. Shutdown and tests call it.
func (s *Store) SealNow(ctx context.Context) error {
	for shard := range s.shards {
		s.mu.Lock()
		through := s.shards[shard].hot
		s.mu.Unlock()
		for s.Sealed(shard) < through {
			if err := s.sealShard(ctx, shard, s.opts.SealRows); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealShard seals one range of one shard: from the cursor, at most rows events, at most to the last
// record that is hot. Its effect is whole or none, whenever the process dies.
func (s *Store) sealShard(ctx context.Context, shard, rows int) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	return s.sealRange(ctx, shard, rows)
}

// sealRange is sealShard for one who holds sealing. When a worker dies of the records it seals fewer, down
// to the one that does it; that one goes to quarantine if it is to blame.
func (s *Store) sealRange(ctx context.Context, shard, rows int) error {
	s.mu.Lock()
	from, to := s.shards[shard].sealed, s.shards[shard].hot
	s.mu.Unlock()
	if to <= from {
		return nil
	}
	entries, last, lost, err := s.unsealed(ctx, shard, from+1, to, rows)
	if err != nil {
		return fmt.Errorf("seal shard %d from record %d: %w", shard, from+1, err)
	}
	token := uuid.Must(uuid.NewV7()).String()
	var a Answer
	if len(entries) > 0 {
		work, cancel := context.WithTimeout(ctx, 5*s.opts.HotTime)
		a, err = s.seals.do(work, Request{Op: "seal", Token: token}, entries, nil)
		cancel()
		d, dead := errors.AsType[*death](err)
		switch {
		case err == nil:
		case dead && d.how != unborn && len(entries) > 1:
			s.forget(token)
			return s.sealRange(ctx, shard, prefixRows(entries)/2)
		case dead && d.suspicious():
			s.forget(token)
			return s.blame(ctx, entries[0], d, "seal")
		default:
			s.forget(token)
			return fmt.Errorf("seal shard %d from record %d: %w", shard, from+1, err)
		}
	}
	for i := range a.Files {
		a.Files[i].Shard, a.Files[i].First, a.Files[i].Last = shard, from+1, last
		a.Files[i].Received, a.Files[i].Checked = s.believable(a.Files[i].Received), s.opts.Now().UnixMicro()
	}
	if err := s.opts.Manifest.Seal(ctx, Seal{Shard: shard, First: from + 1, Last: last, Files: a.Files, Covered: append(a.Covered, lost...)}); err != nil {
		s.forget(token)
		return fmt.Errorf("seal shard %d, records %d to %d: %w", shard, from+1, last, err)
	}
	for _, q := range a.Quarantined {
		s.opts.Log.ErrorContext(ctx, "accepted batch cannot be read: it is in quarantine and counted as lost",
			slog.String("tenant", q.Tenant.String()), slog.String("host", q.Host.String()), slog.String("file", q.File), slog.String("reason", q.Reason))
		s.opts.Quarantined(ctx, q)
	}
	if len(a.Quarantined) > 0 {
		s.tellKept()
	}
	s.sealedThrough(shard, last, prefixRows(entries))
	return nil
}

// unsealed reads records from the log again. The log, not a hot file, is what a seal is made of. lost is
// what stood in records that nothing can read: it is settled, though in quarantine.
func (s *Store) unsealed(ctx context.Context, shard int, from, to uint64, maxRows int) (entries []Entry, last uint64, lost []Covered, err error) {
	r := s.opts.Stream.Reader(shard, from)
	known := map[laneKey]seq.Set{}
	rows, size := 0, 0
	for last = from - 1; last < to; {
		record, batches, err := r.NextThrough(ctx, to)
		if _, ok := errors.AsType[*stream.DamagedError](err); ok {
			last = record // reported when it was read for the first time
			continue
		}
		if errors.Is(err, io.EOF) { // records were purged under us: nothing is left up to to
			return entries, to, lost, nil
		}
		if err != nil {
			return nil, 0, nil, err
		}
		e := Entry{Shard: shard, Record: record, Batches: batches}
		if len(entries) > 0 && (rows+entryRows(e) > maxRows || size+entrySize(e) > sealBytes) {
			return entries, last, lost, nil
		}
		last = record
		s.mu.Lock()
		_, poisoned := s.shards[shard].poisoned[record]
		s.mu.Unlock()
		if poisoned {
			for i := range batches {
				b := &batches[i]
				lost = append(lost, Covered{Tenant: b.Tenant, Host: b.Host, StreamLane: StreamLane{b.Stream, b.Lane}, Ranges: seq.Of(batchRange(b))})
			}
			continue
		}
		if e.Skip, err = s.duplicates(ctx, known, batches); err != nil {
			return nil, 0, nil, err
		}
		entries, rows, size = append(entries, e), rows+entryRows(e), size+entrySize(e)
	}
	return entries, last, lost, nil
}

// batchRange gives the sequence numbers of b; empty (First > Last) when it holds no event.
func batchRange(b *stream.Batch) seq.Range {
	return seq.Range{First: b.First, Last: b.First + uint64(b.Count) - 1}
}

type laneKey struct {
	tenant tenant.ID
	host   event.HostID
	StreamLane
}

// duplicates names the events of a record that are sealed already, or stand earlier in this seal: a batch
// whose first Append gave no clear answer comes twice. It reads the lanes of the record and no others, however
// many the host has.
func (s *Store) duplicates(ctx context.Context, known map[laneKey]seq.Set, batches []stream.Batch) ([]Skip, error) {
	var skip []Skip
	for i := range batches {
		b := &batches[i]
		if b.Count == 0 {
			continue
		}
		k := laneKey{b.Tenant, b.Host, StreamLane{b.Stream, b.Lane}}
		have, ok := known[k]
		if !ok {
			settled, err := s.opts.Manifest.Covered(ctx, b.Tenant, b.Host, k.StreamLane)
			if err != nil {
				return nil, fmt.Errorf("read what is sealed of host %s: %w", b.Host, err)
			}
			have = settled[k.StreamLane]
		}
		whole := batchRange(b)
		for _, r := range have.Within(whole) {
			skip = append(skip, Skip{Batch: i, Range: r})
		}
		have.Add(whole)
		known[k] = have
	}
	return skip, nil
}

// forget unlinks what an unfinished seal or merge may have left.
func (s *Store) forget(token string) {
	for _, pattern := range []string{token + "-*.parquet*", token + ".parquet*"} {
		names, err := filepath.Glob(filepath.Join(s.dir, "segments", "*", "*", "*", pattern))
		if err != nil {
			continue
		}
		for _, name := range names {
			_ = os.Remove(name)
		}
	}
}

// sealedThrough moves a shard's position and drops hot files that are sealed whole.
func (s *Store) sealedThrough(shard int, last uint64, rows int) {
	s.mu.Lock()
	p := &s.shards[shard]
	p.sealed, p.since, p.at = last, time.Now(), time.Now()
	p.rows = max(0, p.rows-rows)
	if p.hot == p.sealed {
		p.rows = 0
	}
	for seq := range p.poisoned {
		if seq <= last {
			delete(p.poisoned, seq)
		}
	}
	var keep []hotFile
	var gone []string
	for _, h := range s.hot {
		sealed := true
		for i, at := range h.last {
			sealed = sealed && at <= s.shards[i].sealed
		}
		if sealed {
			gone = append(gone, h.path)
		} else {
			keep = append(keep, h)
		}
	}
	s.hot = keep
	s.mu.Unlock()
	s.waste.add(gone)
	s.unmark(gone...)
}
