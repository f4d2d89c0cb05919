package incident_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
)

// hops is a web shell on ga, ssh to gb, to gc and to gd, over addresses of the given form; the last reads passwords. Each
// host's clock is off by skew more than the one before, in µs.
func hops(addr string, skew int64) (list []event.Stamped, dets []detection.Detection) {
	ip := func(i, port int) string { return fmt.Sprintf(addr, i+1, port) }
	now := t0
	for i := range 4 {
		t := newTape(event.HostID{1, byte(i)})
		t.events[0].Event.Hostname = "g" + string(rune('a'+i))
		t.now = now + int64(i)*skew
		top := "sh"
		if i == 0 {
			t.start("web", "init", 550, "/usr/bin/python3.11", "/usr/bin/python3 /home/app/webapp.py")
			t.net(event.NetListen, "web", ip(i, 8000), "0.0.0.0:0")
			t.net(event.NetAccept, "web", ip(i, 8000), "203.0.113.9:47816")
			t.fork("worker", "web", 556)
			t.detect(t.start("sh", "worker", 557, "/usr/bin/dash", "sh -c ssh app@gb"), "service started a shell", detection.High)
		} else {
			t.start("sshd", "init", 400, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
			t.net(event.NetAccept, "sshd", ip(i, 22), ip(i-1, 56490))
			t.start("priv", "sshd", 511, "/usr/sbin/sshd", "/usr/sbin/sshd -R")
			t.start("session", "priv", 512, "/usr/bin/bash", "bash -c ssh on; cat x")
			top = "session"
		}
		if i < 3 {
			t.start("ssh", top, 573, "/usr/bin/ssh", "ssh app@next")
			t.net(event.NetConnect, "ssh", ip(i, 56490), ip(i+1, 22))
		} else {
			t.start("cat", top, 905, "/usr/bin/cat", "cat "+passwords)
			t.detect(t.reads("cat", passwords), "browser passwords read", detection.High)
		}
		now = t.now - int64(i)*skew
		list, dets = append(list, t.events...), append(dets, t.dets...)
	}
	return list, dets
}

func TestFourHostsInARowAreOneStory(t *testing.T) {
	for _, addr := range []string{"192.0.2.%d:%d", "[2001:db8::%d]:%d", "[::ffff:192.0.2.%d]:%d"} {
		list, dets := hops(addr, 20_000_000)
		for seed := range uint64(20) {
			s := incident.FromEvents(eventtest.Interleave(list, seed), dets, incident.Context{})
			wantEdge(t, s, incident.EdgeHostToHost, 3)
			if s.Entry.Route != "exploited_service" || len(s.Entry.Steps) != 3 {
				t.Fatalf("%s, order %d: route %s, %d steps; want exploited_service and 3\n%s", addr, seed, s.Entry.Route, len(s.Entry.Steps), dump(s))
			}
			for i, st := range s.Entry.Steps {
				if want := fmt.Sprintf("g%c → g%c", 'a'+i, 'b'+i); !strings.Contains(st.Text.En, want) {
					t.Errorf("%s: step %d is %q; want %s", addr, i, st.Text.En, want)
				}
			}
		}
		if k := desk(t, list, dets, 3); len(k) != 1 || len(k[0].Row.Hosts) != 4 {
			t.Errorf("%s: %d incidents; want one on four hosts", addr, len(k))
		}
	}
}

// With clocks hours apart and nobody to tell (recordings), hosts stay apart: no wrong step, no effect before its cause.
func TestHostsWhoseClocksAreHoursApartAreNotJoinedWrongly(t *testing.T) {
	list, dets := hops("192.0.2.%d:%d", -3*3600*1_000_000)
	s := incident.FromEvents(list, dets, incident.Context{})
	if len(s.Entry.Steps) != 0 {
		t.Errorf("%d steps; want none", len(s.Entry.Steps))
	}
}

// What goes over loopback stays on its host: two hosts do the same with the same numbers, and nothing joins them.
func TestLoopbackOfTwoHostsIsNotMixedUp(t *testing.T) {
	for _, lo := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"} {
		w := newTwo()
		for i, tp := range []*tape{w.a, w.b} {
			tp.start("web", "init", 550, "/usr/bin/python3.11", "/usr/bin/python3 /home/app/webapp.py")
			tp.start("admin", "init", 551, "/usr/bin/python3.11", "/usr/bin/python3 /opt/admin/admin.py")
			tp.net(event.NetListen, "admin", lo+":9000", "0.0.0.0:0")
			tp.wait(60)
			tp.net(event.NetAccept, "web", "192.0.2.1:8000", fmt.Sprintf("203.0.113.%d:47816", 9+i))
			tp.detect(tp.start("sh", "web", 557, "/usr/bin/dash", "sh -c curl http://127.0.0.1:9000/run"), "service started a shell", detection.High)
			tp.start("curl", "sh", 558, "/usr/bin/curl", "curl http://127.0.0.1:9000/run")
			tp.net(event.NetConnect, "curl", lo+":41000", lo+":9000")
			tp.net(event.NetAccept, "admin", lo+":9000", lo+":41000")
			tp.detect(tp.start("root", "admin", 559, "/usr/bin/dash", "sh -c cat /etc/shadow"), "service started a shell", detection.High)
		}
		tp := w.all()
		for _, x := range desk(t, tp.events, tp.dets, 3) {
			if len(x.Row.Hosts) != 1 || x.Row.Route != "exploited_service" {
				t.Errorf("%s: an incident on %v by %s; want one host, a service", lo, x.Row.Hostnames, x.Row.Route)
			}
		}
		who, _ := answer(incident.FromEvents(w.a.events, w.a.dets[1:], incident.Context{}), "who")
		if strings.Contains(who, "outside mark") || !strings.Contains(who, "from this very host") || !strings.Contains(who, "curl (pid 558) had opened") {
			t.Errorf("%s: who: %s; want this very host, by curl", lo, who)
		}
	}
}

// Servers hand a connection on in many ways before a program runs.
func TestServersThatHandAConnectionOnAreTheEntry(t *testing.T) {
	for name, server := range chains(t, "servers") {
		tp := newTape(hostA)
		by := tp.chain(t, server)
		tp.detect(tp.start("sh", by, 600, "/usr/bin/dash", "sh -c id"), "service started a shell", detection.High)
		if s := tp.story(); s.Entry.Route != "exploited_service" {
			t.Errorf("%s: route %s; want exploited_service\n%s", name, s.Entry.Route, dump(s))
		}
	}
}
