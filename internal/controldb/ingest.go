package controldb

import (
	"context"
	"fmt"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Ingest keeps the list of quarantined batches and reads the manifest's positions: it implements
// ingest.Cellar and ingest.Manifest.
type Ingest struct{ db *DB }

// Ingest gives the part of the database that package ingest uses.
func (db *DB) Ingest() *Ingest { return &Ingest{db: db} }

// SaveQuarantine inserts a quarantined batch.
func (i *Ingest) SaveQuarantine(ctx context.Context, q ingest.Quarantined) error {
	if _, err := i.db.write.ExecContext(ctx, `INSERT INTO quarantine (tenant_id, host_id, quarantine_id, stream, lane, first_seq, events, received, lost, reason, file) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		q.Tenant.String(), q.Host.String(), q.ID, fmt.Sprintf("%016x", q.Stream), int64(q.Lane), int64(q.First), int64(q.Events), q.Received, int64(q.Lost), q.Reason, q.File); err != nil { //nolint:gosec // bounded by ingest
		return fmt.Errorf("insert quarantine: %w", err)
	}
	return nil
}

// Cursors reads the last sealed record of each shard.
func (i *Ingest) Cursors(ctx context.Context) (out [stream.Shards]uint64, err error) {
	rows, err := i.db.read.QueryContext(ctx, `SELECT shard, record FROM log_cursor`)
	if err != nil {
		return out, fmt.Errorf("read cursors: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var shard int
		var record uint64
		if err := rows.Scan(&shard, &record); err != nil {
			return out, fmt.Errorf("read cursor: %w", err)
		}
		if shard >= 0 && shard < len(out) {
			out[shard] = record
		}
	}
	return out, done(rows, "cursors")
}

// Settled reads what the manifest says is done with of a host.
func (i *Ingest) Settled(ctx context.Context, t tenant.ID, h event.HostID) ([]ingest.Settled, error) {
	covered, err := i.db.Covered(ctx, t, h)
	if err != nil {
		return nil, err
	}
	out := make([]ingest.Settled, 0, len(covered))
	for k, r := range covered {
		s := ingest.Settled{Stream: k.Stream, Lane: k.Lane, Ranges: make([]ingest.Range, len(r))}
		for n, x := range r {
			s.Ranges[n] = ingest.Range{First: x.First, Last: x.Last}
		}
		out = append(out, s)
	}
	return out, nil
}
