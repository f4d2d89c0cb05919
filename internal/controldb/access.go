package controldb

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Access keeps users, links, devices and the audit: it implements access.Store.
type Access struct{ db *DB }

// Access gives the part of the database that package access uses.
func (db *DB) Access() *Access { return &Access{db: db} }

// UserNames lists the names of the users of a tenant.
func (a *Access) UserNames(ctx context.Context, t tenant.ID) ([]string, error) {
	rows, err := a.db.read.QueryContext(ctx, `SELECT name FROM access_user WHERE tenant_id = $1 ORDER BY name`, t.String())
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		out = append(out, n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return out, nil
}

// PutLink keeps l and forgets every other link of the tenant.
func (a *Access) PutLink(ctx context.Context, l access.Link) error {
	return a.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_link WHERE tenant_id = $1`, l.Tenant.String()); err != nil {
			return fmt.Errorf("forget links: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO access_link (tenant_id, hash, expires, used, reset) VALUES ($1, $2, $3, 0, $4)`,
			l.Tenant.String(), hex.EncodeToString(l.Hash[:]), l.Expires, accessFlag(l.Reset)); err != nil {
			return fmt.Errorf("insert link: %w", err)
		}
		return nil
	})
}

// Link finds a link by hash.
func (a *Access) Link(ctx context.Context, t tenant.ID, h access.Hash) (access.Link, error) {
	l := access.Link{Tenant: t, Hash: h}
	var used, reset int64
	err := a.db.read.QueryRowContext(ctx, `SELECT expires, used, reset FROM access_link WHERE tenant_id = $1 AND hash = $2`,
		t.String(), hex.EncodeToString(h[:])).Scan(&l.Expires, &used, &reset)
	if err != nil {
		return l, fmt.Errorf("read link: %w", accessNone(err))
	}
	l.Used, l.Reset = used != 0, reset != 0
	return l, nil
}

// CreateFirstUser uses up the link and inserts u, both or neither.
func (a *Access) CreateFirstUser(ctx context.Context, u access.User, link access.Hash, now int64) error {
	return a.db.tx(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM access_user WHERE tenant_id = $1`, u.Tenant.String()).Scan(&n); err != nil {
			return fmt.Errorf("count users: %w", err)
		}
		if n > 0 {
			return access.ErrSetUp
		}
		return accessUser(ctx, tx, u, link, 0, now)
	})
}

// ReplaceUser uses up a reset link and puts u in the place of every user of the tenant.
func (a *Access) ReplaceUser(ctx context.Context, u access.User, link access.Hash, now int64) error {
	return a.db.tx(ctx, func(tx *sql.Tx) error {
		for _, empty := range []string{
			`DELETE FROM access_device WHERE tenant_id = $1`,
			`DELETE FROM access_user WHERE tenant_id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, empty, u.Tenant.String()); err != nil {
				return fmt.Errorf("%s: %w", empty, err)
			}
		}
		return accessUser(ctx, tx, u, link, 1, now)
	})
}

// accessUser uses up a link and inserts the user that it makes.
func accessUser(ctx context.Context, tx *sql.Tx, u access.User, link access.Hash, reset, now int64) error {
	if err := accessUseLink(ctx, tx, u.Tenant, link, reset, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO access_user (tenant_id, user_id, name, password, totp_sealed, totp_step, created) VALUES ($1, $2, $3, $4, $5, 0, $6)`,
		u.Tenant.String(), u.ID.String(), u.Name, u.Password, base64.StdEncoding.EncodeToString(u.TOTPSealed), u.Created); err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	return nil
}

func accessUseLink(ctx context.Context, tx *sql.Tx, t tenant.ID, link access.Hash, reset, now int64) error {
	r, err := tx.ExecContext(ctx, `UPDATE access_link SET used = $1 WHERE tenant_id = $2 AND hash = $3 AND used = 0 AND expires > $1 AND reset = $4`,
		now, t.String(), hex.EncodeToString(link[:]), reset)
	if err != nil {
		return fmt.Errorf("use link: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(access.ErrLink, err)
	}
	return nil
}

func accessFlag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// UserByName finds a user by exact name.
func (a *Access) UserByName(ctx context.Context, t tenant.ID, name string) (access.User, error) {
	u := access.User{Tenant: t, Name: name}
	var id, sealed string
	err := a.db.read.QueryRowContext(ctx, `SELECT user_id, password, totp_sealed, created FROM access_user WHERE tenant_id = $1 AND name = $2`,
		t.String(), name).Scan(&id, &u.Password, &sealed, &u.Created)
	if err != nil {
		return u, fmt.Errorf("read user: %w", accessNone(err))
	}
	if u.ID, err = parseUser(id); err != nil {
		return u, err
	}
	if u.TOTPSealed, err = base64.StdEncoding.DecodeString(sealed); err != nil {
		return u, fmt.Errorf("read user %s: %w", id, err)
	}
	return u, nil
}

// TakeStep notes a used TOTP step; false when it or a later one was used before.
func (a *Access) TakeStep(ctx context.Context, t tenant.ID, u access.UserID, step int64) (bool, error) {
	r, err := a.db.write.ExecContext(ctx, `UPDATE access_user SET totp_step = $1 WHERE tenant_id = $2 AND user_id = $3 AND totp_step < $1`, step, t.String(), u.String())
	if err != nil {
		return false, fmt.Errorf("take code step: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("take code step: %w", err)
	}
	return n == 1, nil
}

// PutDevice keeps a device, or moves its last use, and forgets the longest unused ones of its user beyond most.
func (a *Access) PutDevice(ctx context.Context, d access.Device, most int) error {
	return a.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO access_device (tenant_id, hash, user_id, used) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, hash) DO UPDATE SET used = $4`, d.Tenant.String(), hex.EncodeToString(d.Hash[:]), d.User.String(), d.Used); err != nil {
			return fmt.Errorf("keep device: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_device WHERE tenant_id = $1 AND user_id = $2 AND hash NOT IN (
    SELECT hash FROM access_device WHERE tenant_id = $1 AND user_id = $2 ORDER BY used DESC, hash LIMIT $3)`,
			d.Tenant.String(), d.User.String(), most); err != nil {
			return fmt.Errorf("forget old devices: %w", err)
		}
		return nil
	})
}

// Device finds a device by hash.
func (a *Access) Device(ctx context.Context, t tenant.ID, h access.Hash) (access.Device, error) {
	d := access.Device{Tenant: t, Hash: h}
	var id string
	err := a.db.read.QueryRowContext(ctx, `SELECT user_id, used FROM access_device WHERE tenant_id = $1 AND hash = $2`,
		t.String(), hex.EncodeToString(h[:])).Scan(&id, &d.Used)
	if err != nil {
		return d, fmt.Errorf("read device: %w", accessNone(err))
	}
	if d.User, err = parseUser(id); err != nil {
		return d, err
	}
	return d, nil
}

// UseLink uses up a reset link.
func (a *Access) UseLink(ctx context.Context, t tenant.ID, link access.Hash, now int64) error {
	return a.db.tx(ctx, func(tx *sql.Tx) error { return accessUseLink(ctx, tx, t, link, 1, now) })
}

// AppendAudit adds a row after the last one.
func (a *Access) AppendAudit(ctx context.Context, e access.Entry) error {
	if _, err := a.db.write.ExecContext(ctx, `INSERT INTO access_audit (tenant_id, number, time, actor, verb, target, detail, peer)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM access_audit WHERE tenant_id = $1`,
		e.Tenant.String(), e.Time, e.Actor, e.Verb, e.Target, e.Detail, e.Peer); err != nil {
		return fmt.Errorf("append audit: %w", err)
	}
	return nil
}

// Audit reads the newest rows, newest first.
func (a *Access) Audit(ctx context.Context, t tenant.ID, limit int) ([]access.Entry, error) {
	rows, err := a.db.read.QueryContext(ctx, `SELECT time, actor, verb, target, detail, peer FROM access_audit WHERE tenant_id = $1 ORDER BY number DESC LIMIT $2`, t.String(), limit)
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []access.Entry
	for rows.Next() {
		e := access.Entry{Tenant: t}
		if err := rows.Scan(&e.Time, &e.Actor, &e.Verb, &e.Target, &e.Detail, &e.Peer); err != nil {
			return nil, fmt.Errorf("read audit: %w", err)
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return all, nil
}

func parseUser(s string) (access.UserID, error) {
	rest, _ := strings.CutPrefix(s, "u-")
	u, err := uuid.Parse(rest)
	if err != nil {
		return access.UserID{}, fmt.Errorf("user id %q: %w", s, err)
	}
	return access.UserID(u), nil
}

func accessNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return access.ErrNotFound
	}
	return err
}
