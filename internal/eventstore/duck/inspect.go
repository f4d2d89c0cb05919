//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// inspect reads one file whole and says what a manifest row of it would say, and which events it holds.
// It believes nothing that stands outside the file but its path.
func inspect(ctx context.Context, f *eventstore.Frames, q eventstore.Request) (a eventstore.Answer, err error) {
	s, err := open(ctx, q, false, filepath.Dir(filepath.FromSlash(q.Path)))
	if err != nil {
		return a, err
	}
	defer s.close()
	name := text(filepath.Join(q.Data, filepath.FromSlash(q.Path)))
	meta, err := s.meta(ctx, name)
	if err != nil {
		return a, err
	}
	out := eventstore.File{Path: q.Path, Shard: -1, Level: 1}
	if meta[segment.MetaMagic] == "segment" {
		if out.Tenant, err = tenant.Parse(meta[segment.MetaTenant]); err != nil {
			return a, fmt.Errorf("%s: %w", q.Path, err)
		}
	} else if meta[segment.MetaMagic] != "hot" {
		return a, fmt.Errorf("%s is not a file of ours: its metadata says format %q", q.Path, meta[segment.MetaMagic])
	}
	if _, err := fmt.Sscan(meta[segment.MetaRegistry], &out.Registry); err != nil {
		return a, fmt.Errorf("%s names no registry version: %w", q.Path, err)
	}
	if err := s.describe(ctx, name, &out); err != nil {
		return a, err
	}
	if out.Tenant != (tenant.ID{}) {
		if err := s.oneOwner(ctx, name, &out); err != nil {
			return a, err
		}
	}
	a.Files, a.Rows = []eventstore.File{out}, out.Rows
	return a, s.spans(ctx, f, name)
}

func (s *session) meta(ctx context.Context, name string) (map[string]string, error) {
	r, err := s.query(ctx, "SELECT decode(key), decode(value) FROM parquet_kv_metadata(["+name+"])")
	if err != nil {
		return nil, err
	}
	defer r.Release()
	out := map[string]string{}
	for r.Next() {
		keys, ok1 := r.RecordBatch().Column(0).(*array.String)
		values, ok2 := r.RecordBatch().Column(1).(*array.String)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("metadata of %s has another type", name)
		}
		for i := range keys.Len() {
			out[string([]byte(keys.Value(i)))] = string([]byte(values.Value(i)))
		}
	}
	return out, readError(r.Err())
}

// describe fills in times, hosts and rows.
func (s *session) describe(ctx context.Context, name string, out *eventstore.File) error {
	r, err := s.query(ctx, "SELECT CAST(min(time) AS BIGINT), CAST(max(time) AS BIGINT), CAST(max(received) AS BIGINT), CAST(count(*) AS BIGINT), min(host), max(host) FROM read_parquet("+name+")")
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		rec := r.RecordBatch()
		for i, to := range []*int64{&out.MinTime, &out.MaxTime, &out.Received, &out.Rows} {
			c, ok := rec.Column(i).(*array.Int64)
			if !ok || c.Len() != 1 || c.IsNull(0) {
				return fmt.Errorf("%s holds no event", name)
			}
			*to = c.Value(0)
		}
		for i, to := range []*string{&out.MinHost, &out.MaxHost} {
			c, ok := rec.Column(4 + i).(*array.String)
			if !ok || c.Len() != 1 {
				return fmt.Errorf("%s names no host", name)
			}
			*to = string([]byte(c.Value(0)))
		}
	}
	out.Day = segment.Day(out.MinTime)
	return readError(r.Err())
}

// oneOwner refuses a segment whose rows are not all of the tenant and the group it must be of.
func (s *session) oneOwner(ctx context.Context, name string, out *eventstore.File) error {
	r, err := s.query(ctx, "SELECT DISTINCT tenant, CAST(kind AS BIGINT) FROM read_parquet("+name+")")
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		owners, ok1 := r.RecordBatch().Column(0).(*array.String)
		kinds, ok2 := r.RecordBatch().Column(1).(*array.Int64)
		if !ok1 || !ok2 {
			return fmt.Errorf("tenant and kind of %s have another type", name)
		}
		for i := range owners.Len() {
			group := event.Kind(kinds.Value(i)).Group()
			if owners.Value(i) != out.Tenant.String() || out.Group != "" && out.Group != group {
				return fmt.Errorf("%s holds events of more than one tenant or group", name)
			}
			out.Group = group
		}
	}
	return readError(r.Err())
}

// spans sends the sequence numbers of the file.
func (s *session) spans(ctx context.Context, f *eventstore.Frames, name string) error {
	r, err := s.query(ctx, `SELECT tenant, host, stream, CAST(lane AS UBIGINT), min(seq), max(seq) FROM (
		SELECT tenant, host, stream, lane, seq, CAST(seq AS HUGEINT) - row_number() OVER (PARTITION BY tenant, host, stream, lane ORDER BY seq) AS island
		FROM (SELECT DISTINCT tenant, host, stream, lane, seq FROM read_parquet(`+name+`))) GROUP BY tenant, host, stream, lane, island`)
	if err != nil {
		return err
	}
	defer r.Release()
	var b []byte
	for r.Next() {
		rec := r.RecordBatch()
		var texts [2]*array.String
		var numbers [4]*array.Uint64
		ok := true
		for i := range texts {
			c, is := rec.Column(i).(*array.String)
			texts[i], ok = c, ok && is
		}
		for i := range numbers {
			c, is := rec.Column(2 + i).(*array.Uint64)
			numbers[i], ok = c, ok && is
		}
		if !ok {
			return fmt.Errorf("ids of %s have another type", name)
		}
		for i := range int(rec.NumRows()) {
			t, err := tenant.Parse(texts[0].Value(i))
			if err != nil {
				return err
			}
			h, err := event.ParseHostID(texts[1].Value(i))
			if err != nil {
				return err
			}
			b = eventstore.AppendSpan(b, t, h, eventstore.StreamLane{Stream: numbers[0].Value(i), Lane: event.Lane(numbers[1].Value(i))},
				seq.Range{First: numbers[2].Value(i), Last: numbers[3].Value(i)})
			if len(b) > rowsPerFrame {
				if err := f.WriteRows(b); err != nil {
					return &brokenPipe{err}
				}
				b = b[:0]
			}
		}
	}
	if err := readError(r.Err()); err != nil {
		return err
	}
	if len(b) > 0 {
		if err := f.WriteRows(b); err != nil {
			return &brokenPipe{err}
		}
	}
	return nil
}

func readError(err error) error {
	if err != nil {
		return fmt.Errorf("duckdb: %w", err)
	}
	return nil
}
