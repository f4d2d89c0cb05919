package eventstore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ending is how a worker process came to its end.
type ending string

// The endings. Only the last three can be a request's doing.
const (
	unborn     ending = "did not start"
	murdered   ending = "was killed from outside" // by the kernel's OOM killer, or by somebody
	starved    ending = "lacked memory or threads"
	crashed    ending = "crashed"
	overweight ending = "passed its memory"
	hung       ending = "did not answer in its time"
)

// death is a worker process that ended, or was ended, with no answer.
type death struct {
	role   string
	how    ending
	state  string // exit status or signal
	stderr string
	err    error
}

func (d *death) Error() string {
	text := fmt.Sprintf("%s worker %s", d.role, d.how)
	if d.state != "" {
		text += " (" + d.state + ")"
	}
	if d.err != nil {
		text += ": " + d.err.Error()
	}
	if last := lastLine(d.stderr); last != "" {
		text += ": " + last
	}
	return text
}

func (d *death) Unwrap() error { return d.err }

// ErrNoWorker is what the death of a worker that no request caused is for those outside.
var ErrNoWorker = errors.New("no worker of the event store works")

// Is makes it that.
func (d *death) Is(target error) bool { return target == ErrNoWorker && !d.suspicious() }

// suspicious says whether the request may have done it.
func (d *death) suspicious() bool {
	return d.how == crashed || d.how == overweight || d.how == hung
}

// autopsy says how a process that was reaped ended. ours is how we ended it, if we did.
func (w *worker) autopsy(role string, ours ending, err error) *death {
	d := &death{role: role, how: ours, stderr: w.stderr.String(), err: err, state: stateOf(w.cmd.ProcessState)}
	if ours != "" {
		return d
	}
	d.how = crashed
	switch ws, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case ok && ws.Signaled() && (ws.Signal() == syscall.SIGKILL || ws.Signal() == syscall.SIGTERM):
		if !w.alive { // it was dead before we killed it
			d.how = murdered
		}
	case lacked(d.stderr):
		d.how = starved
	}
	return d
}

func stateOf(s *os.ProcessState) string {
	if s == nil {
		return ""
	}
	return s.String()
}

// lacked says whether a process ended for want of what the host gives. Then the same request passes elsewhere, or
// later.
func lacked(stderr string) bool {
	for _, sign := range []string{
		"failed to create new OS thread", "pthread_create failed", "cannot allocate memory", "Resource temporarily unavailable",
		"runtime: out of memory", "no space left on device", "too many open files",
	} {
		if strings.Contains(stderr, sign) {
			return true
		}
	}
	return false
}

// lastLine gives the first line that says what happened: a Go program's stack follows it.
func lastLine(stderr string) string {
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "runtime:") || strings.HasPrefix(line, "SIG") {
			return line
		}
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
