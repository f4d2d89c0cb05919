package agent

import (
	"context"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	oomScore = "-900" // others are killed first when memory runs out
	niceness = -10    // a fork storm must not starve the sensor until its rings run over
)

// takePrecedence asks the kernel for what a sensor needs on a host that is being flooded: memory and its turn on
// the CPU. Without the rights it goes on as it is.
func (a *Agent) takePrecedence(ctx context.Context) {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(oomScore), 0); err != nil {
		a.log.DebugContext(ctx, "oom score stays", slog.Any("err", err)) // needs CAP_SYS_RESOURCE
	}
	// setpriority(2) works on a thread; threads to come inherit it.
	tasks, err := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, perr := strconv.Atoi(t.Name()); perr == nil && err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, id, niceness)
		}
	}
	// With autogroups (sched(7)) a nice value counts inside its session only, so the session's own counts, too,
	// where it is ours alone.
	if sid, serr := unix.Getsid(0); err == nil && serr == nil && sid == os.Getpid() {
		err = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(niceness)), 0)
	}
	if err != nil {
		a.log.DebugContext(ctx, "priority stays", slog.Any("err", err)) // needs CAP_SYS_NICE; autogroup is optional
	}
}
