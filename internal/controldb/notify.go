package controldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var _ notify.Outbox = (*DB)(nil)

// noticeRow is the stored form of a notice; the key and the tenant have columns of their own.
type noticeRow struct {
	Kind     notify.Kind        `json:"kind"`
	Severity detection.Severity `json:"severity"`
	Title    detection.Said     `json:"title"`
	Summary  detection.Said     `json:"summary"`
	Todo     detection.Said     `json:"todo"`
	Hosts    []string           `json:"hosts"`
	Credits  []string           `json:"credits"`
	Link     string             `json:"link"`
	Time     int64              `json:"time"` // µs UTC
	Channel  string             `json:"channel"`
	Act      *notify.Act        `json:"act,omitempty"` // nil in rows of older versions
}

// PutDelivery implements notify.Outbox.
func (db *DB) PutDelivery(ctx context.Context, d notify.Delivery, limit int) (added bool, err error) {
	n := d.Notice
	if n.Tenant == (tenant.ID{}) || n.Key == "" || d.Channel == "" {
		return false, fmt.Errorf("delivery %q to %q without tenant, key or channel", n.Key, d.Channel)
	}
	row := noticeRow{n.Kind, n.Severity, n.Title, n.Summary, n.Todo, n.Hosts, n.Credits, n.Link, n.Time.UnixMicro(), n.Channel, nil}
	if n.Act.Key != "" {
		row.Act = &n.Act
	}
	body, err := json.Marshal(row)
	if err != nil {
		return false, fmt.Errorf("write notice %s: %w", n.Key, err)
	}
	err = db.tx(ctx, func(tx *sql.Tx) error {
		var there, waiting int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM notify_outbox WHERE tenant_id = $1 AND channel = $2 AND notice_key = $3`,
			n.Tenant.String(), d.Channel, n.Key).Scan(&there); err != nil {
			return fmt.Errorf("look for notice %s: %w", n.Key, err)
		}
		if there > 0 {
			return nil
		}
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM notify_outbox WHERE channel = $1 AND state = $2`,
			d.Channel, string(notify.Pending)).Scan(&waiting); err != nil {
			return fmt.Errorf("count what waits for %s: %w", d.Channel, err)
		}
		if waiting >= limit {
			return notify.ErrFull
		}
		added = true
		_, err := tx.ExecContext(ctx, `INSERT INTO notify_outbox (tenant_id, channel, notice_key, state, attempts, created, due, error, notice)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			n.Tenant.String(), d.Channel, n.Key, string(notify.Pending), d.Attempts, d.Created.UnixMicro(), d.Due.UnixMicro(), d.Error, string(body))
		if err != nil {
			return fmt.Errorf("keep notice %s: %w", n.Key, err)
		}
		return nil
	})
	return added && err == nil, err
}

// DueDeliveries implements notify.Outbox.
func (db *DB) DueDeliveries(ctx context.Context, channel string, now time.Time, limit int) ([]notify.Delivery, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT tenant_id, notice_key, attempts, created, due, error, notice FROM notify_outbox
WHERE channel = $1 AND state = $2 AND due <= $3 ORDER BY created, notice_key LIMIT $4`,
		channel, string(notify.Pending), now.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", channel, err)
	}
	defer rows.Close()
	var out []notify.Delivery
	for rows.Next() {
		var d notify.Delivery
		var tenantID, body string
		var created, due int64
		if err := rows.Scan(&tenantID, &d.Notice.Key, &d.Attempts, &created, &due, &d.Error, &body); err != nil {
			return nil, fmt.Errorf("read the outbox of %s: %w", channel, err)
		}
		var row noticeRow
		if err := json.Unmarshal([]byte(body), &row); err != nil {
			return nil, fmt.Errorf("read notice %s: %w", d.Notice.Key, err)
		}
		id, err := tenant.Parse(tenantID)
		if err != nil {
			return nil, fmt.Errorf("read notice %s: %w", d.Notice.Key, err)
		}
		d.Channel, d.Created, d.Due = channel, time.UnixMicro(created), time.UnixMicro(due)
		d.Notice = notify.Notice{
			Key: d.Notice.Key, Tenant: id, Kind: row.Kind, Severity: row.Severity, Title: row.Title, Summary: row.Summary, Todo: row.Todo,
			Hosts: row.Hosts, Credits: row.Credits, Link: row.Link, Time: time.UnixMicro(row.Time), Channel: row.Channel,
		}
		if row.Act != nil {
			d.Notice.Act = *row.Act
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", channel, err)
	}
	return out, nil
}

// NextDelivery implements notify.Outbox.
func (db *DB) NextDelivery(ctx context.Context, channel string) (due time.Time, ok bool, err error) {
	var at sql.NullInt64
	err = db.read.QueryRowContext(ctx, `SELECT MIN(due) FROM notify_outbox WHERE channel = $1 AND state = $2`, channel, string(notify.Pending)).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, fmt.Errorf("read the outbox of %s: %w", channel, err)
	}
	return time.UnixMicro(at.Int64), at.Valid, nil
}

// SettleDelivery implements notify.Outbox.
func (db *DB) SettleDelivery(ctx context.Context, d notify.Delivery, s notify.State) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET state = $1, attempts = $2, due = $3, error = $4
WHERE tenant_id = $5 AND channel = $6 AND notice_key = $7`,
			string(s), d.Attempts, d.Due.UnixMicro(), d.Error, d.Notice.Tenant.String(), d.Channel, d.Notice.Key)
		if err != nil {
			return fmt.Errorf("settle notice %s of %s: %w", d.Notice.Key, d.Channel, err)
		}
		return nil
	})
}

// ForgetDeliveries implements notify.Outbox. What is still pending stays, whatever its age: the router
// gives it up by name.
func (db *DB) ForgetDeliveries(ctx context.Context, before time.Time) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM notify_outbox WHERE created < $1 AND state <> $2`, before.UnixMicro(), string(notify.Pending))
		if err != nil {
			return fmt.Errorf("forget old notices: %w", err)
		}
		return nil
	})
}
