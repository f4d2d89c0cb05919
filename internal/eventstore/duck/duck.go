// Package duck is what a `yagura worker` process runs: it writes Parquet files and answers queries over
// them with DuckDB. It is the only package that knows DuckDB; without the build tags duckdb and
// duckdb_arrow it says so and does nothing. The server process never calls it.
package duck

import "errors"

// ErrNoStore is what a build without DuckDB answers.
var ErrNoStore = errors.New("this build has no event store: install the server build")
