package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
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

// Each row, sentence and title says its host when there are two, and a session's first process is still its shell.
func TestStoryOfTwoHostsNamesThem(t *testing.T) {
	tp := played("lateral-by-ssh")
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
	for name, tape := range map[string]func() *tape{"web shell": func() *tape { return played("web-shell") }, "lateral": func() *tape { return played("lateral-by-ssh") }, "cron": func() *tape { return played("cron-table") }, "link": func() *tape { return played("mail-link-browser-open") }} {
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
