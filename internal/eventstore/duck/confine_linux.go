//go:build duckdb && duckdb_arrow

package duck

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// confine bounds the process's memory: Go collects early, and the kernel refuses what goes far beyond.
// Twice the budget and a little, because reserved memory counts there, not only used memory.
func confine(budgetMB int) {
	debug.SetMemoryLimit(int64(budgetMB) << 20 * 8 / 10)
	limit := uint64(2*budgetMB+512) << 20
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit})
	// A core file would hold customers' events.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
