//go:build duckdb && duckdb_arrow && !linux

package duck

import "runtime/debug"

func confine(budgetMB int) { debug.SetMemoryLimit(int64(budgetMB) << 20 * 8 / 10) }
