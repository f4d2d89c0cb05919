//go:build duckdb && duckdb_arrow

package duck

import (
	"context"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"

	"github.com/yagura-edr/yagura/internal/eventstore"
)

// session is a DuckDB instance for one request: it may read and write the folders of that request, has a
// bound on its memory, and its settings are locked. Another request gets another instance.
type session struct {
	connector *duckdb.Connector
	conn      driver.Conn
	arrow     *duckdb.Arrow
}

func open(ctx context.Context, q eventstore.Request, spill bool, dirs ...string) (*session, error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	s := &session{connector: connector}
	if s.conn, err = connector.Connect(ctx); err != nil {
		s.close()
		return nil, fmt.Errorf("connect to duckdb: %w", err)
	}
	temp := ""
	if spill {
		temp = filepath.Join(q.Data, "tmp")
		dirs = append(dirs, temp)
	}
	for i, d := range dirs {
		dirs[i] = text(filepath.Join(q.Data, filepath.FromSlash(strings.TrimPrefix(d, q.Data))))
	}
	for _, statement := range []string{
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET threads = 2",
		"SET preserve_insertion_order = false",
		"SET parquet_metadata_cache = true",
		fmt.Sprintf("SET memory_limit = '%dMiB'", max(q.MemoryMB*6/10, 64)),
		"SET temp_directory = " + text(temp),
		"SET allowed_directories = [" + strings.Join(dirs, ", ") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := s.exec(ctx, statement); err != nil {
			s.close()
			return nil, err
		}
	}
	if s.arrow, err = duckdb.NewArrowFromConn(s.conn); err != nil {
		s.close()
		return nil, fmt.Errorf("use duckdb's arrow interface: %w", err)
	}
	return s, nil
}

func (s *session) exec(ctx context.Context, sql string) error {
	c, ok := s.conn.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("duckdb cannot run a statement")
	}
	if _, err := c.ExecContext(ctx, sql, nil); err != nil {
		return fmt.Errorf("duckdb: %w", err)
	}
	return nil
}

func (s *session) query(ctx context.Context, sql string) (array.RecordReader, error) {
	r, err := s.arrow.QueryContext(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return r, nil
}

func (s *session) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = s.connector.Close()
}

// text gives a SQL string literal.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func list[T any](in []T, each func(T) string) string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = each(v)
	}
	return strings.Join(out, ", ")
}
