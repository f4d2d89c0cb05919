// Command lane is the inside of dev/lane.sh. In a guest it asks the sensor what the kernel lets it see, acts,
// looks for each act in `yagura-sensor watch`, and runs the tests of the sensor's packages; on the host it puts
// the answers of several kernels into the table of docs/kernels.md. It leaves nothing behind: the guest's disk is memory.
// For dev/lane-hosts.sh it is the outside: two guests, a server, an attack that goes from one to the other (hosts.go).
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const home = "/lane"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "guest":
		r := &report{out: stdout}
		guest(r)
		r.say("end %d", min(r.failed, 1))
		return min(r.failed, 1)
	case len(args) > 2 && args[0] == "table":
		if err := table(args[1], args[2:]); err != nil {
			_, _ = fmt.Fprintf(stderr, "lane: %v\n", err)
			return 1
		}
		return 0
	case len(args) > 1 && args[0] == "hosts":
		if err := runHosts(args[1:], stdout); err != nil {
			_, _ = fmt.Fprintf(stderr, "lane: %v\n", err)
			return 1
		}
		return 0
	default:
		if len(args) > 0 {
			if act, ok := acts[args[0]]; ok {
				if err := act(args[1:]); err != nil {
					_, _ = fmt.Fprintf(stderr, "lane: %s: %v\n", args[0], err)
					return 1
				}
				return 0
			}
		}
		_, _ = fmt.Fprintln(stderr, "lane: this is the inside of dev/lane.sh: run that")
		return 2
	}
}

// report prints lines that dev/lane.sh tells from those of the kernel.
type report struct {
	out    io.Writer
	failed int
}

func (r *report) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, "lane| "+format+"\n", args...)
}

// row is one line of the table: what, whether, and what was wrong.
func (r *report) row(what string, err error) {
	if err == nil {
		r.say("%-36s yes", what)
		return
	}
	r.failed++
	r.say("%-36s NO   %v", what, err)
}

func guest(r *report) {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	r.say("kernel %s", strings.TrimSpace(string(release)))
	only, _ := os.ReadFile(filepath.Join(home, "run"))
	if len(only) == 0 {
		check(r, strings.TrimSpace(string(release)))
		smoke(r)
	}
	for _, name := range []string{"probe", "sight", "contain"} {
		tests(r, name, strings.TrimSpace(string(only)))
	}
}

var (
	verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)
	skipped = regexp.MustCompile(`(?m)^ +(\S+_test\.go:.*)\n--- SKIP: (\S+)`)
)

// notHere are tests that need a rate which emulation does not reach, or a compiler. The number of a process in a container is looked
// for 100 ms, which a guest on a busy machine exceeds: the event has none then.
const notHere = "TestMemoryOpenedInAContainer|TestOneLoudProcessIsThrottledAndCounted|TestLoudProcessCannotHide|TestAnInterruptedLook|Storm"

// tests runs the tests of one package of the sensor: all, or only those of a pattern.
func tests(r *report, name, only string) {
	begin := time.Now()
	cmd := exec.Command(filepath.Join(home, name+".test"), "-test.v", "-test.timeout=12m", "-test.skip="+notHere, "-test.run="+only)
	cmd.Dir = "/tmp"
	b, err := cmd.CombinedOutput()
	out := string(b)
	count := map[string][]string{}
	for _, m := range verdict.FindAllStringSubmatch(out, -1) {
		count[m[1]] = append(count[m[1]], m[2])
	}
	what := fmt.Sprintf("tests of %s", name)
	if err == nil {
		r.row(what, nil)
	} else {
		r.row(what, fmt.Errorf("%w: %s", err, strings.Join(count["FAIL"], " ")))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "--- PASS") || strings.HasPrefix(line, "=== ") || (len(lines)-i > 60 && !strings.Contains(line, "_test.go") && !strings.HasPrefix(line, "---")) {
				continue
			}
			r.say("    %s", line)
		}
	}
	r.say("    %.0f s: %d passed, %d failed, %d skipped %s", time.Since(begin).Seconds(), len(count["PASS"]), len(count["FAIL"]), len(count["SKIP"]), strings.Join(count["SKIP"], " "))
	for _, m := range skipped.FindAllStringSubmatch(out, -1) {
		r.say("    %s: skipped: %s", m[2], m[1])
	}
}
