package controldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Detections keeps detections and judged positions: it implements detect.Store, and answers the queue.
type Detections struct{ db *DB }

// Detections gives the part of the database that package detect uses.
func (db *DB) Detections() *Detections { return &Detections{db: db} }

// Judged gives the last judged record of each shard.
func (s *Detections) Judged(ctx context.Context) (map[int]uint64, error) {
	rows, err := s.db.read.QueryContext(ctx, `SELECT shard, through FROM judged`)
	if err != nil {
		return nil, fmt.Errorf("read judged positions: %w", err)
	}
	defer rows.Close()
	out := map[int]uint64{}
	for rows.Next() {
		var shard int
		var through int64
		if err := rows.Scan(&shard, &through); err != nil {
			return nil, fmt.Errorf("read judged positions: %w", err)
		}
		out[shard] = uint64(through)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read judged positions: %w", err)
	}
	return out, nil
}

// SaveJudged moves positions on, never back.
func (s *Detections) SaveJudged(ctx context.Context, through map[int]uint64) error {
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		for shard, seq := range through {
			if _, err := tx.ExecContext(ctx, `INSERT INTO judged (shard, through) VALUES ($1, $2)
				ON CONFLICT (shard) DO UPDATE SET through = excluded.through WHERE excluded.through > judged.through`, shard, int64(seq)); err != nil {
				return fmt.Errorf("save judged position of shard %d: %w", shard, err)
			}
		}
		return nil
	})
}

// SaveDetections keeps detections; one that is there already stays as it is.
func (s *Detections) SaveDetections(ctx context.Context, ds []detection.Detection) error {
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		for i := range ds {
			if err := insertDetection(ctx, tx, &ds[i]); err != nil {
				return fmt.Errorf("save detection %s: %w", ds[i].ID, err)
			}
		}
		return nil
	})
}

func insertDetection(ctx context.Context, tx *sql.Tx, d *detection.Detection) error {
	if d.Tenant == (tenant.ID{}) {
		return errors.New("it has no tenant")
	}
	e := d.Event.Event
	if e == nil {
		e = &event.Event{}
	}
	attack, err := json.Marshal(d.ATTACK)
	if err != nil {
		return fmt.Errorf("techniques: %w", err)
	}
	matched, err := json.Marshal(d.Matched)
	if err != nil {
		return fmt.Errorf("matched fields: %w", err)
	}
	search := searchText(d.Title.En, d.Title.Ja, d.RuleID, e.Actor.Path, e.Actor.CommandLine, e.Actor.UserName, e.File.Path, e.Target.Path, e.RemoteName, d.Event.ID.Host.String())
	_, err = tx.ExecContext(ctx, `INSERT INTO detection (tenant_id, detection_id, rule_id, rule_version, title_en, title_ja, why_en, why_ja, todo_en, todo_ja,
			severity, attack, author, licence, matched, host_id, event_id, event_time, event, detected, canary, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (tenant_id, detection_id) DO NOTHING`,
		d.Tenant.String(), d.ID, d.RuleID, d.RuleVersion, d.Title.En, d.Title.Ja, d.Why.En, d.Why.Ja, d.Todo.En, d.Todo.Ja,
		int(d.Severity), string(attack), d.Author, d.Licence, string(matched), d.Event.ID.Host.String(), d.Event.ID.String(), e.Time, e.Append(nil), d.Detected, boolInt(d.Canary), search)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

// searchText is what the queue's search looks through. A NUL would hide all that stands after it: LIKE ends there.
func searchText(parts ...string) string {
	return strings.ReplaceAll(strings.ToLower(strings.Join(parts, "\n")), "\x00", " ")
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// SaveSuppressed adds to the counts of the hour.
func (s *Detections) SaveSuppressed(ctx context.Context, held []detect.Suppressed) error {
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		for _, h := range held {
			if _, err := tx.ExecContext(ctx, `INSERT INTO detection_suppressed (tenant_id, rule_id, host_id, hour, suppressed, first, last) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (tenant_id, rule_id, host_id, hour) DO UPDATE SET suppressed = detection_suppressed.suppressed + excluded.suppressed, last = excluded.last`,
				h.Tenant.String(), h.RuleID, h.Host.String(), h.From/3_600_000_000, int64(h.Count), h.From, h.To); err != nil {
				return fmt.Errorf("save suppressed count of rule %s: %w", h.RuleID, err)
			}
		}
		return nil
	})
}

// Suppressed gives how many detections were held back on each host since a time, by rule.
func (s *Detections) Suppressed(ctx context.Context, t tenant.ID, since int64) ([]detect.Suppressed, error) {
	rows, err := s.db.read.QueryContext(ctx, `SELECT host_id, rule_id, sum(suppressed), min(first), max(last) FROM detection_suppressed WHERE tenant_id = $1 AND last >= $2 GROUP BY host_id, rule_id ORDER BY host_id, 3 DESC, rule_id`, t.String(), since)
	if err != nil {
		return nil, fmt.Errorf("read suppressed detections: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []detect.Suppressed
	for rows.Next() {
		x := detect.Suppressed{Tenant: t}
		var host string
		var n int64
		if err := rows.Scan(&host, &x.RuleID, &n, &x.From, &x.To); err != nil {
			return nil, fmt.Errorf("read suppressed detections: %w", err)
		}
		if x.Host, err = event.ParseHostID(host); err != nil {
			return nil, fmt.Errorf("read suppressed detections of %q: %w", host, err)
		}
		x.Count = uint64(n)
		out = append(out, x)
	}
	return out, rows.Err()
}

// RuleHits gives how many detections of a tenant each rule made since a time, canaries left out.
func (s *Detections) RuleHits(ctx context.Context, t tenant.ID, since int64) (map[string]uint64, error) {
	return s.count(ctx, `SELECT rule_id, count(*) FROM detection WHERE tenant_id = $1 AND canary = 0 AND detected >= $2 GROUP BY rule_id`, t.String(), since)
}

// SeverityCounts gives how many detections of a tenant there are of each severity since a time.
func (s *Detections) SeverityCounts(ctx context.Context, t tenant.ID, since int64) (map[detection.Severity]uint64, error) {
	m, err := s.count(ctx, `SELECT CAST(severity AS TEXT), count(*) FROM detection WHERE tenant_id = $1 AND canary = 0 AND detected >= $2 GROUP BY severity`, t.String(), since)
	if err != nil {
		return nil, err
	}
	out := make(map[detection.Severity]uint64, len(m))
	for k, n := range m {
		v, err := strconv.ParseUint(k, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("severity %q: %w", k, err)
		}
		out[detection.Severity(v)] = n
	}
	return out, nil
}

func (s *Detections) count(ctx context.Context, query string, args ...any) (map[string]uint64, error) {
	rows, err := s.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count detections: %w", err)
	}
	defer rows.Close()
	out := map[string]uint64{}
	for rows.Next() {
		var k string
		var n int64
		if err := rows.Scan(&k, &n); err != nil {
			return nil, fmt.Errorf("count detections: %w", err)
		}
		out[k] = uint64(n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count detections: %w", err)
	}
	return out, nil
}

const detectionColumns = `detection_id, rule_id, rule_version, title_en, title_ja, why_en, why_ja, todo_en, todo_ja, severity, attack, author, licence, matched, event_id, event, detected, canary, incident_id`

// Detection gives one detection of a tenant; ok is false when there is none of that id.
func (s *Detections) Detection(ctx context.Context, t tenant.ID, id string) (k detect.Kept, ok bool, err error) {
	row := s.db.read.QueryRowContext(ctx, `SELECT `+detectionColumns+` FROM detection WHERE tenant_id = $1 AND detection_id = $2`, t.String(), id)
	k, err = scanDetection(t, row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return detect.Kept{}, false, nil
	}
	return k, err == nil, err
}

// List answers the queue: newest first, a page at a time.
func (s *Detections) List(ctx context.Context, q detect.Query) (detect.Page, error) {
	where := []string{"tenant_id = $1", "canary = $2"}
	args := []any{q.Tenant.String(), boolInt(q.Canary)}
	add := func(clause string, v any) {
		args = append(args, v)
		where = append(where, strings.ReplaceAll(clause, "?", "$"+strconv.Itoa(len(args))))
	}
	if q.Severity != 0 {
		add("severity = ?", int(q.Severity))
	}
	if q.Incident != "" {
		add("incident_id = ?", q.Incident)
	}
	if q.RuleID != "" {
		add("rule_id = ?", q.RuleID)
	}
	if q.Search != "" {
		add(`search LIKE ? ESCAPE '\'`, "%"+likeEscaper.Replace(searchText(q.Search))+"%")
	}
	var page detect.Page
	var total int64
	// The clauses are ours; every value is a parameter.
	if err := s.db.read.QueryRowContext(ctx, `SELECT count(*) FROM detection WHERE `+strings.Join(where, " AND "), args...).Scan(&total); err != nil {
		return page, fmt.Errorf("count detections: %w", err)
	}
	page.Total = uint64(total)
	if q.Cursor != "" {
		at, id, ok := strings.Cut(q.Cursor, "/")
		detected, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return page, fmt.Errorf("cursor %.60q is none of ours: %w", q.Cursor, detect.ErrCursor)
		}
		add("(detected < ? OR (detected = ?", detected)
		add("detection_id < ?))", id)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 200
	}
	limit = min(limit, 1000)
	args = append(args, limit+1)
	//nolint:gosec // the clauses are ours; every value is a parameter
	rows, err := s.db.read.QueryContext(ctx, `SELECT `+detectionColumns+` FROM detection WHERE `+strings.Join(where, " AND ")+
		` ORDER BY detected DESC, detection_id DESC LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return page, fmt.Errorf("list detections: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		k, err := scanDetection(q.Tenant, rows.Scan)
		if err != nil {
			return page, err
		}
		page.Detections = append(page.Detections, k)
	}
	if err := rows.Err(); err != nil {
		return page, fmt.Errorf("list detections: %w", err)
	}
	if len(page.Detections) > limit {
		page.Detections = page.Detections[:limit]
		last := page.Detections[limit-1]
		page.Cursor = strconv.FormatInt(last.Detected, 10) + "/" + last.ID
	}
	return page, nil
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func scanDetection(t tenant.ID, scan func(...any) error) (detect.Kept, error) {
	k := detect.Kept{Detection: detection.Detection{Tenant: t}}
	d := &k.Detection
	var severity, canary int
	var attack, matched, eventID string
	var wire []byte
	if err := scan(&d.ID, &d.RuleID, &d.RuleVersion, &d.Title.En, &d.Title.Ja, &d.Why.En, &d.Why.Ja, &d.Todo.En, &d.Todo.Ja,
		&severity, &attack, &d.Author, &d.Licence, &matched, &eventID, &wire, &d.Detected, &canary, &k.Incident); err != nil {
		return k, fmt.Errorf("read detection: %w", err)
	}
	d.Severity, d.Canary = detection.Severity(severity), canary != 0
	if err := json.Unmarshal([]byte(attack), &d.ATTACK); err != nil {
		return k, fmt.Errorf("read techniques of detection %s: %w", d.ID, err)
	}
	if err := json.Unmarshal([]byte(matched), &d.Matched); err != nil {
		return k, fmt.Errorf("read matched fields of detection %s: %w", d.ID, err)
	}
	id, err := event.ParseID(eventID)
	if err != nil {
		return k, fmt.Errorf("read detection %s: %w", d.ID, err)
	}
	e := new(event.Event)
	if err := e.Decode(wire); err != nil {
		return k, fmt.Errorf("read event of detection %s: %w", d.ID, err)
	}
	d.Event = event.Stamped{ID: id, Event: e}
	return k, nil
}
