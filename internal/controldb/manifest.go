package controldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var _ eventstore.Manifest = (*DB)(nil)

// Seal stores the files, the cursor and the settled ranges of one seal in one transaction.
func (db *DB) Seal(ctx context.Context, s eventstore.Seal) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		var at int64
		err := tx.QueryRowContext(ctx, `SELECT record FROM log_cursor WHERE shard = $1`, s.Shard).Scan(&at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read cursor: %w", err)
		}
		if uint64(at)+1 != s.First || s.Last < s.First {
			return fmt.Errorf("cursor stands at %d, the seal is of %d to %d: %w", at, s.First, s.Last, eventstore.ErrStale)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO log_cursor (shard, record) VALUES ($1, $2)
			ON CONFLICT (shard) DO UPDATE SET record = excluded.record`, s.Shard, int64(s.Last)); err != nil {
			return fmt.Errorf("move cursor: %w", err)
		}
		for _, f := range s.Files {
			if err := insertSegment(ctx, tx, f); err != nil {
				return err
			}
		}
		return coverAll(ctx, tx, s.Covered)
	})
	if err != nil {
		return fmt.Errorf("store seal of shard %d: %w", s.Shard, err)
	}
	return nil
}

const segmentColumns = `tenant_id, path, day, group_name, level, min_time, max_time, received, min_host, max_host, row_count, bytes, registry, shard, first_record, last_record, sum, checked, bad`

func insertSegment(ctx context.Context, tx *sql.Tx, f eventstore.File) error {
	if f.Tenant == (tenant.ID{}) {
		return fmt.Errorf("segment %s has no tenant", f.Path)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO segment (`+segmentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		f.Tenant.String(), f.Path, f.Day, f.Group, f.Level, f.MinTime, f.MaxTime, f.Received, f.MinHost, f.MaxHost, f.Rows, f.Bytes, f.Registry, f.Shard, int64(f.First), int64(f.Last), f.Sum, f.Checked, f.Bad)
	if err != nil {
		return fmt.Errorf("insert segment %s: %w", f.Path, err)
	}
	return nil
}

func scanSegments(rows *sql.Rows, err error) (out []eventstore.File, _ error) {
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var f eventstore.File
		var owner string
		var first, last int64
		if err := rows.Scan(&owner, &f.Path, &f.Day, &f.Group, &f.Level, &f.MinTime, &f.MaxTime, &f.Received, &f.MinHost, &f.MaxHost,
			&f.Rows, &f.Bytes, &f.Registry, &f.Shard, &first, &last, &f.Sum, &f.Checked, &f.Bad); err != nil {
			return nil, fmt.Errorf("read segment: %w", err)
		}
		if f.Tenant, err = tenant.Parse(owner); err != nil {
			return nil, fmt.Errorf("read segment %s: %w", f.Path, err)
		}
		f.First, f.Last = uint64(first), uint64(last)
		out = append(out, f)
	}
	return out, rows.Err()
}

func coverAll(ctx context.Context, tx *sql.Tx, all []eventstore.Covered) error {
	type owner struct {
		tenant tenant.ID
		host   event.HostID
	}
	grown := map[owner]bool{}
	for _, c := range all {
		fresh, err := cover(ctx, tx, c)
		if err != nil {
			return err
		}
		if fresh {
			grown[owner{c.Tenant, c.Host}] = true
		}
	}
	for o := range grown {
		if err := forgetSettled(ctx, tx, o.tenant, o.host); err != nil {
			return err
		}
	}
	return nil
}

// cover adds what is settled of a lane; fresh says that nothing of it was before.
func cover(ctx context.Context, tx *sql.Tx, c eventstore.Covered) (fresh bool, err error) {
	name := streamName(c.Stream)
	var text string
	err = tx.QueryRowContext(ctx, `SELECT ranges FROM sealed WHERE tenant_id = $1 AND host_id = $2 AND stream = $3 AND lane = $4`,
		c.Tenant.String(), c.Host.String(), name, int(c.Lane)).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows) && c.Told:
		var any int
		err = tx.QueryRowContext(ctx, `SELECT 1 FROM sealed WHERE tenant_id = $1 AND host_id = $2 AND stream = $3 LIMIT 1`, c.Tenant.String(), c.Host.String(), name).Scan(&any)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil // a stream that was never here
		}
		fresh = true
	case errors.Is(err, sql.ErrNoRows):
		fresh, err = true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what is sealed of %s: %w", c.Host, err)
	}
	have, err := seq.Parse(text)
	if err != nil {
		return false, fmt.Errorf("read what is sealed of %s: %w", c.Host, err)
	}
	for _, r := range c.Ranges {
		have.Add(r)
	}
	have.Limit(eventstore.MaxRanges)
	if len(have) == 0 {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO sealed (tenant_id, host_id, stream, lane, ranges, touched) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, host_id, stream, lane) DO UPDATE SET ranges = excluded.ranges, touched = excluded.touched`,
		c.Tenant.String(), c.Host.String(), name, int(c.Lane), have.String(), time.Now().UnixMicro()); err != nil {
		return false, fmt.Errorf("store what is sealed of %s: %w", c.Host, err)
	}
	return fresh, nil
}

func streamName(stream uint64) string { return fmt.Sprintf("%016x", stream) }

// forgetSettled keeps the eventstore.MaxSettled lanes of a host that changed last.
func forgetSettled(ctx context.Context, tx *sql.Tx, t tenant.ID, h event.HostID) error {
	var oldest int64
	err := tx.QueryRowContext(ctx, `SELECT touched FROM sealed WHERE tenant_id = $1 AND host_id = $2 ORDER BY touched DESC LIMIT 1 OFFSET $3`,
		t.String(), h.String(), eventstore.MaxSettled).Scan(&oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM sealed WHERE tenant_id = $1 AND host_id = $2 AND touched <= $3`, t.String(), h.String(), oldest)
	}
	if err != nil {
		return fmt.Errorf("forget what was sealed of %s long ago: %w", h, err)
	}
	return nil
}

// Snapshot gives the segments that may hold what w wants, and every cursor, of one moment.
func (db *DB) Snapshot(ctx context.Context, w eventstore.Want) (out eventstore.Snapshot, err error) {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return out, fmt.Errorf("read manifest: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if out.Cursors, err = cursors(ctx, tx); err != nil {
		return out, err
	}
	if w.From == 1<<63-1 { // only the positions are wanted
		return out, nil
	}
	where := []string{"tenant_id = $1"}
	args := []any{w.Tenant.String()}
	and := func(condition string, v any) {
		args = append(args, v)
		where = append(where, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
	}
	if w.From != 0 {
		and("max_time >= ?", w.From)
	}
	if w.To != 0 {
		and("min_time < ?", w.To)
	}
	if w.Host != "" {
		and("min_host <= ? AND max_host >= ?", w.Host)
	}
	if len(w.Groups) > 0 {
		var in []string
		for _, g := range w.Groups {
			args = append(args, g)
			in = append(in, "$"+strconv.Itoa(len(args)))
		}
		where = append(where, "group_name IN ("+strings.Join(in, ", ")+")")
	}
	out.Files, err = scanSegments(tx.QueryContext(ctx, `SELECT `+segmentColumns+` FROM segment WHERE `+strings.Join(where, " AND ")+` ORDER BY max_time DESC, path`, args...))
	return out, err
}

func cursors(ctx context.Context, tx *sql.Tx) (out [eventstore.Shards]uint64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT shard, record FROM log_cursor`)
	if err != nil {
		return out, fmt.Errorf("read cursors: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var shard int
		var record int64
		if err := rows.Scan(&shard, &record); err != nil {
			return out, fmt.Errorf("read cursors: %w", err)
		}
		if shard < 0 || shard >= len(out) {
			return out, fmt.Errorf("read cursors: there is no shard %d", shard)
		}
		out[shard] = uint64(record)
	}
	return out, rows.Err()
}

// Segments gives every segment of every tenant.
func (db *DB) Segments(ctx context.Context) ([]eventstore.File, error) {
	return scanSegments(db.read.QueryContext(ctx, `SELECT `+segmentColumns+` FROM segment ORDER BY tenant_id, path`))
}

func dropSegments(ctx context.Context, tx *sql.Tx, files []eventstore.File) error {
	for _, f := range files {
		r, err := tx.ExecContext(ctx, `DELETE FROM segment WHERE tenant_id = $1 AND path = $2`, f.Tenant.String(), f.Path)
		if err != nil {
			return fmt.Errorf("delete segment %s: %w", f.Path, err)
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("segment %s is gone: %w", f.Path, errors.Join(eventstore.ErrStale, err))
		}
	}
	return nil
}

// Swap replaces segments by others in one transaction.
func (db *DB) Swap(ctx context.Context, old, merged []eventstore.File) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if err := dropSegments(ctx, tx, old); err != nil {
			return err
		}
		for _, f := range merged {
			if err := insertSegment(ctx, tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("swap segments: %w", err)
	}
	return nil
}

// Adopt takes files back with what they settle, and drops the rows of those whose events are all in them.
func (db *DB) Adopt(ctx context.Context, files []eventstore.File, covered []eventstore.Covered, gone []eventstore.File) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if err := dropSegments(ctx, tx, gone); err != nil {
			return err
		}
		for _, f := range files {
			if err := insertSegment(ctx, tx, f); err != nil {
				return err
			}
		}
		return coverAll(ctx, tx, covered)
	})
	if err != nil {
		return fmt.Errorf("adopt segments: %w", err)
	}
	return nil
}

// Checked keeps what a look at a segment's bytes gave.
func (db *DB) Checked(ctx context.Context, f eventstore.File) error {
	if _, err := db.write.ExecContext(ctx, `UPDATE segment SET sum = $1, checked = $2, bad = $3 WHERE tenant_id = $4 AND path = $5`,
		f.Sum, f.Checked, f.Bad, f.Tenant.String(), f.Path); err != nil {
		return fmt.Errorf("keep the check of segment %s: %w", f.Path, err)
	}
	return nil
}

// Expire removes the segments whose newest received lies before a time (µs UTC), and gives them.
func (db *DB) Expire(ctx context.Context, before int64) (out []eventstore.File, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		out, err = scanSegments(tx.QueryContext(ctx, `SELECT `+segmentColumns+` FROM segment WHERE received < $1`, before))
		if err != nil || len(out) == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM segment WHERE received < $1`, before); err != nil {
			return fmt.Errorf("delete segments: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("expire segments: %w", err)
	}
	return out, nil
}

// Covered gives what is settled of some lanes of a host, or of all of them when none is named: sealed, in quarantine, or
// dropped by the sensor itself.
func (db *DB) Covered(ctx context.Context, t tenant.ID, h event.HostID, of ...eventstore.StreamLane) (map[eventstore.StreamLane]seq.Set, error) {
	if len(of) == 0 {
		out, err := scanSettled(db.read.QueryContext(ctx, `SELECT stream, lane, ranges FROM sealed WHERE tenant_id = $1 AND host_id = $2`, t.String(), h.String()))
		if err != nil {
			return nil, fmt.Errorf("read what is sealed of %s: %w", h, err)
		}
		return out, nil
	}
	out := make(map[eventstore.StreamLane]seq.Set, len(of))
	for _, k := range of {
		one, err := scanSettled(db.read.QueryContext(ctx, `SELECT stream, lane, ranges FROM sealed WHERE tenant_id = $1 AND host_id = $2 AND stream = $3 AND lane = $4`,
			t.String(), h.String(), streamName(k.Stream), int(k.Lane)))
		if err != nil {
			return nil, fmt.Errorf("read what is sealed of %s: %w", h, err)
		}
		maps.Copy(out, one)
	}
	return out, nil
}

func scanSettled(rows *sql.Rows, err error) (map[eventstore.StreamLane]seq.Set, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[eventstore.StreamLane]seq.Set{}
	for rows.Next() {
		var name, text string
		var lane int
		if err := rows.Scan(&name, &lane, &text); err != nil {
			return nil, err
		}
		id, err := strconv.ParseUint(name, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("stream %q: %w", name, err)
		}
		if out[eventstore.StreamLane{Stream: id, Lane: event.Lane(lane)}], err = seq.Parse(text); err != nil {
			return nil, err
		}
	}
	return out, rows.Err()
}

// SealedThrough gives, per stream and lane of a host, the sequence number up to which everything is
// settled. A sensor may free its spool up to it.
func (db *DB) SealedThrough(ctx context.Context, t tenant.ID, h event.HostID) (map[eventstore.StreamLane]uint64, error) {
	covered, err := db.Covered(ctx, t, h)
	if err != nil {
		return nil, err
	}
	out := make(map[eventstore.StreamLane]uint64, len(covered))
	for k, r := range covered {
		if n := r.Through(); n > 0 {
			out[k] = n
		}
	}
	return out, nil
}
