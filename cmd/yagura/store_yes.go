//go:build duckdb && duckdb_arrow

package main

// hasStore says that this build carries the event store.
const hasStore = true
