package incident_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/eventtest"
	"github.com/yagura-edr/yagura/internal/incident"
)

// stage is what the acts of one case made: the hosts' events in order of time, what was found in them, and what the
// server knows beside events. testdata/stories/README.md describes the acts.
type stage struct {
	hosts []*tape
	at    *tape             // whose acts follow
	names map[string]string // of processes, by ref
	with  map[string]string // of the next process
	c     incident.Context
	tape  // all hosts together
}

func newStage() *stage {
	return &stage{names: map[string]string{}, with: map[string]string{}, c: incident.Context{Names: map[event.HostID]string{}, Addresses: map[netip.Addr][]event.HostID{}}}
}

// host goes to a host, which begins with its sensor and process 1.
func (s *stage) host(name string) *tape {
	for _, t := range s.hosts {
		if t.events[0].Event.Hostname == name {
			s.at = t
			return t
		}
	}
	id := hostA
	id[15] += byte(len(s.hosts))
	t := newTape(id)
	t.events[0].Event.Hostname = name
	s.hosts, s.at = append(s.hosts, t), t
	s.name("init")
	return t
}

func (s *stage) name(p string) { s.names[s.at.ref(p)] = p }

// acts plays lines of acts.
func (s *stage) acts(lines string) error {
	for i, l := range strings.Split(lines, "\n") {
		l, _, _ = strings.Cut(l, " # ")
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if err := s.act(l); err != nil {
			return fmt.Errorf("act %d, %q: %w", i+1, l, err)
		}
	}
	return nil
}

// words cuts n words off a line; the last one is the rest.
func words(l string, n int) []string {
	out := strings.SplitN(l, " ", n)
	for len(out) < n {
		out = append(out, "")
	}
	return out
}

func (s *stage) act(l string) (err error) {
	defer func() {
		if r := recover(); r != nil { // an address or a number that is none, a process that nobody started
			err = fmt.Errorf("%v", r)
		}
	}()
	verb, rest, _ := strings.Cut(l, " ")
	switch verb {
	case "host":
		s.host(rest)
		return nil
	case "hosts": // all that take part, so that their clocks begin together
		for h := range strings.FieldsSeq(rest) {
			s.host(h)
		}
		s.at = s.hosts[0]
		return nil
	}
	if s.at == nil {
		s.host("web-07")
	}
	t := s.at
	actor := func(name string) (event.Process, event.Process) {
		if t.procs[name] == nil {
			panic("no process " + name)
		}
		return *t.procs[name], t.up(name)
	}
	number := func(w string) uint64 {
		n, err := strconv.ParseUint(w, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	file := func(n, path string) event.File {
		if n == "-" {
			return event.File{Path: path}
		}
		return event.File{Path: path, VolumeID: "0:25", FileID: n}
	}
	switch verb {
	case "wait":
		seconds, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			return err
		}
		t.wait(seconds)
	case "meet":
		for _, h := range s.hosts {
			t.now = max(t.now, h.now)
		}
		for _, h := range s.hosts {
			h.now = t.now
		}
	case "with":
		for kv := range strings.FieldsSeq(rest) {
			k, v, _ := strings.Cut(kv, "=")
			s.with[k] = v
		}
	case "set":
		w := words(rest, 2)
		for kv := range strings.FieldsSeq(w[1]) {
			k, v, _ := strings.Cut(kv, "=")
			set(t.procs[w[0]], k, v)
		}
	case "start", "running":
		w := words(rest, 5)
		s.begin(verb, w[0], w[1], number(w[2]), "-", w[3], w[4])
	case "run":
		w := words(rest, 6)
		s.begin(verb, w[0], w[1], number(w[2]), w[3], w[4], w[5])
	case "like":
		w := words(rest, 5)
		n := int(number(w[0]))
		t.like(n, w[1], number(w[2]), w[3], w[4])
	case "fork":
		w := words(rest, 3)
		t.fork(w[0], w[1], number(w[2]))
		s.name(w[0])
	case "exec":
		w := words(rest, 3)
		t.exec(w[0], w[1], w[2])
	case "exit":
		t.exit(rest)
	case "write":
		w := words(rest, 3)
		a, up := actor(w[0])
		t.add(event.Event{Kind: event.FileCreate, Flags: event.FlagCreated, Actor: a, Parent: up, File: file(w[1], w[2])})
	case "empty":
		w := words(rest, 3)
		a, up := actor(w[0])
		t.add(event.Event{Kind: event.FileModify, Actor: a, Parent: up, File: file(w[1], w[2])})
	case "rename", "link":
		w := words(rest, 4)
		t.rename(map[string]event.Kind{"rename": event.FileRename, "link": event.FileLink}[verb], w[0], w[2], w[3], w[1])
	case "chmod":
		w := words(rest, 3)
		a, up := actor(w[0])
		f := file(w[1], w[2])
		f.Mode = 0o755
		t.add(event.Event{Kind: event.FileChmod, Actor: a, Parent: up, File: f})
	case "remove":
		w := words(rest, 3)
		t.remove(w[0], w[2], w[1])
	case "reads":
		w := words(rest, 2)
		t.reads(w[0], w[1])
	case "listen":
		w := words(rest, 2)
		t.net(event.NetListen, w[0], w[1], "0.0.0.0:0")
	case "accept", "connect", "stdio":
		w := words(rest, 4)
		e := t.net(map[string]event.Kind{"accept": event.NetAccept, "connect": event.NetConnect, "stdio": event.NetStdioSocket}[verb], w[0], w[1], w[2])
		e.Event.RemoteName = w[3]
	case "close":
		w := words(rest, 5)
		e := t.net(event.NetClose, w[0], w[1], w[2])
		e.Event.Initiated, e.Event.BytesSent, e.Event.BytesReceived = true, number(w[3]), number(w[4])
	case "asks":
		w := words(rest, 2)
		a, up := actor(w[0])
		t.add(event.Event{Kind: event.DNSQuery, Actor: a, Parent: up, Query: w[1]})
	case "memfd":
		a, up := actor(rest)
		t.add(event.Event{Kind: event.MemMemfdCreate, Actor: a, Parent: up})
	case "inject":
		w := words(rest, 2)
		a, up := actor(w[0])
		to, _ := actor(w[1])
		t.add(event.Event{Kind: event.MemPtrace, Request: 16, Actor: a, Parent: up, Target: to})
	case "pipe":
		w := words(rest, 2)
		t.pipe(w[1], w[0])
	case "logon":
		w := words(rest, 2)
		t.logon(w[0], w[1])
	case "blind":
		t.add(event.Event{Kind: event.SensorCapability, Subject: rest, State: "blind"})
	case "found":
		title, attack, _ := strings.Cut(rest, " | ")
		w := words(title, 2)
		sev, ok := map[string]detection.Severity{"informational": detection.Informational, "low": detection.Low, "medium": detection.Medium, "high": detection.High, "critical": detection.Critical}[w[0]]
		if !ok {
			return fmt.Errorf("%q is no severity", w[0])
		}
		t.detect(t.events[len(t.events)-1], w[1], sev, strings.Fields(attack)...)
	case "hole":
		s.c.Holes = append(s.c.Holes, incident.Hole{Host: t.host.String(), Class: rest, From: t0 - 1, State: "blind", Reason: "probe not attached"})
	case "owns": // an address that the server was told of
		ad := netip.MustParseAddr(rest)
		s.c.Addresses[ad] = append(s.c.Addresses[ad], t.host)
	default:
		return fmt.Errorf("no such act")
	}
	return nil
}

func set(p *event.Process, k, v string) {
	if k == "file" { // the number of what it runs next
		p.VolumeID, p.FileID = "0:25", v
		return
	}
	at, ok := map[string]*string{"tty": &p.TTY, "session": &p.SessionID, "user": &p.UserName, "uid": &p.UserID, "cgroup": &p.Cgroup, "cwd": &p.Cwd, "container": &p.ContainerID, "interpreter": &p.Interpreter}[k]
	if !ok {
		panic("no process has " + k)
	}
	*at = v
}

// begin makes a process: with its fork, from a file with a number, or as one that was there before the sensor.
func (s *stage) begin(verb, name, parent string, pid uint64, number, path, cmd string) {
	t := s.at
	if parent == "-" {
		parent = ""
	} else if t.procs[parent] == nil {
		panic("no process " + parent)
	}
	p := t.process(name, parent, pid, path, cmd)
	for k, v := range s.with {
		set(p, k, v)
	}
	clear(s.with)
	if number != "-" {
		p.VolumeID, p.FileID = "0:25", number
	}
	s.name(name)
	switch verb {
	case "running":
		t.add(event.Event{Kind: event.ProcessRunning, Actor: *p, Parent: t.up(name)})
		return
	case "start":
		child := *t.procs[parent]
		child.Key, child.PID = p.Key, pid
		t.add(event.Event{Kind: event.ProcessFork, Actor: *t.procs[parent], Parent: t.up(parent), Target: child})
	}
	t.add(event.Event{Kind: event.ProcessExec, Actor: *p, Parent: *t.procs[parent]})
}

// end puts the hosts' events into one list.
func (s *stage) end() {
	s.tape = tape{host: s.hosts[0].host, now: s.at.now, procs: map[string]*event.Process{}, parent: map[string]string{}, times: map[event.ID]int{}}
	for _, h := range s.hosts {
		s.events, s.dets = append(s.events, h.events...), append(s.dets, h.dets...)
		maps.Copy(s.times, h.times)
		for name, p := range h.procs {
			if len(s.hosts) > 1 {
				name = h.events[0].Event.Hostname + "." + name
			}
			s.procs[name] = p
		}
		s.c.Names[h.host] = h.events[0].Event.Hostname
	}
	slices.SortStableFunc(s.events, func(x, y event.Stamped) int { return int(x.Event.Time - y.Event.Time) })
}

// recorded takes events as scenario/ keeps them, and what was found in them as lines "EVENT SEVERITY TITLE".
func (s *stage) recorded(lines, found string) error {
	list, err := eventtest.Read(lines)
	if err != nil {
		return err
	}
	by := map[event.HostID]*tape{}
	for _, e := range list {
		t := by[e.ID.Host]
		if t == nil {
			t = &tape{host: e.ID.Host, procs: map[string]*event.Process{}, parent: map[string]string{}}
			t.events = append(t.events, event.Stamped{ID: event.ID{Host: e.ID.Host}, Event: &event.Event{Kind: event.SensorStart, Hostname: "host-" + string(rune('a'+len(by)))}})
			by[e.ID.Host], s.hosts, s.at = t, append(s.hosts, t), t
		}
		t.events = append(t.events, e)
		for l := range strings.SplitSeq(found, "\n") {
			if rest, ok := strings.CutPrefix(l, e.ID.String()+" "); ok {
				s.at = t
				if err := s.act("found " + rest); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// played gives the acts of testdata/stories/NAME.txtar, so that a test in Go can go on from a story that is told there.
func played(name string) *tape {
	b, err := os.ReadFile(filepath.Join("testdata", "stories", name+".txtar"))
	if err != nil {
		panic(err)
	}
	s, err := playedFrom(txtar.Parse(b))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	if len(s.hosts) == 1 {
		return s.hosts[0]
	}
	return &s.tape
}

func playedFrom(a *txtar.Archive) (*stage, error) {
	s := newStage()
	part := map[string]string{}
	for _, f := range a.Files {
		part[f.Name] = string(f.Data)
	}
	if part["events.ndjson"] != "" {
		if err := s.recorded(part["events.ndjson"], part["found"]); err != nil {
			return nil, err
		}
	}
	if err := s.acts(part["acts"]); err != nil {
		return nil, err
	}
	if len(s.hosts) == 0 {
		return nil, fmt.Errorf("nothing happens")
	}
	s.end()
	return s, nil
}

func testFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/stories/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d stories (%v); want at least 40", len(files), err)
	}
	return files
}
