//go:build !duckdb || !duckdb_arrow

package duck

import (
	"context"
	"io"
)

// Main gives ErrNoStore.
func Main(context.Context, string, io.Reader, io.Writer) error { return ErrNoStore }
