//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
)

// maxAbove is how far up from its root a tree looks.
const maxAbove = 16

// tree answers with the processes below and above one process of a host, and with the events that
// describe them. Each process has one parent, the first it was seen with, so the walk cannot branch
// back; depth and rows are bounded all the same, because a host can say anything.
func tree(ctx context.Context, f *eventstore.Frames, q eventstore.Request) (a eventstore.Answer, err error) {
	root, err := event.ParseKey(q.Process)
	if err != nil {
		return a, err
	}
	s, err := open(ctx, q, false, folders(q)...)
	if err != nil {
		return a, err
	}
	defer s.close()
	if err := s.checkTenant(ctx, q); err != nil {
		return a, err
	}
	base := q
	base.Process, base.Kinds = "", nil
	where, err := predicate(base)
	if err != nil {
		return a, err
	}
	files := source(q, q.Segments, q.Hot)
	if files == "" {
		return a, nil
	}
	link := fmt.Sprintf(`link AS MATERIALIZED (
		SELECT child, arg_min(parent, time) AS parent FROM (
			SELECT actor_key AS child, parent_key AS parent, time FROM (%[1]s) WHERE %[2]s
			UNION ALL SELECT target_key, actor_key, time FROM (%[1]s) WHERE %[2]s AND kind = %[3]d
		) WHERE child IS NOT NULL AND parent IS NOT NULL AND child <> parent GROUP BY child)`, files, where, event.ProcessFork)
	sql := fmt.Sprintf(`WITH RECURSIVE %s,
		down(key, parent, depth) AS (
			SELECT %[2]s, coalesce((SELECT parent FROM link WHERE child = %[2]s), ''), 0
			UNION ALL SELECT link.child, link.parent, depth + 1 FROM down JOIN link ON link.parent = down.key WHERE depth < %[3]d AND link.child <> %[2]s),
		up(key, parent, depth) AS (
			SELECT %[2]s, coalesce((SELECT parent FROM link WHERE child = %[2]s), ''), 0
			UNION ALL SELECT up.parent, coalesce((SELECT l.parent FROM link AS l WHERE l.child = up.parent), ''), depth - 1 FROM up WHERE up.parent <> '' AND depth > -%[4]d)
		SELECT key, parent, CAST(depth AS BIGINT) FROM (SELECT * FROM down UNION ALL SELECT * FROM up WHERE depth < 0) ORDER BY abs(depth), depth, key LIMIT %[5]d`,
		link, text(root.String()), q.Depth, maxAbove, q.Limit+1)
	if a.Links, err = s.links(ctx, sql); err != nil {
		return a, err
	}
	if len(a.Links) > q.Limit {
		a.Links, a.Truncated = a.Links[:q.Limit], true
	}
	keys := list(a.Links, func(l eventstore.Link) string { return text(l.Key) })
	about := base
	about.Limit = q.Limit * 4
	rows, more, err := s.newest(ctx, about, fmt.Sprintf("%s AND (kind IN (%d, %d, %d, %d) AND actor_key IN (%s) OR kind = %d AND target_key IN (%s))", where,
		event.ProcessExec, event.ProcessExit, event.ProcessRunning, event.ProcessImageHashed, keys, event.ProcessFork, keys))
	if err != nil {
		return a, err
	}
	a.Truncated = a.Truncated || more
	a.Rows = int64(len(rows))
	return a, writeRows(f, rows)
}

func (s *session) links(ctx context.Context, sql string) (out []eventstore.Link, err error) {
	r, err := s.query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	for r.Next() {
		rec := r.RecordBatch()
		key, ok1 := rec.Column(0).(*array.String)
		parent, ok2 := rec.Column(1).(*array.String)
		depth, ok3 := rec.Column(2).(*array.Int64)
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("links of the tree have another type")
		}
		for i := range int(rec.NumRows()) {
			out = append(out, eventstore.Link{Key: strings.Clone(key.Value(i)), Parent: strings.Clone(parent.Value(i)), Depth: int(depth.Value(i))})
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return out, nil
}
