//go:build duckdb && duckdb_arrow

package duck

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
)

// filesPerStep is how many segments one statement reads. They come newest first, so an answer with a
// limit seldom needs a second step.
const filesPerStep = 64

const rowsPerFrame = 512 << 10

func events(ctx context.Context, f *eventstore.Frames, q eventstore.Request) (a eventstore.Answer, err error) {
	s, err := open(ctx, q, false, folders(q)...)
	if err != nil {
		return a, err
	}
	defer s.close()
	if err := s.checkTenant(ctx, q); err != nil {
		return a, err
	}
	where, err := predicate(q)
	if err != nil {
		return a, err
	}
	rows, truncated, err := s.newest(ctx, q, where)
	if err != nil {
		return a, err
	}
	a.Truncated, a.Rows = truncated, int64(len(rows))
	return a, writeRows(f, rows)
}

func folders(q eventstore.Request) []string {
	return []string{filepath.Join("segments", q.Tenant), "hot"}
}

// found is one row of an answer.
type found struct {
	id     event.ID
	time   int64
	bootNS uint64
	wire   []byte
}

func newestFirst(a, b found) int {
	return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(b.bootNS, a.bootNS), cmp.Compare(b.id.Seq, a.id.Seq),
		bytes.Compare(a.id.Host[:], b.id.Host[:]), cmp.Compare(a.id.Stream, b.id.Stream), cmp.Compare(a.id.Lane, b.id.Lane))
}

// newest gives at most q.Limit rows, newest first, each event once. It reads hot files first and then
// the segments newest first, and stops as soon as no unread file can hold a newer row.
func (s *session) newest(ctx context.Context, q eventstore.Request, where string) (rows []found, truncated bool, err error) {
	segments := slices.Clone(q.Segments)
	slices.SortFunc(segments, func(a, b eventstore.File) int { return cmp.Compare(b.MaxTime, a.MaxTime) })
	seen := map[event.ID]bool{}
	hot := q.Hot
	for len(hot) > 0 || len(segments) > 0 {
		n := min(filesPerStep, len(segments))
		step := segments[:n]
		segments = segments[n:]
		if rows, err = s.step(ctx, q, where, step, hot, seen, rows); err != nil {
			return nil, false, err
		}
		hot = nil
		slices.SortFunc(rows, newestFirst)
		if len(rows) > q.Limit {
			rows, truncated = rows[:q.Limit], true
		}
		if len(rows) == q.Limit && len(segments) > 0 && rows[q.Limit-1].time > segments[0].MaxTime {
			return rows, true, nil
		}
	}
	return rows, truncated, nil
}

func (s *session) step(ctx context.Context, q eventstore.Request, where string, segments []eventstore.File, hot []string, seen map[event.ID]bool, rows []found) ([]found, error) {
	// Duplicates take places of a limit; there are few, in hot files only, after a crash.
	from, limit := source(q, segments, hot), q.Limit+1+len(seen)
	// The time of the last row wanted is found first, from one column: then all columns are read only where
	// a row can be among the newest.
	oldest, err := s.number(ctx, fmt.Sprintf("SELECT min(time) FROM (SELECT time FROM (%s) WHERE %s ORDER BY time DESC LIMIT %d)", from, where, limit))
	if err != nil || oldest == nil {
		return rows, err
	}
	r, err := s.query(ctx, fmt.Sprintf("SELECT * FROM (%s) WHERE %s AND time >= %d ORDER BY time DESC, boot_ns DESC, seq DESC, host, stream, lane LIMIT %d", from, where, *oldest, limit))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	d, err := segment.NewDecoder(r.Schema())
	if err != nil {
		return nil, err
	}
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			id, err := d.ID(rec, i)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errUnreadable, err)
			}
			if seen[id] {
				continue
			}
			seen[id] = true
			x := found{id: id}
			if x.wire, err = d.Wire(nil, rec, i); err != nil {
				return nil, fmt.Errorf("event %s: %w: %w", id, errUnreadable, err)
			}
			if x.time, x.bootNS, err = d.Order(rec, i); err != nil {
				return nil, fmt.Errorf("event %s: %w: %w", id, errUnreadable, err)
			}
			rows = append(rows, x)
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return rows, nil
}

// number gives the one number of an answer, nil when it is NULL.
func (s *session) number(ctx context.Context, sql string) (*int64, error) {
	r, err := s.query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var n *int64
	for r.Next() {
		c, ok := r.RecordBatch().Column(0).(*array.Int64)
		if !ok {
			return nil, fmt.Errorf("a number has type %s", r.RecordBatch().Column(0).DataType())
		}
		if c.Len() > 0 && !c.IsNull(0) {
			v := c.Value(0)
			n = &v
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return n, nil
}

// source names the files of a snapshot. The rows of hot files that are sealed by now are left out there,
// so that a row is read once.
func source(q eventstore.Request, segments []eventstore.File, hot []string) string {
	var parts []string
	if len(segments) > 0 {
		parts = append(parts, "SELECT * FROM read_parquet(["+list(segments, func(f eventstore.File) string {
			return text(filepath.Join(q.Data, filepath.FromSlash(f.Path)))
		})+"], union_by_name = true)")
	}
	if len(hot) > 0 {
		var cursor strings.Builder
		for shard, c := range q.Cursors {
			fmt.Fprintf(&cursor, " WHEN %d THEN %d", shard, c)
		}
		parts = append(parts, "SELECT * EXCLUDE (shard, record) FROM read_parquet(["+list(hot, func(p string) string {
			return text(filepath.Join(q.Data, filepath.FromSlash(p)))
		})+"], union_by_name = true) WHERE record > CASE shard"+cursor.String()+" END")
	}
	return strings.Join(parts, " UNION ALL BY NAME ")
}

// predicate is the WHERE of a request: the tenant always, and only numbers and our own text forms, which
// are parsed here again before they enter a statement.
func predicate(q eventstore.Request) (string, error) {
	w, err := tenantIs(q)
	if err != nil {
		return "", err
	}
	and := []string{w}
	if q.Host != "" {
		h, err := event.ParseHostID(q.Host)
		if err != nil {
			return "", err
		}
		and = append(and, "host = "+text(h.String()))
	}
	if q.Process != "" {
		k, err := event.ParseKey(q.Process)
		if err != nil {
			return "", err
		}
		and = append(and, fmt.Sprintf("(actor_key = %[1]s OR target_key = %[1]s)", text(k.String())))
	}
	if q.From != 0 {
		and = append(and, "time >= "+strconv.FormatInt(q.From, 10))
	}
	if q.To != 0 {
		and = append(and, "time < "+strconv.FormatInt(q.To, 10))
	}
	if len(q.Kinds) > 0 {
		and = append(and, "kind IN ("+list(q.Kinds, func(k event.Kind) string { return strconv.Itoa(int(k)) })+")")
	}
	if len(q.IDs) > 0 {
		w, err := idIn(q.IDs)
		if err != nil {
			return "", err
		}
		and = append(and, w)
	}
	return strings.Join(and, " AND "), nil
}

func idIn(ids []string) (string, error) {
	type sequence struct {
		host   event.HostID
		stream uint64
		lane   event.Lane
	}
	seqs := map[sequence][]uint64{}
	var order []sequence
	for _, s := range ids {
		id, err := event.ParseID(s)
		if err != nil {
			return "", err
		}
		k := sequence{id.Host, id.Stream, id.Lane}
		if seqs[k] == nil {
			order = append(order, k)
		}
		seqs[k] = append(seqs[k], id.Seq)
	}
	return "(" + strings.Join(slices.Collect(func(yield func(string) bool) {
		for _, k := range order {
			if !yield(fmt.Sprintf("(host = %s AND stream = %d AND lane = %d AND seq IN (%s))", text(k.host.String()), k.stream, k.lane,
				list(seqs[k], func(n uint64) string { return strconv.FormatUint(n, 10) }))) {
				return
			}
		}
	}), " OR ") + ")", nil
}

func writeRows(f *eventstore.Frames, rows []found) error {
	var b []byte
	for _, r := range rows {
		b = eventstore.AppendRow(b, r.id, r.wire)
		if len(b) > rowsPerFrame {
			if err := f.WriteRows(b); err != nil {
				return &brokenPipe{err}
			}
			b = b[:0]
		}
	}
	if len(b) > 0 {
		if err := f.WriteRows(b); err != nil {
			return &brokenPipe{err}
		}
	}
	return nil
}
