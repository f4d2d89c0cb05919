package incident_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

// carriers: n programs each bring 200 files that run, each file brought over four connections: all of it is the act.
func carriers(n int) *tape {
	t := newTape(hostA)
	t.start("tool", "init", 60, "/tmp/tool", "/tmp/tool")
	s := t.start("go", "tool", 61, "/usr/bin/bash", "bash -i")
	t.procs["go"].TTY, s.Event.Actor.TTY = "/dev/pts/1", "/dev/pts/1"
	t.detect(s, "odd program", detection.High)
	for i := range n {
		get := fmt.Sprint("get", i)
		t.start(get, "go", uint64(100+i), "/usr/bin/wget", "wget -i list")
		for f := range 200 {
			for c := range 4 {
				t.connect(get, fmt.Sprintf("203.%d.%d.%d:80", i, f, c+1))
			}
			id := fmt.Sprint(100_000 + 1000*i + f)
			t.write(get, "/tmp/x/"+id, id)
			t.startFile("r"+id, "go", uint64(10_000+1000*i+f), "/tmp/x/"+id, "/tmp/x/"+id, id)
		}
	}
	return t
}

// deep is a chain of forks with a finding at its end.
func deep(n int) *tape {
	t := newTape(hostA)
	last := "init"
	for i := range n {
		name := fmt.Sprint("f", i)
		t.start(name, last, uint64(100+i), "/tmp/x", "/tmp/x")
		last = name
	}
	t.detect(t.reads(last, passwords), "browser passwords read", detection.High)
	return t
}

func manyFindings(n int) *tape {
	t := newTape(hostA)
	t.start("tool", "init", 60, "/tmp/tool", "/tmp/tool")
	for i := range n {
		s := t.start(fmt.Sprint("k", i), "tool", uint64(100+i), "/usr/bin/cat", "cat "+passwords)
		t.detect(s, fmt.Sprint("rule ", i%200), detection.High)
	}
	return t
}

func oneFoundOften(n int) *tape {
	t := newTape(hostA)
	t.start("tool", "init", 60, "/tmp/tool", "/tmp/tool")
	for i := range n {
		t.detect(t.reads("tool", fmt.Sprint("/home/u", i, "/.ssh/id_rsa")), fmt.Sprint("rule ", i), detection.High)
	}
	return t
}

func hostileNames() *tape {
	t := newTape(hostA)
	for i, bad := range []string{strings.Repeat("A", 64<<10), "\x00\x1b[2J\xff\u202e", strings.Repeat("/..", 20_000), strings.Repeat("-c ", 20_000), strings.Repeat("\"'", 30_000), "http://" + strings.Repeat("%", 60_000), strings.Repeat("busybox ", 8000), ""} {
		name := fmt.Sprint("n", i)
		t.start(name, "init", uint64(100+i), bad, bad)
		t.procs[name].Cwd, t.procs[name].UserName, t.procs[name].TTY = bad, bad, bad
		t.start(name+"k", name, uint64(300+i), "/usr/bin/bash", bad)
		t.write(name, bad, bad)
		t.detect(t.reads(name, bad), "r", detection.High)
	}
	return t
}

func circles(n int) *tape {
	t := newTape(hostA)
	for i := range n {
		t.start(fmt.Sprint("c", i), "init", uint64(100+i), "/tmp/c", "/tmp/c")
	}
	for i := range n {
		a, b := fmt.Sprint("c", i), fmt.Sprint("c", (i+1)%n)
		t.parent[b] = a
		t.add(event.Event{Kind: event.ProcessExec, Actor: *t.procs[b], Parent: *t.procs[a]})
		t.add(event.Event{Kind: event.MemPtrace, Actor: *t.procs[b], Parent: *t.procs[a], Target: *t.procs[a]})
		t.add(event.Event{Kind: event.ProcessPipe, Actor: *t.procs[b], Parent: *t.procs[a], Target: *t.procs[a]})
	}
	t.detect(t.reads("c0", passwords), "x", detection.High)
	return t
}

// backwards: the time since boot falls with each event, and each key and number is used again.
func backwards(n int) *tape {
	t := newTape(hostA)
	t.start("tool", "init", 60, "/tmp/tool", "/tmp/tool")
	for i := range n {
		s := t.start("x", "tool", uint64(100+i%7), "/tmp/x", "/tmp/x")
		s.Event.BootNS = uint64(1_000_000_000_000 - int64(i)*1_000_000)
		t.procs["x"].Key = event.LinuxKey(uint64(i%50), uint32(100+i%7), 9)
		if i%100 == 0 {
			t.detect(t.reads("x", passwords), fmt.Sprint("r", i%300), detection.High)
		}
	}
	return t
}

// hostsInOne goes from host to host over n of them; every host has the same process keys and the same number of file.
func hostsInOne(n int) (list []event.Stamped, dets []detection.Detection) {
	for i := range n {
		h := event.HostID(uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", i+1)))
		t := newTape(h)
		t.now = t0 + int64(i)*1_000_000
		ip := func(k int) string { return fmt.Sprintf("10.0.%d.%d", k/250, 1+k%250) }
		t.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
		from := "203.0.113.9:50000"
		if i > 0 {
			from = fmt.Sprintf("%s:%d", ip(i-1), 40000)
		}
		t.net(event.NetAccept, "sshd", ip(i)+":22", from)
		t.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: app [priv]")
		t.start("sh", "session", 202, "/usr/bin/bash", "bash -c ./y")
		t.start("ssh", "sh", 203, "/usr/bin/ssh", "ssh app@next")
		t.now = t0 + int64(i+1)*1_000_000 - 200_000
		c := t.net(event.NetConnect, "ssh", ip(i)+":40000", ip(i+1)+":22")
		t.detect(c, "ssh to the next", detection.High)
		list, dets = append(list, t.events...), append(dets, t.dets...)
	}
	return list, dets
}

// A story of hostile size is built in time, and what is drawn of it is bounded, with what it leaves out counted.
func TestStoryOfAHostileHostIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("builds large stories")
	}
	hostList, hostDets := hostsInOne(200)
	for name, c := range map[string]func() ([]event.Stamped, []detection.Detection){
		"8,000 files and 32,000 addresses": func() ([]event.Stamped, []detection.Detection) { t := carriers(40); return t.events, t.dets },
		"a chain of 10,000 forks":          func() ([]event.Stamped, []detection.Detection) { t := deep(10_000); return t.events, t.dets },
		"5,000 processes found":            func() ([]event.Stamped, []detection.Detection) { t := manyFindings(5000); return t.events, t.dets },
		"one process found 5,000 times":    func() ([]event.Stamped, []detection.Detection) { t := oneFoundOften(5000); return t.events, t.dets },
		"hostile names":                    func() ([]event.Stamped, []detection.Detection) { t := hostileNames(); return t.events, t.dets },
		"circles":                          func() ([]event.Stamped, []detection.Detection) { t := circles(2000); return t.events, t.dets },
		"time goes backwards":              func() ([]event.Stamped, []detection.Detection) { t := backwards(20_000); return t.events, t.dets },
		"200 hosts":                        func() ([]event.Stamped, []detection.Detection) { return hostList, hostDets },
	} {
		list, dets := c()
		begin := time.Now()
		g := incident.NewGraph(incident.Limits{})
		for _, e := range list {
			g.Add(e)
		}
		added := time.Since(begin)
		begin = time.Now()
		s := incident.Build(g, dets, incident.Context{})
		took := time.Since(begin)
		b, err := json.Marshal(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: added in %v, built in %v, %d nodes (%d processes), %d edges, %d KiB, left out %+v", name, added, took, len(s.Nodes), processes(s), len(s.Edges), len(b)>>10, s.LeftOut)
		if took > 3*time.Second || added > 3*time.Second {
			t.Errorf("%s: added in %v, built in %v; want less than 3 s each", name, added, took)
		}
		if len(s.Nodes) > 600 || len(s.Edges) > 2000 || len(b) > 4<<20 {
			t.Errorf("%s: %d nodes, %d edges, %d KiB", name, len(s.Nodes), len(s.Edges), len(b)>>10)
		}
	}
}

// The desk keeps up with a flood while it comes, not only with one that lies there.
func TestDeskKeepsUpWithAFloodOfFindings(t *testing.T) {
	if testing.Short() {
		t.Skip("runs floods")
	}
	hostList, hostDets := hostsInOne(200)
	many, often, apart := manyFindings(5000), oneFoundOften(5000), newTape(hostA)
	for i := range 5000 { // each an incident of its own
		apart.start("x", "init", uint64(100+i), fmt.Sprint("/tmp/x", i), "/tmp/x")
		apart.detect(apart.reads("x", passwords), fmt.Sprint("rule ", i%9), detection.High)
	}
	for name, c := range map[string]struct {
		list []event.Stamped
		dets []detection.Detection
	}{"many": {many.events, many.dets}, "often": {often.events, often.dets}, "200 hosts": {hostList, hostDets}, "apart": {apart.events, apart.dets}} {
		begin := time.Now()
		k := desk(t, c.list, c.dets, 500)
		took := time.Since(begin)
		t.Logf("%s: %d events, %d incidents in %v", name, len(c.list), len(k), took)
		if took > 40*time.Second {
			t.Errorf("%s: %d events took %v", name, len(c.list), took)
		}
	}
}

// What a host says may be 64 KiB long, each time; what the graph keeps of it may not.
func TestLongTextsOfAHostDoNotFillTheMemory(t *testing.T) {
	g := incident.NewGraph(incident.Limits{})
	tp := newTape(hostA)
	tp.start("sh", "init", 60, "/usr/bin/bash", "bash")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 1000
	for i := range n {
		tp.events = tp.events[:0]
		long := fmt.Sprint("/tmp/", i, "/", strings.Repeat("ä", 30<<10))
		tp.start("x", "sh", uint64(100+i), long, long+" a")
		tp.write("x", long, "")
		for _, e := range tp.events {
			g.Add(e)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > 32<<10 {
		t.Errorf("a process and its file keep %d bytes; want 32 KiB at most", each)
	}
	runtime.KeepAlive(g)
}

// The same for what is found of them: an incident is open for a day.
func TestLongTextsOfFindingsDoNotFillTheMemory(t *testing.T) {
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	d := incident.New(incident.Options{Store: db.Incidents(), Now: func() time.Time { return time.UnixMicro(t0).Add(time.Hour) }})
	tp := newTape(hostA)
	tp.start("tool", "init", 60, "/tmp/tool", "/tmp/tool")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 500
	for i := range n {
		tp.events, tp.dets = tp.events[:0], tp.dets[:0]
		tp.procs["tool"].CommandLine = fmt.Sprint(i, strings.Repeat("x", 60<<10))
		tp.detect(tp.reads("tool", passwords), fmt.Sprint("rule ", i%9), detection.High)
		tp.dets[0].Matched = []detection.Match{{Value: tp.procs["tool"].CommandLine}}
		if err := d.Receive(t.Context(), tp.dets[0]); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			if err := d.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	tp.events, tp.dets = nil, nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > 16<<10 {
		t.Errorf("a finding keeps %d bytes; want 16 KiB at most", each)
	}
	runtime.KeepAlive(d)
}

// Two long names that differ at their end are two files.
func TestLongNamesStayApart(t *testing.T) {
	tp := newTape(hostA)
	long := "/tmp/" + strings.Repeat("x", 60<<10)
	tp.start("a", "init", 60, "/usr/bin/cp", "cp a")
	tp.write("a", long+"1", "")
	tp.start("b", "init", 61, "/usr/bin/cp", "cp b")
	tp.write("b", long+"2", "")
	tp.detect(tp.start("run", "init", 62, long+"2", "x"), "odd program", detection.High)
	s := tp.story()
	wantMembers(t, tp, s, []string{"run", "b"}, []string{"a"})
	wantEdge(t, s, incident.EdgeWroteExec, 2)
}
