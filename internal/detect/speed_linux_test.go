package detect_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

// cpu gives the processor time this process used: on a busy machine the wall clock says little.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOwnRules judges the events of a working host with our own rules: one core, decoded events.
func BenchmarkOwnRules(b *testing.B) {
	set, err := rules.Load()
	if err != nil {
		b.Fatal(err)
	}
	p := func(path, args string) event.Process {
		return event.Process{Key: event.LinuxKey(1, 2, 3), PID: 4711, Path: path, CommandLine: args, Cwd: "/home/Alice/Work", UserID: "1000", UserName: "alice", EffectiveUserID: "1000"}
	}
	lanes := map[string]func(i int) *event.Event{
		"exec": func(i int) *event.Event {
			return &event.Event{
				Kind: event.ProcessExec, Actor: p("/usr/lib/go/pkg/tool/linux_amd64/compile", fmt.Sprintf("/usr/lib/go/pkg/tool/linux_amd64/compile -o /tmp/go-build%d/b001/_pkg_.a -trimpath /tmp/go-build%d/b001=> -p example.org/App/thing%d -lang=go1.26 -complete -buildid X -goversion go1.26.8 -c=2 -importcfg importcfg -pack ./a.go ./b.go", i, i, i)),
				Parent: p("/usr/bin/go", "go build ./..."), Ancestors: []string{"/usr/bin/bash", "/usr/bin/tmux", "/usr/lib/systemd/systemd"},
			}
		},
		"shell": func(i int) *event.Event {
			return &event.Event{Kind: event.ProcessExec, Actor: p("/usr/bin/dash", fmt.Sprintf("/bin/sh -c test -f /usr/include/A%d.h && echo yes || echo no", i)), Parent: p("/usr/bin/make", "make -j4 all"), Ancestors: []string{"/usr/bin/bash"}}
		},
		"file": func(i int) *event.Event {
			return &event.Event{Kind: event.FileCreate, Actor: p("/usr/bin/node", "npm ci"), File: event.File{Path: fmt.Sprintf("/home/Alice/Work/node_modules/Thing%d/index.js", i)}}
		},
		"connect": func(i int) *event.Event {
			return &event.Event{Kind: event.NetConnect, Initiated: true, Actor: p("/usr/bin/node", "npm ci"), RemoteAddr: netip.MustParseAddr("104.16.0.34"), RemotePort: uint64(1000 + i)}
		},
		"exit": func(int) *event.Event { return &event.Event{Kind: event.ProcessExit, Actor: p("/usr/bin/dash", "sh")} },
	}
	var mixed []*event.Event
	for i := range 200 {
		for _, name := range []string{"exec", "exit", "file", "file", "file", "connect", "shell", "exit"} {
			mixed = append(mixed, lanes[name](i))
		}
	}
	run := func(b *testing.B, events []*event.Event) {
		for _, e := range events {
			e.OS = event.Linux
		}
		s := set.Scratch()
		var rec sigma.EventRecord
		hits, i := 0, 0
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			e := events[i%len(events)]
			rec.Set(e)
			hits += len(s.Judge(&rec, sigma.SkipFor(e)))
			i++
		}
		if hits > 0 {
			b.Errorf("%d hits on ordinary events", hits)
		}
		if used := cpu(b) - before; used > 0 {
			b.ReportMetric(float64(i)/used.Seconds(), "events/cpu-s")
		}
	}
	for _, name := range []string{"exec", "shell", "file", "connect", "exit"} {
		var events []*event.Event
		for i := range 200 {
			events = append(events, lanes[name](i))
		}
		b.Run(name, func(b *testing.B) { run(b, events) })
	}
	b.Run("mixed", func(b *testing.B) { run(b, mixed) })
}
