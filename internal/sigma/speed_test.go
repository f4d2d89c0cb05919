package sigma_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// ordinary makes the events of a working host: builds, package scripts, connections, files.
func ordinary() []*event.Event {
	var out []*event.Event
	p := func(path, args string) event.Process {
		return event.Process{Key: event.LinuxKey(1, 2, 3), PID: 4711, Path: path, CommandLine: args, Cwd: "/home/Alice/Work", UserID: "1000", UserName: "alice", EffectiveUserID: "1000"}
	}
	for i := range 50 {
		a := p("/usr/lib/go-1.26/pkg/tool/linux_amd64/compile", fmt.Sprintf("/usr/lib/go/pkg/tool/compile -o /tmp/go-build%d/b001/_pkg_.a -trimpath /tmp/go-build%d/b001=> -p example.org/App/internal/thing%d -lang=go1.26 -complete -buildid X -goversion go1.26.8 -c=2 -nolocalimports -importcfg importcfg -pack ./a.go ./b.go ./c.go", i, i, i))
		out = append(out,
			&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: a, Parent: p("/usr/bin/go", "go build ./..."), Ancestors: []string{"/usr/bin/bash", "/usr/bin/tmux", "/usr/lib/systemd/systemd"}},
			&event.Event{Kind: event.ProcessExit, OS: event.Linux, Actor: a},
			&event.Event{Kind: event.FileCreate, OS: event.Linux, Actor: a, File: event.File{Path: fmt.Sprintf("/tmp/go-build%d/b001/_pkg_.a", i)}},
			&event.Event{Kind: event.FileModify, OS: event.Linux, Actor: p("/usr/bin/node", "node /usr/bin/npm ci"), File: event.File{Path: fmt.Sprintf("/home/Alice/Work/node_modules/Thing%d/index.js", i)}},
			&event.Event{Kind: event.NetConnect, OS: event.Linux, Initiated: true, Actor: p("/usr/bin/node", "npm ci"), RemoteAddr: addr("104.16.0.34"), RemotePort: 443, LocalAddr: addr("10.0.0.4"), LocalPort: 40000},
			&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: p("/usr/bin/dash", fmt.Sprintf("/bin/sh -c uname -m; test -d /sys/%d", i)), Parent: p("/usr/bin/make", "make -j4 all"), Ancestors: []string{"/usr/bin/bash"}},
		)
	}
	return out
}

// Judging events that satisfy no rule allocates nothing, once the scratch has grown.
func TestMissesDoNotAllocate(t *testing.T) {
	const long = "a needle of more than thirty-two bytes, which a conversion would copy to the heap"
	set := one(t, "  l: {CommandLine|contains: ['"+long+"', '"+long+"2'], Image|contains: '"+long+"*x'}\n  g: {CommandLine: '*"+long+"*and?another*'}\n  r: {CommandLine|re: '"+long+"(x|y)'}\n  s: {Image|endswith: ['/x', '/y'], CommandLine|contains: [a1, b2], CommandLine|re: 'q+', ParentImage: [a, b, c, d, e, f]}\n  f: {Ancestors|contains: dpkg}\n  n: {ProcessId: 77}\n  condition: (s or n or l or g or r) and not f\n")
	s, events := set.Scratch(), ordinary()
	var rec sigma.EventRecord
	judge := func() {
		for _, e := range events {
			rec.Set(e)
			if s.Judge(&rec, nil) != nil {
				t.Fatal("fires")
			}
		}
	}
	judge()
	if n := testing.AllocsPerRun(10, judge); n > 0 {
		t.Errorf("%.1f allocations for %d events; want 0", n, len(events))
	}
}

func BenchmarkSigmaHQLinuxProcess(b *testing.B) {
	set := loadSigmaHQ(b, dataDir(b))
	s, events := set.Scratch(), ordinary()
	var rec sigma.EventRecord
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		rec.Set(events[i%len(events)])
		s.Judge(&rec, nil)
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// Every rule file loads in linear time: the whole of SigmaHQ.
func BenchmarkLoadSigmaHQ(b *testing.B) {
	dir := dataDir(b)
	for b.Loop() {
		loadSigmaHQ(b, dir)
	}
}
