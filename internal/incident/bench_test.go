package incident_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

// ordinary makes events as a busy host does: forks, execs, exits, files written, connections.
func ordinary(n int) []event.Stamped {
	t := newTape(hostA)
	t.start("shell", "init", 20, "/usr/bin/bash", "bash")
	for i := 0; len(t.events) < n; i++ {
		name := fmt.Sprint(i)
		t.start(name, "shell", uint64(1000+i), "/usr/bin/cc1", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -O2 file.c")
		t.write(name, fmt.Sprintf("/tmp/build/%d.o", i), fmt.Sprint(10_000+i))
		t.connect(name, "203.0.113.9:443")
		t.exit(name)
	}
	return t.events[:n]
}

// BenchmarkAdd gives the cost of one event: 5,000 a second must be a fraction of a core.
func BenchmarkAdd(b *testing.B) {
	events := ordinary(50_000)
	b.ReportAllocs()
	g := incident.NewGraph(incident.Limits{Nodes: 20_000})
	i := 0
	for b.Loop() {
		g.Add(events[i%len(events)])
		i++
	}
}

// BenchmarkBuild gives the cost of one story of the size given.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := played("web-shell")
			for i := range n {
				t.start(fmt.Sprint("n", i), "shell", uint64(5000+i), "/usr/bin/ls", "ls")
			}
			g := incident.NewGraph(incident.Limits{})
			for _, e := range t.events {
				g.Add(e)
			}
			b.ReportAllocs()
			for b.Loop() {
				incident.Build(g, t.dets, incident.Context{})
			}
		})
	}
}

// BenchmarkBuildInAFleet gives the cost of a story that talked to 300 addresses when 10,000 hosts have told of theirs: the
// hosts must not be asked one by one.
func BenchmarkBuildInAFleet(b *testing.B) {
	g := incident.NewGraph(incident.Limits{})
	for i := range 10_000 {
		var h event.HostID
		binary.BigEndian.PutUint32(h[:], uint32(i+1))
		t := newTape(h)
		t.start("agent", "init", 31, "/usr/bin/agent", "agent")
		t.net(event.NetConnect, "agent", fmt.Sprintf("10.%d.%d.1:4000", i/250, i%250), "203.0.113.9:443")
		for _, e := range t.events {
			g.Add(e)
		}
	}
	t := newTape(hostA)
	t.start("tool", "init", 31, "/home/u/tool", "tool")
	for i := range 300 {
		t.net(event.NetConnect, "tool", "10.200.0.1:4000", fmt.Sprintf("203.0.%d.%d:443", i/250, i%250))
		n := fmt.Sprint(i)
		t.write("tool", "/tmp/"+n, n)
		t.startFile(n, "tool", uint64(100+i), "/tmp/"+n, n, n)
	}
	t.detect(t.start("child", "tool", 32, "/home/u/child", "child"), "rule", detection.High)
	for _, e := range t.events {
		g.Add(e)
	}
	b.ReportAllocs()
	for b.Loop() {
		incident.Build(g, t.dets, incident.Context{})
	}
}

// A host that is never quiet keeps its bound, and says what it gave up.
func TestGraphIsBoundedAndCountsWhatItGaveUp(t *testing.T) {
	g := incident.NewGraph(incident.Limits{Nodes: 1000})
	for _, e := range ordinary(60_000) {
		g.Add(e)
	}
	if g.Nodes() > 1100 {
		t.Errorf("%d nodes are kept; want about 1000", g.Nodes())
	}
	if g.Evicted() < 10_000 {
		t.Errorf("%d given up were counted; want all", g.Evicted())
	}
}

func TestAddingAnEventAgainChangesNothing(t *testing.T) {
	tp := played("mail-link-browser-open")
	once := tp.story()
	tp.events = append(tp.events, tp.events...)
	twice := tp.story()
	if a, b := dump(once), dump(twice); a != b {
		t.Errorf("seen twice the story is\n%s\nwant\n%s", b, a)
	}
}

// Hostile input: processes that claim to be each other's parents, and themselves.
func TestCirclesOfParentsEnd(t *testing.T) {
	tp := newTape(hostA)
	tp.start("a", "init", 10, "/tmp/a", "a")
	tp.start("b", "a", 11, "/tmp/b", "b")
	tp.add(event.Event{Kind: event.ProcessExec, Actor: *tp.procs["a"], Parent: *tp.procs["b"]})
	tp.add(event.Event{Kind: event.ProcessFork, Actor: *tp.procs["b"], Parent: *tp.procs["b"], Target: *tp.procs["a"]})
	s := tp.add(event.Event{Kind: event.ProcessExec, Actor: *tp.procs["b"], Parent: *tp.procs["b"]})
	tp.detect(s, "rule", detection.High)
	if got := tp.story(); len(got.Nodes) == 0 {
		t.Error("the story is empty")
	}
}

func FuzzStory(f *testing.F) {
	for _, tp := range []*tape{played("web-shell"), played("mail-link-browser-open"), played("cron-table"), played("injected")} {
		f.Add(event.AppendBatch(nil, plain(tp.events)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := event.DecodeBatch(b)
		if err != nil {
			return
		}
		tp := newTape(hostA)
		for i, e := range list {
			e.Textify()
			s := event.Stamped{ID: event.ID{Host: hostA, Stream: 3, Seq: uint64(i + 1)}, Event: e}
			tp.events = append(tp.events, s)
			if i%5 == 0 {
				tp.detect(s, "rule", detection.High)
			}
		}
		begin := time.Now()
		s := tp.story()
		s.Without(map[string]bool{"x": true})
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("a story of %d events took %v", len(list), took)
		}
	})
}

func plain(l []event.Stamped) []*event.Event {
	out := make([]*event.Event, len(l))
	for i, s := range l {
		out[i] = s.Event
	}
	return out
}

// TestMemoryOfANode holds the bound that Limits promises: what a busy host's processes and files take.
func TestMemoryOfANode(t *testing.T) {
	g := incident.NewGraph(incident.Limits{Nodes: 20_000})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tp := newTape(hostA)
	tp.start("shell", "init", 20, "/usr/bin/bash", "bash")
	for i := range 15_000 {
		tp.events = tp.events[:0]
		n := fmt.Sprint(i)
		tp.start(n, "shell", uint64(1000+i), "/usr/bin/cc1", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -O2 file"+n+".c")
		tp.write(n, "/tmp/build/"+n+".o", fmt.Sprint(10_000+i))
		tp.connect(n, "203.0.113.9:443")
		tp.exit(n)
		for _, e := range tp.events { // through the wire, so that no string is shared by luck
			l, err := event.DecodeBatch(event.AppendBatch(nil, []*event.Event{e.Event}))
			if err != nil {
				t.Fatal(err)
			}
			g.Add(event.Stamped{ID: e.ID, Event: l[0]})
		}
		delete(tp.procs, n)
		delete(tp.parent, n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / uint64(g.Nodes())
	t.Logf("%d nodes of %d bytes", g.Nodes(), each)
	if each > 1200 {
		t.Errorf("a node takes %d bytes; want 1,200 at most", each)
	}
	runtime.KeepAlive(g)
}

// A file that gets a new name again and again, and a path that gets a new file, must not fill the memory.
func TestNamesOfAFileAndFilesOfANameAreBounded(t *testing.T) {
	g := incident.NewGraph(incident.Limits{Nodes: 1000})
	tp := newTape(hostA)
	tp.start("mv", "init", 20, "/usr/bin/mv", "mv")
	tp.write("mv", "/tmp/0", "77")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		tp.rename(event.FileRename, "mv", fmt.Sprint("/tmp/", i), fmt.Sprint("/tmp/", i+1), "77")
		tp.write("mv", "/tmp/same", fmt.Sprint(1000+i))
		tp.remove("mv", "/tmp/same", fmt.Sprint(1000+i))
		if i%4 == 0 { // one file with many names, as git has
			tp.startFile("linked", "mv", uint64(100+i), fmt.Sprint("/tmp/linked/", i), "linked", "78")
		}
		for _, e := range tp.events {
			g.Add(e)
		}
		tp.events = tp.events[:0]
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 3<<20 {
		t.Errorf("%d KiB are kept after 100,000 names and files; want 3,072 at most", grown>>10)
	}
	runtime.KeepAlive(g)
}
