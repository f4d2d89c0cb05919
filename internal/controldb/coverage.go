package controldb

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Coverage keeps the Coverage table, canary proofs and faults: it implements coverage.Store.
type Coverage struct{ db *DB }

// Coverage gives the part of the database that package coverage uses.
func (db *DB) Coverage() *Coverage { return &Coverage{db: db} }

// SaveCoverage inserts or replaces rows and proofs in one transaction.
func (c *Coverage) SaveCoverage(ctx context.Context, rows []coverage.Row, proofs []coverage.Proof) error {
	return c.db.tx(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			if _, err := tx.ExecContext(ctx, `INSERT INTO coverage (tenant_id, host_id, coverage_id, class, from_time, to_time, state, cause, lost, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (tenant_id, host_id, coverage_id) DO UPDATE SET to_time = excluded.to_time, state = excluded.state, cause = excluded.cause, lost = excluded.lost, reason = excluded.reason`,
				r.Tenant.String(), r.Host.String(), r.ID, r.Class, r.From, r.To, string(r.State), string(r.Cause), int64(r.Lost), r.Reason); err != nil {
				return fmt.Errorf("save coverage of %s: %w", r.Host, err)
			}
		}
		for _, p := range proofs {
			if _, err := tx.ExecContext(ctx, `INSERT INTO canary_proof (tenant_id, host_id, proven) VALUES ($1, $2, $3)
				ON CONFLICT (tenant_id, host_id) DO UPDATE SET proven = excluded.proven`, p.Tenant.String(), p.Host.String(), p.At); err != nil {
				return fmt.Errorf("save canary proof of %s: %w", p.Host, err)
			}
		}
		return nil
	})
}

const coverageColumns = `SELECT tenant_id, host_id, coverage_id, class, from_time, to_time, state, cause, lost, reason FROM coverage `

// OpenCoverage reads the open rows of every tenant.
func (c *Coverage) OpenCoverage(ctx context.Context) ([]coverage.Row, error) {
	return c.rows(ctx, coverageColumns+`WHERE to_time = 0 ORDER BY from_time, coverage_id`)
}

// Coverage reads the rows of a tenant that touch [from, to), oldest first; to 0 means no end.
func (c *Coverage) Coverage(ctx context.Context, t tenant.ID, from, to int64) ([]coverage.Row, error) {
	return c.rows(ctx, coverageColumns+`WHERE tenant_id = $1 AND (to_time = 0 OR to_time > $2) AND ($3 = 0 OR from_time < $3) ORDER BY from_time, coverage_id`, t.String(), from, to)
}

func (c *Coverage) rows(ctx context.Context, query string, args ...any) ([]coverage.Row, error) {
	rows, err := c.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", err)
	}
	defer rows.Close()
	var out []coverage.Row
	for rows.Next() {
		var r coverage.Row
		var t, h, state, cause string
		var lost int64 // a host may say more than fits with a sign: the bits are kept
		if err := rows.Scan(&t, &h, &r.ID, &r.Class, &r.From, &r.To, &state, &cause, &lost, &r.Reason); err != nil {
			return nil, fmt.Errorf("read coverage: %w", err)
		}
		if r.Tenant, r.Host, err = names(t, h); err != nil {
			return nil, err
		}
		r.State, r.Cause, r.Lost = coverage.State(state), coverage.Cause(cause), uint64(lost)
		out = append(out, r)
	}
	return out, done(rows, "coverage")
}

// Proofs reads when each host's canary last came through.
func (c *Coverage) Proofs(ctx context.Context) ([]coverage.Proof, error) {
	rows, err := c.db.read.QueryContext(ctx, `SELECT tenant_id, host_id, proven FROM canary_proof`)
	if err != nil {
		return nil, fmt.Errorf("read canary proofs: %w", err)
	}
	defer rows.Close()
	var out []coverage.Proof
	for rows.Next() {
		var p coverage.Proof
		var t, h string
		if err := rows.Scan(&t, &h, &p.At); err != nil {
			return nil, fmt.Errorf("read canary proof: %w", err)
		}
		if p.Tenant, p.Host, err = names(t, h); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, done(rows, "canary proofs")
}

// KnownHosts reads the hosts of every tenant, as coverage needs them.
func (c *Coverage) KnownHosts(ctx context.Context) ([]coverage.Known, error) {
	rows, err := c.db.read.QueryContext(ctx, `SELECT tenant_id, host_id, name, enrolled, last_seen, revoked, recording FROM host`)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	defer rows.Close()
	var out []coverage.Known
	for rows.Next() {
		var k coverage.Known
		var t, h string
		if err := rows.Scan(&t, &h, &k.Name, &k.Enrolled, &k.LastSeen, &k.Revoked, &k.Recording); err != nil {
			return nil, fmt.Errorf("read host: %w", err)
		}
		if k.Tenant, k.Host, err = names(t, h); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, done(rows, "hosts")
}

// SaveFault inserts a fault or renews its words and its end.
func (c *Coverage) SaveFault(ctx context.Context, f coverage.Fault) error {
	if _, err := c.db.write.ExecContext(ctx, `INSERT INTO fault (tenant_id, host_id, kind, class, severity, what_en, what_ja, fix_en, fix_ja, since, until_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (tenant_id, host_id, kind, since) DO UPDATE SET class = excluded.class, severity = excluded.severity, what_en = excluded.what_en, what_ja = excluded.what_ja,
			fix_en = excluded.fix_en, fix_ja = excluded.fix_ja, until_time = excluded.until_time`,
		f.Tenant.String(), f.Host.String(), f.Kind, f.Class, int64(f.Severity), f.What.En, f.What.Ja, f.Fix.En, f.Fix.Ja, f.Since, f.Until); err != nil {
		return fmt.Errorf("save fault %s: %w", f.Kind, err)
	}
	return nil
}

// Faults reads the faults that stand.
func (c *Coverage) Faults(ctx context.Context) ([]coverage.Fault, error) {
	rows, err := c.db.read.QueryContext(ctx, `SELECT tenant_id, host_id, kind, class, severity, what_en, what_ja, fix_en, fix_ja, since FROM fault WHERE until_time = 0`)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	defer rows.Close()
	var out []coverage.Fault
	for rows.Next() {
		var f coverage.Fault
		var t, h string
		var severity uint8
		if err := rows.Scan(&t, &h, &f.Kind, &f.Class, &severity, &f.What.En, &f.What.Ja, &f.Fix.En, &f.Fix.Ja, &f.Since); err != nil {
			return nil, fmt.Errorf("read fault: %w", err)
		}
		if f.Tenant, f.Host, err = names(t, h); err != nil {
			return nil, err
		}
		f.Severity = detection.Severity(severity)
		out = append(out, f)
	}
	return out, done(rows, "faults")
}

// PruneCoverage removes closed rows and ended faults that ended before.
func (c *Coverage) PruneCoverage(ctx context.Context, before int64) error {
	return c.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM coverage WHERE to_time > 0 AND to_time < $1`, before); err != nil {
			return fmt.Errorf("prune coverage: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM fault WHERE until_time > 0 AND until_time < $1`, before); err != nil {
			return fmt.Errorf("prune faults: %w", err)
		}
		return nil
	})
}
