//go:build !duckdb || !duckdb_arrow

package main

// hasStore says that this build is a command line only.
const hasStore = false
