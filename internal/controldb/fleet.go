package controldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Fleet keeps hosts, boots and enrolment tokens: it implements fleet.Store.
type Fleet struct{ db *DB }

// Fleet gives the part of the database that package fleet uses.
func (db *DB) Fleet() *Fleet { return &Fleet{db: db} }

// AddHost inserts a host.
func (f *Fleet) AddHost(ctx context.Context, h fleet.Host) error {
	_, err := f.db.write.ExecContext(ctx, `INSERT INTO host (tenant_id, host_id, name, os, kernel, version, machine, enrolled, last_seen, revoked, boot, clock_skew, spool_events, spool_bytes, addresses, recording, twice)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		h.Tenant.String(), h.ID.String(), h.Name, h.OS, h.Kernel, h.Version, h.Machine, h.Enrolled, h.LastSeen, h.Revoked, h.Boot, h.ClockSkew,
		int64(h.SpoolEvents), int64(h.SpoolBytes), strings.Join(h.Addresses, " "), h.Recording, h.Twice)
	if err != nil {
		return fmt.Errorf("insert host: %w", err)
	}
	return nil
}

// SaveHosts updates what hosts say of themselves, all in one transaction.
func (f *Fleet) SaveHosts(ctx context.Context, hosts []fleet.Host) error {
	return f.db.tx(ctx, func(tx *sql.Tx) error {
		for _, h := range hosts {
			if _, err := tx.ExecContext(ctx, `UPDATE host SET name = $3, os = $4, kernel = $5, version = $6, last_seen = $7, boot = $8, clock_skew = $9, spool_events = $10, spool_bytes = $11, addresses = $12, twice = $13
				WHERE tenant_id = $1 AND host_id = $2`,
				h.Tenant.String(), h.ID.String(), h.Name, h.OS, h.Kernel, h.Version, h.LastSeen, h.Boot, h.ClockSkew,
				int64(h.SpoolEvents), int64(h.SpoolBytes), strings.Join(h.Addresses, " "), h.Twice); err != nil {
				return fmt.Errorf("update host %s: %w", h.ID, err)
			}
		}
		return nil
	})
}

// Hosts reads every host of every tenant.
func (f *Fleet) Hosts(ctx context.Context) ([]fleet.Host, error) {
	rows, err := f.db.read.QueryContext(ctx, `SELECT tenant_id, host_id, name, os, kernel, version, machine, enrolled, last_seen, revoked, boot, clock_skew, spool_events, spool_bytes, addresses, recording, twice FROM host`)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	defer rows.Close()
	var out []fleet.Host
	for rows.Next() {
		var h fleet.Host
		var t, id, addresses string
		var spoolEvents, spoolBytes int64 // a host may say more than fits with a sign: the bits are kept
		if err := rows.Scan(&t, &id, &h.Name, &h.OS, &h.Kernel, &h.Version, &h.Machine, &h.Enrolled, &h.LastSeen, &h.Revoked, &h.Boot, &h.ClockSkew, &spoolEvents, &spoolBytes, &addresses, &h.Recording, &h.Twice); err != nil {
			return nil, fmt.Errorf("read host: %w", err)
		}
		if h.Tenant, h.ID, err = names(t, id); err != nil {
			return nil, err
		}
		h.SpoolEvents, h.SpoolBytes, h.Addresses = uint64(spoolEvents), uint64(spoolBytes), strings.Fields(addresses)
		out = append(out, h)
	}
	return out, done(rows, "hosts")
}

// RevokeHost marks a host as revoked, the first time only.
func (f *Fleet) RevokeHost(ctx context.Context, t tenant.ID, h event.HostID, at int64) error {
	if _, err := f.db.write.ExecContext(ctx, `UPDATE host SET revoked = $3 WHERE tenant_id = $1 AND host_id = $2 AND revoked = 0`, t.String(), h.String(), at); err != nil {
		return fmt.Errorf("update host: %w", err)
	}
	return nil
}

// AddToken inserts a token and forgets those that ended long ago.
func (f *Fleet) AddToken(ctx context.Context, k fleet.Token) error {
	return f.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM enrol_token WHERE tenant_id = $1 AND expires < $2`, k.Tenant.String(), k.Created-fleet.KeepEnded.Microseconds()); err != nil {
			return fmt.Errorf("forget enrolment tokens: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO enrol_token (tenant_id, token_id, hash, created, expires, uses_left, created_by, recording) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			k.Tenant.String(), k.ID, k.Hash, k.Created, k.Expires, k.UsesLeft, k.CreatedBy, k.Recording); err != nil {
			return fmt.Errorf("insert enrolment token: %w", err)
		}
		return nil
	})
}

// Tokens reads every token.
func (f *Fleet) Tokens(ctx context.Context) ([]fleet.Token, error) {
	rows, err := f.db.read.QueryContext(ctx, `SELECT tenant_id, token_id, hash, created, expires, uses_left, created_by, recording FROM enrol_token`)
	if err != nil {
		return nil, fmt.Errorf("read enrolment tokens: %w", err)
	}
	defer rows.Close()
	var out []fleet.Token
	for rows.Next() {
		var k fleet.Token
		var t string
		if err := rows.Scan(&t, &k.ID, &k.Hash, &k.Created, &k.Expires, &k.UsesLeft, &k.CreatedBy, &k.Recording); err != nil {
			return nil, fmt.Errorf("read enrolment token: %w", err)
		}
		if k.Tenant, err = tenant.Parse(t); err != nil {
			return nil, fmt.Errorf("read enrolment token: %w", err)
		}
		out = append(out, k)
	}
	return out, done(rows, "enrolment tokens")
}

// UseToken takes one use in one statement, so that two callers cannot share the last.
func (f *Fleet) UseToken(ctx context.Context, t tenant.ID, id string, now int64) (bool, error) {
	res, err := f.db.write.ExecContext(ctx, `UPDATE enrol_token SET uses_left = uses_left - 1 WHERE tenant_id = $1 AND token_id = $2 AND uses_left > 0 AND expires >= $3`, t.String(), id, now)
	if err != nil {
		return false, fmt.Errorf("update enrolment token: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("update enrolment token: %w", err)
	}
	return n == 1, nil
}

// maxBoots of a host are kept: as many as a spool could hold batches of.
const maxBoots = 16

// SaveBoot keeps the clock of a boot and forgets the oldest.
func (f *Fleet) SaveBoot(ctx context.Context, t tenant.ID, h event.HostID, b fleet.Boot) error {
	return f.db.tx(ctx, func(tx *sql.Tx) error {
		bends, err := json.Marshal(b.Bends)
		if err != nil {
			return fmt.Errorf("save boot: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO host_boot (tenant_id, host_id, boot_id, clock, seen, bends) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, host_id, boot_id) DO UPDATE SET clock = excluded.clock, seen = excluded.seen, bends = excluded.bends`, t.String(), h.String(), b.ID, b.Offset, b.Seen, string(bends)); err != nil {
			return fmt.Errorf("save boot: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM host_boot WHERE tenant_id = $1 AND host_id = $2 AND boot_id NOT IN
			(SELECT boot_id FROM host_boot WHERE tenant_id = $1 AND host_id = $2 ORDER BY seen DESC LIMIT $3)`, t.String(), h.String(), maxBoots); err != nil {
			return fmt.Errorf("forget boots: %w", err)
		}
		return nil
	})
}

// Boots reads the clocks of a host's boots, newest first.
func (f *Fleet) Boots(ctx context.Context, t tenant.ID, h event.HostID) ([]fleet.Boot, error) {
	rows, err := f.db.read.QueryContext(ctx, `SELECT boot_id, clock, seen, bends FROM host_boot WHERE tenant_id = $1 AND host_id = $2 ORDER BY seen DESC LIMIT $3`, t.String(), h.String(), maxBoots)
	if err != nil {
		return nil, fmt.Errorf("read boots: %w", err)
	}
	defer rows.Close()
	var out []fleet.Boot
	for rows.Next() {
		var b fleet.Boot
		var bends string
		if err := rows.Scan(&b.ID, &b.Offset, &b.Seen, &bends); err != nil {
			return nil, fmt.Errorf("read boot: %w", err)
		}
		if err := json.Unmarshal([]byte(bends), &b.Bends); err != nil {
			return nil, fmt.Errorf("read bends of boot %s: %w", b.ID, err)
		}
		out = append(out, b)
	}
	return out, done(rows, "boots")
}

// names reads the two ids that open most primary keys.
func names(t, h string) (tenant.ID, event.HostID, error) {
	a, err := tenant.Parse(t)
	if err != nil {
		return a, event.HostID{}, fmt.Errorf("read row: %w", err)
	}
	b, err := event.ParseHostID(h)
	if err != nil {
		return a, b, fmt.Errorf("read row: %w", err)
	}
	return a, b, nil
}

// done gives the error that ended a reading, if one did.
func done(rows *sql.Rows, what string) error {
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}
