//go:build duckdb && duckdb_arrow && !linux

package duck

import "runtime/debug"

// confine bounds Go's part of the memory.
func confine(budgetMB int) (calls int, err error) {
	debug.SetMemoryLimit(int64(budgetMB) << 20 * 8 / 10)
	return 0, nil
}
