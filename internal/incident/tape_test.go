package incident_test

import (
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// tape writes events by hand, as a sensor would have: authored, in order of time.
type tape struct {
	host   event.HostID
	seq    uint64
	now    int64
	events []event.Stamped
	dets   []detection.Detection
	procs  map[string]*event.Process
	parent map[string]string
	times  map[event.ID]int // of the first event of a row of like ones
}

var (
	hostA      = event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000a"))
	hostB      = event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000b"))
	tenantMain = tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff"))
)

const t0 = int64(1_795_000_000_000_000)

func newTape(h event.HostID) *tape {
	t := &tape{host: h, now: t0, procs: map[string]*event.Process{}, parent: map[string]string{}}
	t.add(event.Event{Kind: event.SensorStart, Hostname: "web-07"})
	t.running("init", "", 1, "/sbin/init", "/sbin/init")
	return t
}

func (t *tape) add(e event.Event) event.Stamped {
	t.seq++
	t.now += 20_000
	e.OS, e.Time, e.BootNS = event.Linux, t.now, uint64(t.now)*1000
	s := event.Stamped{ID: event.ID{Host: t.host, Stream: 7, Lane: event.Critical, Seq: t.seq}, Event: &e}
	t.events = append(t.events, s)
	return s
}

func (t *tape) wait(seconds float64) { t.now += int64(seconds * 1e6) }

func (t *tape) process(name, parent string, pid uint64, path, cmd string) *event.Process {
	p := &event.Process{Key: event.LinuxKey(uint64(t.now), uint32(pid), 9), PID: pid, Path: path, CommandLine: cmd, UserName: "web", UserID: "33", Cwd: "/srv"}
	t.procs[name], t.parent[name] = p, parent
	return p
}

func (t *tape) up(name string) event.Process {
	if p := t.procs[t.parent[name]]; p != nil {
		return *p
	}
	return event.Process{}
}

func (t *tape) running(name, parent string, pid uint64, path, cmd string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	return t.add(event.Event{Kind: event.ProcessRunning, Actor: *p, Parent: t.up(name)})
}

// start is fork and exec of a new process.
func (t *tape) start(name, parent string, pid uint64, path, cmd string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	child := *t.procs[parent]
	child.Key, child.PID = p.Key, pid
	t.add(event.Event{Kind: event.ProcessFork, Actor: *t.procs[parent], Parent: t.up(parent), Target: child})
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

// startFile is start of a file with an identity.
func (t *tape) startFile(name, parent string, pid uint64, path, cmd, inode string) event.Stamped {
	p := t.process(name, parent, pid, path, cmd)
	p.VolumeID, p.FileID = "0:25", inode
	return t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

// like starts n programs one after another that do nothing else.
func (t *tape) like(n int, parent string, pid uint64, path, cmd string) {
	for i := range n {
		s := t.running("", parent, pid+uint64(i), path, cmd)
		s.Event.Kind = event.ProcessExec
		s.Event.Actor.Key = event.LinuxKey(s.Event.BootNS, uint32(pid)+uint32(i), 9)
		if i == 0 {
			if t.times == nil {
				t.times = map[event.ID]int{}
			}
			t.times[s.ID] = n
		}
	}
	delete(t.procs, "")
}

func (t *tape) exit(name string) event.Stamped {
	return t.add(event.Event{Kind: event.ProcessExit, Actor: *t.procs[name], Parent: t.up(name)})
}

func (t *tape) write(name, path, inode string) event.Stamped {
	return t.add(event.Event{Kind: event.FileCreate, Flags: event.FlagCreated, Actor: *t.procs[name], Parent: t.up(name), File: event.File{Path: path, VolumeID: "0:25", FileID: inode}})
}

func (t *tape) net(k event.Kind, name, local, remote string) event.Stamped {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	return t.add(event.Event{
		Kind: k, Initiated: k == event.NetConnect, Protocol: "tcp", Actor: *t.procs[name], Parent: t.up(name),
		LocalAddr: l.Addr(), LocalPort: uint64(l.Port()), RemoteAddr: r.Addr(), RemotePort: uint64(r.Port()),
	})
}

func (t *tape) connect(name, remote string) event.Stamped {
	return t.net(event.NetConnect, name, "10.1.2.3:40100", remote)
}

func (t *tape) reads(name, path string) event.Stamped {
	return t.add(event.Event{Kind: event.FileReadCredential, Actor: *t.procs[name], Parent: t.up(name), File: event.File{Path: path}})
}

func (t *tape) detect(s event.Stamped, title string, sev detection.Severity, attack ...string) {
	id := "rule-" + strings.ReplaceAll(title, " ", "-")
	t.dets = append(t.dets, detection.Detection{
		ID: detection.NewID(id, "1", s.ID), Tenant: tenantMain, RuleID: id, RuleVersion: "1", Title: detection.Said{En: title, Ja: title + "(日本語)"},
		Severity: sev, ATTACK: attack, Event: s, Detected: s.Event.Time,
	})
}

func (t *tape) ref(name string) string {
	return event.Ref{Host: t.host, Key: t.procs[name].Key}.String()
}

func (t *tape) story() incident.Story {
	return incident.FromEvents(t.events, t.dets, incident.Context{})
}

// logon is the first event of a session, as PAM's own helper causes it; name and all below it are in the session.
func (t *tape) logon(name, session string) event.Stamped {
	p := t.procs[name]
	p.SessionID, p.LoginUserID = session, p.UserID
	return t.add(event.Event{Kind: event.AuthLogon, Actor: *p, Parent: t.up(name), Subject: "session " + session})
}
