package agent

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// askers are programs by which the first process is asked to stop something.
var askers = []string{"systemctl", "service", "invoke-rc.d", "deb-systemd-invoke", "shutdown", "reboot", "poweroff", "halt", "init", "telinit"}

// ending says whether a signal ends the sensor rather than stopping it for a while.
func ending(signal uint64) bool {
	s := unix.Signal(signal)
	return s != unix.SIGSTOP && s != unix.SIGTSTP && s != unix.SIGCONT
}

// stopping says whether a signal that does not end the sensor stops it for a while.
func stopping(signal uint64) bool { return unix.Signal(signal) != unix.SIGCONT }

func signalName(signal uint64) string { return unix.SignalName(unix.Signal(signal)) }

// shuttingDown asks the first process whether the host goes down.
func shuttingDown(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "/usr/bin/systemctl", "is-system-running").Output() // a state that is not running is no error of ours
	return strings.TrimSpace(string(out)) == "stopping"
}
