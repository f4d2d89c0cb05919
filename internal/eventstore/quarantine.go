package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/stream"
)

// Names of hot files that were only written to see whether that works.
const (
	probePrefix = "probe-"
	trialPrefix = "trial-"
)

// trials is how often one record alone must end a fresh worker before it is given up.
const trials = 3

// blame finds out whether a worker died of a record or of itself: a record is to blame only if workers do what is
// known to be good right before and after each of the trials in which one dies of it. Then it goes to quarantine,
// seals pass over it, and the answer is nil. Otherwise nothing is given up and the error says what is wrong.
func (s *Store) blame(ctx context.Context, e Entry, first *death, op string) error {
	last := first
	for range trials {
		if err := s.seals.prove(ctx); err != nil {
			return err
		}
		err := s.tryAlone(ctx, e, op)
		d, dead := errors.AsType[*death](err)
		switch {
		case err == nil:
			return fmt.Errorf("record %d of shard %d passes now, where before: %w", e.Record, e.Shard, first)
		case !dead || !d.suspicious():
			return err
		}
		last = d
	}
	if err := s.seals.prove(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	p := &s.shards[e.Shard]
	p.poisoned[e.Record] = last.Error()
	p.hot = max(p.hot, e.Record)
	s.mu.Unlock()
	s.quarantineRecord(ctx, e.Shard, e.Record, last.Error(), stream.EncodeRecord(e.Batches))
	for i := range e.Batches {
		b := &e.Batches[i]
		s.opts.Quarantined(ctx, Quarantined{
			Shard: e.Shard, Record: e.Record, Batch: i, Tenant: b.Tenant, Host: b.Host,
			StreamLane: StreamLane{b.Stream, b.Lane}, Range: batchRange(b), Reason: last.Error(),
		})
	}
	return nil
}

// tryAlone gives a record alone to a worker and throws away what that makes of it.
func (s *Store) tryAlone(ctx context.Context, e Entry, op string) error {
	q := Request{Op: op, Token: uuid.Must(uuid.NewV7()).String()}
	limit := s.opts.HotTime
	if op == "hot" {
		q.Path = "hot/" + trialPrefix + q.Token + ".parquet"
		defer func() {
			_ = os.Remove(filepath.Join(s.dir, q.Path))
			_ = os.Remove(filepath.Join(s.dir, q.Path+".tmp"))
		}()
	} else {
		limit *= 5
		defer s.forget(q.Token)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := s.seals.do(ctx, q, []Entry{e}, nil)
	return err
}

func (s *Store) quarantineRecord(ctx context.Context, shard int, seq uint64, reason string, raw []byte) {
	q := Quarantined{Shard: shard, Record: seq, Batch: -1, Reason: reason, File: fmt.Sprintf("quarantine/record-%d-%d.bin", shard, seq)}
	path := filepath.Join(s.dir, filepath.FromSlash(q.File))
	if err := errors.Join(os.WriteFile(path, raw, 0o600), os.WriteFile(path+".txt", []byte(reason+"\n"), 0o600)); err != nil {
		s.opts.Log.ErrorContext(ctx, "damaged log record could not be kept in quarantine", slog.Any("err", err))
	}
	s.opts.Log.ErrorContext(ctx, "log record cannot be stored: it is in quarantine and its events are counted as lost; sensors that still hold them send them again",
		slog.Int("shard", shard), slog.Uint64("record", seq), slog.String("reason", reason))
	s.tellKept()
	s.opts.Quarantined(ctx, q)
}
