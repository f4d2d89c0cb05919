//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/segment"
)

// compact merges segments of one tenant and group into one sorted file, in the folder of the first one's day. What it makes is fsynced
// under its final name before it answers; the manifest is the parent's matter.
func compact(ctx context.Context, q eventstore.Request) (a eventstore.Answer, err error) {
	if len(q.Merge) == 0 {
		return a, fmt.Errorf("nothing to merge")
	}
	out := q.Merge[0]
	q.Tenant, q.Segments = out.Tenant.String(), q.Merge
	folder := filepath.Dir(filepath.FromSlash(out.Path))
	if err := os.MkdirAll(filepath.Join(q.Data, "tmp"), 0o700); err != nil {
		return a, fmt.Errorf("merge: %w", err)
	}
	folders := []string{folder}
	for _, f := range q.Merge {
		if d := filepath.Dir(filepath.FromSlash(f.Path)); !slices.Contains(folders, d) {
			folders = append(folders, d)
		}
	}
	s, err := open(ctx, q, true, folders...)
	if err != nil {
		return a, err
	}
	defer s.close()
	if err := s.checkTenant(ctx, q); err != nil {
		return a, err
	}
	out.Level, out.Shard, out.First, out.Last, out.Rows, out.Checked = q.Level, -1, 0, 0, 0, 0
	for _, f := range q.Merge {
		if f.Tenant != out.Tenant || f.Group != out.Group {
			return a, fmt.Errorf("merge of %s and %s: they are not of one tenant and group", q.Merge[0].Path, f.Path)
		}
		out.Rows += f.Rows
		out.MinTime, out.MaxTime = min(out.MinTime, f.MinTime), max(out.MaxTime, f.MaxTime)
		out.MinHost, out.MaxHost = min(out.MinHost, f.MinHost), max(out.MaxHost, f.MaxHost)
		out.Received, out.Registry = max(out.Received, f.Received), max(out.Registry, f.Registry)
	}
	out.Path = filepath.ToSlash(filepath.Join(folder, q.Token+".parquet"))
	final := filepath.Join(q.Data, filepath.FromSlash(out.Path))
	tmp := final + ".tmp"
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
			_ = os.Remove(final)
		}
	}()
	err = s.exec(ctx, fmt.Sprintf(`COPY (SELECT * FROM (%s) ORDER BY host, time, boot_ns, seq) TO %s (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE 122880,
		KV_METADATA {%s: 'segment', %s: %s, %s: %s, %s: %s})`, source(q, q.Merge, nil), text(tmp),
		text(segment.MetaMagic), text(segment.MetaTenant), text(q.Tenant), text(segment.MetaVersion), text(strconv.Itoa(segment.Version)),
		text(segment.MetaRegistry), text(strconv.Itoa(registry.Version))))
	if err != nil {
		return a, err
	}
	rows, err := s.number(ctx, "SELECT CAST(num_rows AS BIGINT) FROM parquet_file_metadata(["+text(tmp)+"])")
	if err != nil {
		return a, err
	}
	if rows == nil || *rows != out.Rows {
		return a, fmt.Errorf("merge of %d rows gave another number: the old files stay", out.Rows)
	}
	if out.Bytes, out.Sum, err = segment.Settle(tmp, final); err != nil {
		return a, err
	}
	a.Files, a.Rows = []eventstore.File{out}, out.Rows
	return a, nil
}
