//go:build duckdb && duckdb_arrow

package duck

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// confine bounds the process's memory and its system calls, for good, and gives how many calls are left to it. Go
// collects early, and the kernel refuses what goes far beyond: twice the budget and a little, because reserved
// memory counts there, not only used memory.
func confine(budgetMB int) (calls int, err error) {
	debug.SetMemoryLimit(int64(budgetMB) << 20 * 8 / 10)
	limit := uint64(2*budgetMB+512) << 20
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit})
	// A core file would hold customers' events, and so does this process's memory.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	return filter()
}
