package controldb

import (
	"context"
	"fmt"

	"github.com/yagura-edr/yagura/internal/ingest"
)

// Ingest keeps the list of quarantined batches: it implements ingest.Cellar.
type Ingest struct{ db *DB }

// Ingest gives the part of the database that package ingest uses.
func (db *DB) Ingest() *Ingest { return &Ingest{db: db} }

// SaveQuarantine inserts a quarantined batch.
func (i *Ingest) SaveQuarantine(ctx context.Context, q ingest.Quarantined) error {
	if _, err := i.db.write.ExecContext(ctx, `INSERT INTO quarantine (tenant_id, host_id, quarantine_id, stream, lane, first_seq, events, received, lost, reason, file) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		q.Tenant.String(), q.Host.String(), q.ID, fmt.Sprintf("%016x", q.Stream), int64(q.Lane), int64(q.First), int64(q.Events), q.Received, int64(q.Lost), q.Reason, q.File); err != nil {
		return fmt.Errorf("insert quarantine: %w", err)
	}
	return nil
}
