package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
)

// rebuild reads the log from the manifest's cursors to its end and notes what it holds.
func (s *Service) rebuild(ctx context.Context) error {
	cursors, err := s.o.Manifest.Cursors(ctx)
	if err != nil {
		return fmt.Errorf("read cursors of the log: %w", err)
	}
	start, records := time.Now(), 0
shards:
	for shard, cursor := range cursors {
		_, last, _ := s.o.Log.State(shard)
		if last <= cursor {
			continue
		}
		r := s.o.Log.Reader(shard, cursor+1)
		for {
			_, batches, err := r.NextThrough(ctx, last)
			var damaged *stream.DamagedError
			switch {
			case errors.Is(err, io.EOF): // also when the manifest is older than the log, which was purged beyond its cursor
				continue shards
			case errors.As(err, &damaged):
				// Whoever reads for good counts and keeps it; here it means that sensors are asked again.
				s.log.ErrorContext(ctx, "damaged record in the log: sensors are asked again for what it held", slog.Int("shard", shard), slog.Uint64("record", damaged.Seq), slog.Any("err", err))
			case err != nil:
				return fmt.Errorf("read shard %d of the log: %w", shard, err)
			}
			for i := range batches {
				s.recall(ctx, &batches[i])
			}
			records++
		}
	}
	if records > 0 {
		s.log.InfoContext(ctx, "accepted batches read back from the log", slog.Int("records", records), slog.Duration("duration", time.Since(start)))
	}
	return nil
}

func (s *Service) recall(ctx context.Context, b *stream.Batch) {
	note := func(k lane, x seq.Range) {
		m := s.rebuilt[b.Host]
		if m == nil {
			m = map[lane]seq.Set{}
			s.rebuilt[b.Host] = m
		}
		if _, known := m[k]; !known && len(m) >= maxLanes {
			return // sent again it is found by the seal
		}
		have := m[k]
		have.Add(x)
		m[k] = have
	}
	note(lane{b.Stream, b.Lane}, seq.Range{First: b.First, Last: b.First + uint64(b.Count) - 1})
	// A notice of dropped ranges is critical, or stands alone in the place of a quarantined batch.
	if b.Lane != event.Critical && b.Count != 1 {
		return
	}
	wires, err := b.Wires()
	for i := 0; err == nil && i < len(wires); i++ {
		if !mayBeDropped(wires[i]) {
			continue
		}
		var e event.Event
		if err = e.Decode(wires[i]); err != nil {
			break
		}
		if k, x, ok := dropped(&e); ok && (k.stream == b.Stream || s.recalled(b.Host, k.stream)) {
			note(k, x)
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "batch in the log cannot be read back", slog.Any("tenant", b.Tenant), slog.Any("host", b.Host), slog.Any("err", err))
	}
}

// mayBeDropped looks at the kind alone, which is written first: a start reads every event of the log.
func mayBeDropped(wire []byte) bool {
	n, typ, size := protowire.ConsumeTag(wire)
	if size < 0 || event.Number(n) != event.NKind || typ != protowire.VarintType {
		return true
	}
	kind, _ := protowire.ConsumeVarint(wire[size:])
	return event.Kind(kind) == event.Dropped
}

// recalled says whether the log holds anything of a stream: a notice alone makes none.
func (s *Service) recalled(h event.HostID, stream uint64) bool {
	for _, l := range event.Lanes {
		if s.rebuilt[h][lane{stream, l}] != nil {
			return true
		}
	}
	return false
}

// dropped reads a notice that a range will never come.
func dropped(e *event.Event) (lane, seq.Range, bool) {
	if e.Kind != event.Dropped || e.First == 0 || e.Last < e.First || e.Last > maxSequence || e.Lane > 255 {
		return lane{}, seq.Range{}, false
	}
	return lane{e.Stream, event.Lane(e.Lane)}, seq.Range{First: e.First, Last: e.Last}, true
}
