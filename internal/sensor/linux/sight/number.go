package sight

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// hostPID gives the number that the host has for the process which actor calls n: in a container, /proc/59/mem is not of the
// host's 59. 0 when the process is not found; n itself when actor is of the host or has gone.
func hostPID(proc string, actor, n uint64) uint64 {
	ns, err := os.Readlink(filepath.Join(proc, strconv.FormatUint(actor, 10), "ns/pid"))
	own, ownErr := os.Readlink(filepath.Join(proc, "self/ns/pid"))
	if err != nil || ownErr != nil || ns == own || n == 0 {
		return n
	}
	all, err := os.ReadDir(proc)
	if err != nil {
		return n
	}
	want := strconv.FormatUint(n, 10)
	for _, d := range all {
		pid, err := strconv.ParseUint(d.Name(), 10, 32)
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, d.Name())
		// The link first: it costs a tenth of the status, and few of a host's processes are in that namespace.
		if at, err := os.Readlink(filepath.Join(dir, "ns/pid")); err == nil && at == ns && innermost(filepath.Join(dir, "status")) == want {
			return pid
		}
	}
	return 0
}

// innermost gives the number of a process in its own namespace; empty when it has gone.
func innermost(status string) string {
	b, err := os.ReadFile(status)
	if err != nil {
		return ""
	}
	_, rest, ok := bytes.Cut(b, []byte("\nNSpid:"))
	if !ok {
		return ""
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	numbers := bytes.Fields(line)
	if len(numbers) == 0 {
		return ""
	}
	return string(numbers[len(numbers)-1])
}
