//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// tenantIs is the predicate that every statement carries. A request without a tenant is refused.
func tenantIs(q eventstore.Request) (string, error) {
	id, err := tenant.Parse(q.Tenant)
	if err != nil {
		return "", err
	}
	if id == (tenant.ID{}) {
		return "", fmt.Errorf("a query without a tenant")
	}
	return "tenant = " + text(id.String()), nil
}

// Errors of a file: one that is of somebody else stops everything, one that cannot be read is passed over by
// the server, which asks again without it and says so.
var (
	errForeign    = errors.New("belongs to another tenant")
	errUnreadable = errors.New("the file is not as it was written")
)

// checkTenant refuses the whole request when a segment of it says in its metadata that it belongs to
// another tenant: a manifest row that points to a foreign file is a breach, not an empty answer.
func (s *session) checkTenant(ctx context.Context, q eventstore.Request) error {
	if len(q.Segments) == 0 {
		return nil
	}
	files := list(q.Segments, func(f eventstore.File) string { return text(filepath.Join(q.Data, filepath.FromSlash(f.Path))) })
	r, err := s.query(ctx, fmt.Sprintf("SELECT file_name, decode(value) FROM parquet_kv_metadata([%s]) WHERE decode(key) = %s", files, text(segment.MetaTenant)))
	if err != nil {
		return err
	}
	defer r.Release()
	checked := map[string]bool{}
	for r.Next() {
		rec := r.RecordBatch()
		names, ok1 := rec.Column(0).(*array.String)
		owners, ok2 := rec.Column(1).(*array.String)
		if !ok1 || !ok2 {
			return fmt.Errorf("metadata of the segments has another type")
		}
		for i := range int(rec.NumRows()) {
			if owners.Value(i) != q.Tenant {
				return fmt.Errorf("segment %s %w: the manifest is wrong", strings.TrimPrefix(names.Value(i), q.Data), errForeign)
			}
			checked[strings.Clone(names.Value(i))] = true // the batch is freed by Next
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("duckdb: %w", err)
	}
	for _, f := range q.Segments {
		if !checked[filepath.Join(q.Data, filepath.FromSlash(f.Path))] {
			return fmt.Errorf("segment %s names no tenant: %w", f.Path, errUnreadable)
		}
	}
	return nil
}
