package controldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Incidents keeps incidents: it implements incident.Store.
type Incidents struct{ db *DB }

// Incidents gives the part of the database that package incident uses.
func (db *DB) Incidents() *Incidents { return &Incidents{db: db} }

const incidentColumns = `tenant_id, incident_id, title_en, title_ja, severity, why_en, why_ja, state, verdict, reason, owner, first, last, hosts, hostnames,
	detections, processes, attack, entry_en, entry_ja, route, user_name, created, updated, unseen, merged_into`

// SaveIncident inserts or replaces the incident; what people set (state, verdict, reason, owner) stays.
func (s *Incidents) SaveIncident(ctx context.Context, k incident.Kept, added []detection.Detection) error {
	r := k.Row
	hosts := make([]string, len(r.Hosts))
	for i, h := range r.Hosts {
		hosts[i] = h.String()
	}
	var lists [3]string
	for i, l := range [][]string{hosts, r.Hostnames, r.ATTACK} {
		if l == nil {
			l = []string{}
		}
		b, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("save incident %s: %w", r.ID, err)
		}
		lists[i] = string(b)
	}
	t, id := r.Tenant.String(), r.ID.String()
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO incident (tenant_id, incident_id, title_en, title_ja, severity, why_en, why_ja, state, first, last, hosts, hostnames,
				detections, processes, attack, entry_en, entry_ja, route, user_name, created, updated, unseen, story)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
			ON CONFLICT (tenant_id, incident_id) DO UPDATE SET title_en = excluded.title_en, title_ja = excluded.title_ja, severity = excluded.severity,
				why_en = excluded.why_en, why_ja = excluded.why_ja, first = excluded.first, last = excluded.last, hosts = excluded.hosts, hostnames = excluded.hostnames,
				detections = excluded.detections, processes = excluded.processes, attack = excluded.attack, entry_en = excluded.entry_en, entry_ja = excluded.entry_ja,
				route = excluded.route, user_name = excluded.user_name, updated = excluded.updated, unseen = excluded.unseen, story = excluded.story`,
			t, id, r.Title.En, r.Title.Ja, int(r.Severity), r.Why.En, r.Why.Ja, string(r.State), r.First, r.Last, lists[0], lists[1],
			r.Detections, r.Processes, lists[2], r.Entry.En, r.Entry.Ja, r.Route, r.User, r.Created, r.Updated, r.Unseen, k.Story); err != nil {
			return fmt.Errorf("save incident %s: %w", id, err)
		}
		for i := range added {
			if err := insertDetection(ctx, tx, &added[i]); err != nil {
				return fmt.Errorf("save detection %s: %w", added[i].ID, err)
			}
			if _, err := tx.ExecContext(ctx, `UPDATE detection SET incident_id = $3 WHERE tenant_id = $1 AND detection_id = $2`, t, added[i].ID, id); err != nil {
				return fmt.Errorf("join detection %s to %s: %w", added[i].ID, id, err)
			}
		}
		for _, m := range k.Members {
			if _, err := tx.ExecContext(ctx, `INSERT INTO incident_process (tenant_id, process, incident_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t, m.String(), id); err != nil {
				return fmt.Errorf("save member of %s: %w", id, err)
			}
		}
		return nil
	})
}

// MergeIncident moves detections and members of from to into; from stays as a pointer.
func (s *Incidents) MergeIncident(ctx context.Context, tn tenant.ID, from, into incident.ID) error {
	t, a, b := tn.String(), from.String(), into.String()
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{
			`UPDATE detection SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2`,
			`INSERT INTO incident_process (tenant_id, process, incident_id) SELECT tenant_id, process, $3 FROM incident_process WHERE tenant_id = $1 AND incident_id = $2 ON CONFLICT DO NOTHING`,
			`UPDATE incident SET merged_into = $3 WHERE tenant_id = $1 AND incident_id = $2`,
		} {
			if _, err := tx.ExecContext(ctx, q, t, a, b); err != nil {
				return fmt.Errorf("merge incident %s into %s: %w", a, b, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM incident_process WHERE tenant_id = $1 AND incident_id = $2`, t, a); err != nil {
			return fmt.Errorf("merge incident %s into %s: %w", a, b, err)
		}
		return nil
	})
}

// SetIncidentState sets what c says and the owner of an incident that is in the state from, or in any when it is empty,
// and keeps c in the history.
func (s *Incidents) SetIncidentState(ctx context.Context, t tenant.ID, id incident.ID, from incident.State, owner string, c incident.Change) error {
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE incident SET state = $3, verdict = $4, reason = $5, owner = $6, updated = $7, unseen = 0
			WHERE tenant_id = $1 AND incident_id = $2 AND ($8 = '' OR state = $8)`,
			t.String(), id.String(), string(c.State), c.Verdict, c.Text, owner, c.At, string(from))
		if err != nil {
			return fmt.Errorf("set state of incident %s: %w", id, err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			if err := there(ctx, tx, t, id); err != nil {
				return err
			}
			return incident.ErrMoved
		}
		return addChange(ctx, tx, t, id, c)
	})
}

// there says whether the tenant has the incident.
func there(ctx context.Context, tx *sql.Tx, t tenant.ID, id incident.ID) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM incident WHERE tenant_id = $1 AND incident_id = $2`, t.String(), id.String()).Scan(&n); err != nil {
		return fmt.Errorf("find incident %s: %w", id, err)
	}
	if n == 0 {
		return incident.ErrNotFound
	}
	return nil
}

// AddIncidentNote keeps a note: a change without a state.
func (s *Incidents) AddIncidentNote(ctx context.Context, t tenant.ID, id incident.ID, c incident.Change) error {
	return s.db.tx(ctx, func(tx *sql.Tx) error {
		if err := there(ctx, tx, t, id); err != nil {
			return err
		}
		c.State, c.Verdict = "", ""
		return addChange(ctx, tx, t, id, c)
	})
}

// addChange adds a line to the history, later than every line before it: the clock may give two changes one
// microsecond or go back, and neither may be lost nor change places.
func addChange(ctx context.Context, tx *sql.Tx, t tenant.ID, id incident.ID, c incident.Change) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO incident_change (tenant_id, incident_id, at, state, verdict, reason, who)
		SELECT $1, $2, CASE WHEN MAX(at) >= $3 THEN MAX(at) + 1 ELSE $3 END, $4, $5, $6, $7 FROM incident_change WHERE tenant_id = $1 AND incident_id = $2`,
		t.String(), id.String(), c.At, string(c.State), c.Verdict, c.Text, c.Who); err != nil {
		return fmt.Errorf("note change of incident %s: %w", id, err)
	}
	return nil
}

// IncidentHistory gives the changes and notes of an incident and of those merged into it, oldest first.
func (s *Incidents) IncidentHistory(ctx context.Context, t tenant.ID, id incident.ID) ([]incident.Change, error) {
	rows, err := s.db.read.QueryContext(ctx, `WITH RECURSIVE one (incident_id) AS (
			VALUES ($2)
			UNION
			SELECT i.incident_id FROM incident i JOIN one ON i.merged_into = one.incident_id WHERE i.tenant_id = $1
		)
		SELECT c.at, c.who, c.state, c.verdict, c.reason FROM incident_change c JOIN one ON c.incident_id = one.incident_id WHERE c.tenant_id = $1 ORDER BY c.at, c.incident_id LIMIT 1000`,
		t.String(), id.String())
	if err != nil {
		return nil, fmt.Errorf("read history of incident %s: %w", id, err)
	}
	defer rows.Close()
	var out []incident.Change
	for rows.Next() {
		var c incident.Change
		var state string
		if err := rows.Scan(&c.At, &c.Who, &state, &c.Verdict, &c.Text); err != nil {
			return nil, fmt.Errorf("read history of incident %s: %w", id, err)
		}
		c.State = incident.State(state)
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read history of incident %s: %w", id, err)
	}
	return out, nil
}

// Incidents gives rows of a tenant and how many there are without the limit; merged ones are left out.
func (s *Incidents) Incidents(ctx context.Context, t tenant.ID, q incident.Query) ([]incident.Row, int, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 500
	}
	open, worst := 0, 0
	if q.Open {
		open = 1
	}
	if q.WorstFirst {
		worst = 1
	}
	where := `FROM incident WHERE tenant_id = $1 AND merged_into = '' AND ($2 = '' OR state = $2) AND ($3 = 0 OR state <> 'closed') AND ($4 = 0 OR severity = $4)`
	args := []any{t.String(), string(q.State), open, int(q.Severity)}
	like := func(columns, word string) {
		args = append(args, "%"+likeEscaper.Replace(word)+"%")
		where += fmt.Sprintf(` AND lower(%s) LIKE lower($%d) ESCAPE '\'`, columns, len(args))
	}
	if q.Host != "" {
		name, err := json.Marshal(q.Host)
		if err != nil {
			return nil, 0, fmt.Errorf("list incidents: %w", err)
		}
		like(`(hosts || hostnames)`, string(name))
	}
	words := strings.Fields(q.Text)
	for _, w := range words[:min(len(words), maxSearchWords)] {
		// What hosts make stands last: LIKE ends at a NUL, which would hide all that stands after it.
		like(`(incident_id || ' ' || verdict || ' ' || attack || ' ' || owner || ' ' || hostnames || ' ' || reason || ' ' || title_ja || ' ' || title_en || ' ' || entry_ja || ' ' || entry_en || ' ' || user_name)`, w)
	}
	var total int
	if err := s.db.read.QueryRowContext(ctx, `SELECT COUNT(*) `+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count incidents: %w", err)
	}
	args = append(args, worst, limit)
	rows, err := s.rows(ctx, fmt.Sprintf(`SELECT %s %s ORDER BY CASE WHEN $%d = 1 THEN severity ELSE 0 END DESC, created DESC, incident_id DESC LIMIT $%d`, incidentColumns, where, len(args)-1, len(args)), args...)
	return rows, total, err
}

// maxSearchWords bounds what one search costs.
const maxSearchWords = 10

// OpenIncidentCounts counts the incidents of a tenant that are not closed, by severity.
func (s *Incidents) OpenIncidentCounts(ctx context.Context, t tenant.ID) (map[detection.Severity]int, error) {
	rows, err := s.db.read.QueryContext(ctx, `SELECT severity, COUNT(*) FROM incident WHERE tenant_id = $1 AND merged_into = '' AND state <> 'closed' GROUP BY severity`, t.String())
	if err != nil {
		return nil, fmt.Errorf("count open incidents: %w", err)
	}
	defer rows.Close()
	out := map[detection.Severity]int{}
	for rows.Next() {
		var severity, n int
		if err := rows.Scan(&severity, &n); err != nil {
			return nil, fmt.Errorf("count open incidents: %w", err)
		}
		out[detection.Severity(severity)] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count open incidents: %w", err)
	}
	return out, nil
}

// OpenIncidents gives unmerged incidents of every tenant that changed since, oldest first.
func (s *Incidents) OpenIncidents(ctx context.Context, since int64) ([]incident.Row, error) {
	return s.rows(ctx, `SELECT `+incidentColumns+` FROM incident WHERE merged_into = '' AND updated >= $1 ORDER BY created, incident_id`, since)
}

// Incident gives one incident with its story and members.
func (s *Incidents) Incident(ctx context.Context, t tenant.ID, id incident.ID) (incident.Kept, error) {
	rows, err := s.rows(ctx, `SELECT `+incidentColumns+` FROM incident WHERE tenant_id = $1 AND incident_id = $2`, t.String(), id.String())
	if err != nil {
		return incident.Kept{}, err
	}
	if len(rows) == 0 {
		return incident.Kept{}, incident.ErrNotFound
	}
	k := incident.Kept{Row: rows[0]}
	if err := s.db.read.QueryRowContext(ctx, `SELECT story FROM incident WHERE tenant_id = $1 AND incident_id = $2`, t.String(), id.String()).Scan(&k.Story); err != nil {
		return incident.Kept{}, fmt.Errorf("read story of %s: %w", id, err)
	}
	list, err := s.db.read.QueryContext(ctx, `SELECT process FROM incident_process WHERE tenant_id = $1 AND incident_id = $2 ORDER BY process`, t.String(), id.String())
	if err != nil {
		return incident.Kept{}, fmt.Errorf("read members of %s: %w", id, err)
	}
	defer list.Close()
	for list.Next() {
		var p string
		if err := list.Scan(&p); err != nil {
			return incident.Kept{}, fmt.Errorf("read members of %s: %w", id, err)
		}
		ref, err := event.ParseRef(p)
		if err != nil {
			return incident.Kept{}, fmt.Errorf("read members of %s: %w", id, err)
		}
		k.Members = append(k.Members, ref)
	}
	if err := list.Err(); err != nil {
		return incident.Kept{}, fmt.Errorf("read members of %s: %w", id, err)
	}
	return k, nil
}

// IncidentDetections gives the detections of an incident, by time.
func (s *Incidents) IncidentDetections(ctx context.Context, t tenant.ID, id incident.ID) ([]detection.Detection, error) {
	return s.detections(ctx, `SELECT tenant_id, `+detectionColumns+` FROM detection WHERE tenant_id = $1 AND incident_id = $2 ORDER BY event_time, detection_id LIMIT 5000`, t.String(), id.String())
}

// IncidentOf gives the incident of a detection.
func (s *Incidents) IncidentOf(ctx context.Context, t tenant.ID, detectionID string) (incident.ID, bool, error) {
	var id string
	err := s.db.read.QueryRowContext(ctx, `SELECT incident_id FROM detection WHERE tenant_id = $1 AND detection_id = $2`, t.String(), detectionID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) || err == nil && id == "" {
		return incident.ID{}, false, nil
	}
	if err != nil {
		return incident.ID{}, false, fmt.Errorf("read incident of detection %s: %w", detectionID, err)
	}
	i, err := incident.ParseID(id)
	return i, err == nil, err
}

// Unjoined gives detections since a time that no incident holds.
func (s *Incidents) Unjoined(ctx context.Context, since int64, limit int) ([]detection.Detection, error) {
	return s.detections(ctx, `SELECT tenant_id, `+detectionColumns+` FROM detection WHERE incident_id = '' AND canary = 0 AND detected >= $1 ORDER BY detected DESC LIMIT $2`, since, limit)
}

func (s *Incidents) detections(ctx context.Context, query string, args ...any) ([]detection.Detection, error) {
	rows, err := s.db.read.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // closed below; the closure hides it
	if err != nil {
		return nil, fmt.Errorf("read detections: %w", err)
	}
	defer rows.Close()
	var out []detection.Detection
	for rows.Next() {
		var name string
		k, err := scanDetection(tenant.ID{}, func(to ...any) error { return rows.Scan(append([]any{&name}, to...)...) })
		if err != nil {
			return nil, err
		}
		if k.Tenant, err = tenant.Parse(name); err != nil {
			return nil, fmt.Errorf("read detection %s: %w", k.ID, err)
		}
		out = append(out, k.Detection)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read detections: %w", err)
	}
	return out, nil
}

func (s *Incidents) rows(ctx context.Context, query string, args ...any) ([]incident.Row, error) {
	list, err := s.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	defer list.Close()
	var out []incident.Row
	for list.Next() {
		r, err := scanIncident(list.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	return out, nil
}

func scanIncident(scan func(...any) error) (incident.Row, error) {
	var r incident.Row
	var t, id, state, hosts, names, attack, merged string
	var sev int
	if err := scan(&t, &id, &r.Title.En, &r.Title.Ja, &sev, &r.Why.En, &r.Why.Ja, &state, &r.Verdict, &r.Reason, &r.Owner, &r.First, &r.Last, &hosts, &names,
		&r.Detections, &r.Processes, &attack, &r.Entry.En, &r.Entry.Ja, &r.Route, &r.User, &r.Created, &r.Updated, &r.Unseen, &merged); err != nil {
		return r, fmt.Errorf("read incident: %w", err)
	}
	r.Severity, r.State = detection.Severity(sev), incident.State(state)
	var err error
	if r.Tenant, err = tenant.Parse(t); err != nil {
		return r, fmt.Errorf("read incident %s: %w", id, err)
	}
	if r.ID, err = incident.ParseID(id); err != nil {
		return r, fmt.Errorf("read incident: %w", err)
	}
	if merged != "" {
		if r.MergedInto, err = incident.ParseID(merged); err != nil {
			return r, fmt.Errorf("read incident %s: %w", id, err)
		}
	}
	var ids []string
	for _, l := range []struct {
		from string
		to   *[]string
	}{{hosts, &ids}, {names, &r.Hostnames}, {attack, &r.ATTACK}} {
		if err := json.Unmarshal([]byte(l.from), l.to); err != nil {
			return r, fmt.Errorf("read incident %s: %w", id, err)
		}
	}
	for _, h := range ids {
		p, err := event.ParseHostID(h)
		if err != nil {
			return r, fmt.Errorf("read incident %s: %w", id, err)
		}
		r.Hosts = append(r.Hosts, p)
	}
	return r, nil
}
