package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// shapes makes the events of one host as our Linux sensor sends them, field by field after recordings of it: daemons
// that live on, short processes below them (fork, exec, exit), files made and changed, connections and names asked.
// About half of the command lines are new each time. Nothing in them is what a rule looks for.
type shapes struct {
	r       *rand.Rand
	boot    uint32
	pid     uint64
	inode   uint64
	port    uint64
	now     uint64 // boot_ns
	start   time.Time
	daemons []event.Process
	living  []event.Process
	pending []*event.Event // the rest of what one act makes
}

type program struct {
	path, line string // one %d in the line is different each time
}

var programs = []program{
	{"/usr/bin/sed", "sed -n s/^version=//p /srv/app/releases/%d/manifest"},
	{"/usr/bin/grep", "grep -q ready /run/app/state"},
	{"/usr/bin/date", "date +%%s"},
	{"/usr/bin/cat", "cat /proc/loadavg"},
	{"/usr/bin/python3.11", "python3 /srv/app/bin/report.py --job %d --format json --output /srv/app/out/report.json"},
	{"/usr/bin/git", "git -c core.quotePath=false status --porcelain --untracked-files=no"},
	{"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "cc1 -quiet -imultiarch x86_64-linux-gnu src/unit_%d.c -dumpbase unit.c -O2 -Wall -fPIC -o /tmp/ccobject.s"},
	{"/usr/bin/as", "as --64 -o build/unit_%d.o /tmp/ccobject.s"},
	{"/usr/bin/node", "node /srv/web/node_modules/.bin/task --run %d --quiet"},
	{"/usr/bin/df", "df -P -k"},
	{"/usr/bin/psql", "psql -X -A -t -d app -c select state from job where id = %d"},
	{"/usr/bin/test", "test -e /run/app/lock"},
}

var services = []program{
	{"/usr/sbin/cron", "/usr/sbin/cron -f"},
	{"/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main"},
	{"/usr/bin/make", "make -j4 all"},
	{"/usr/bin/node", "node /srv/web/server.js"},
	{"/srv/app/bin/worker", "/srv/app/bin/worker --queue default"},
	{"/usr/bin/dash", "sh -c /srv/app/bin/health"},
}

var domains = []string{"api", "db", "cache", "mirror", "registry", "metrics", "queue", "mail"}

func newShapes(seed uint64, bootNS uint64) *shapes {
	s := &shapes{r: rand.New(rand.NewPCG(seed, 7)), boot: uint32(seed), pid: 1000, inode: 400_000, port: 32768, now: bootNS, start: time.Now()}
	init := s.process(program{"/usr/lib/systemd/systemd", "/sbin/init"}, 0)
	for i := range 12 {
		s.daemons = append(s.daemons, s.process(services[i%len(services)], i))
	}
	s.daemons[0] = init
	return s
}

func (s *shapes) process(p program, n int) event.Process {
	s.pid++
	line := p.line
	for i := range len(line) - 1 {
		if line[i] == '%' {
			line = fmt.Sprintf(line, s.r.IntN(1_000_000))
			break
		}
	}
	hash := [32]byte{1}
	for i, c := range []byte(p.path) {
		hash[i%32] += c * byte(i+7)
	}
	user := []string{"0", "1000"}[n%2]
	x := event.Process{
		Key: event.LinuxKey(s.now, uint32(s.pid), s.boot), PID: s.pid, ExecID: 1 + uint64(n%4), StartNS: s.now, Path: p.path, CommandLine: line, Cwd: []string{"/", "/srv/app", "/home/build/src", "/root"}[n%4],
		UserID: user, UserName: map[string]string{"0": "root", "1000": "build"}[user], EffectiveUserID: user, SHA256: hash, VolumeID: "254:0", FileID: fmt.Sprint(240_000 + len(p.path)*97),
		Cgroup: []string{"cron.service", "app.service", "session-4.scope"}[n%3], Comm: p.path[max(0, len(p.path)-8):],
	}
	if user == "0" {
		x.Capabilities = 1<<41 - 1
	}
	return x
}

// next gives the host's next event; at is its kernel time.
func (s *shapes) next(at uint64) *event.Event {
	s.now = at
	var e *event.Event
	if n := len(s.pending); n > 0 {
		e, s.pending = s.pending[0], s.pending[1:]
	} else {
		e = s.act()
	}
	e.OS, e.BootNS, e.HostTime = event.Linux, at, time.Now().UnixMicro()
	return e
}

func (s *shapes) act() *event.Event {
	switch n := s.r.IntN(100); {
	case n < 16: // three events
		return s.run()
	case n < 45: // two or three
		return s.file()
	case n < 60: // two
		return s.connect()
	default:
		return s.ask()
	}
}

// run is a short process: fork, exec, and the exit of an earlier one.
func (s *shapes) run() *event.Event {
	parent, grand := s.daemons[s.r.IntN(len(s.daemons))], s.daemons[0]
	if strings.HasSuffix(parent.Path, "/postgres") { // a database starts nothing
		parent = grand
	}
	child := s.process(programs[s.r.IntN(len(programs))], s.r.IntN(12))
	before := parent
	before.Key, before.PID, before.StartNS = child.Key, child.PID, child.StartNS
	above := []string{grand.Path}
	exec := &event.Event{
		Kind: event.ProcessExec, HashState: 1, Actor: child, Parent: parent, Ancestors: above,
		File: event.File{Path: child.Path, VolumeID: "254:0", FileID: child.FileID, Size: 48_000, Mode: 0o100755, ModifiedTime: 1_690_000_000_000_000, OwnerID: "0", Links: 1},
	}
	s.pending = append(s.pending, exec)
	if s.living = append(s.living, child); len(s.living) > 24 {
		gone := s.living[0]
		s.living = s.living[1:]
		s.pending = append(s.pending, &event.Event{Kind: event.ProcessExit, Actor: gone, Parent: parent, Ancestors: above, CPUTime: uint64(400_000 + s.r.IntN(3_000_000))})
	}
	return &event.Event{Kind: event.ProcessFork, Actor: parent, Parent: grand, Target: before}
}

func (s *shapes) actor() (actor, parent event.Process) {
	if len(s.living) > 0 && s.r.IntN(3) > 0 {
		return s.living[s.r.IntN(len(s.living))], s.daemons[s.r.IntN(len(s.daemons))]
	}
	return s.daemons[s.r.IntN(len(s.daemons))], s.daemons[0]
}

func (s *shapes) file() *event.Event {
	actor, parent := s.actor()
	s.inode++
	folder := []string{"/srv/app/data", "/var/lib/postgresql/15/main/base/16384", "/home/build/src/build", "/var/cache/app"}[s.r.IntN(4)]
	f := event.File{Path: fmt.Sprintf("%s/%d/part-%d.tmp", folder, s.r.IntN(40), s.r.IntN(100_000)), VolumeID: "254:0", FileID: fmt.Sprint(s.inode), Mode: 0o100644, ModifiedTime: time.Now().UnixMicro(), OwnerID: actor.UserID, Links: 1}
	above := []string{s.daemons[0].Path}
	make := func(k event.Kind, f event.File) *event.Event {
		return &event.Event{Kind: k, Actor: actor, Parent: parent, Ancestors: above, File: f}
	}
	written := f
	written.Size = uint64(s.r.IntN(1 << 18))
	s.pending = append(s.pending, make(event.FileModify, written))
	if s.r.IntN(2) == 0 {
		s.pending = append(s.pending, make(event.FileDelete, f))
	}
	e := make(event.FileCreate, f)
	e.Flags = 256
	return e
}

func (s *shapes) connect() *event.Event {
	actor, parent := s.actor()
	s.port = 32768 + (s.port+7)%28_000
	e := event.Event{
		Kind: event.NetConnect, Actor: actor, Parent: parent, Ancestors: []string{s.daemons[0].Path}, Initiated: true, Protocol: "tcp",
		LocalAddr: netip.AddrFrom4([4]byte{10, 1, byte(s.boot >> 8), byte(s.boot)}), LocalPort: s.port,
		RemoteAddr: netip.AddrFrom4([4]byte{10, 2, byte(s.r.IntN(4)), byte(s.r.IntN(200))}), RemotePort: []uint64{443, 5432, 6379, 8080}[s.r.IntN(4)],
	}
	done := e
	done.Kind, done.BytesSent, done.BytesReceived = event.NetClose, uint64(s.r.IntN(4000)), uint64(s.r.IntN(200_000))
	s.pending = append(s.pending, &done)
	return &e
}

func (s *shapes) ask() *event.Event {
	actor, parent := s.actor()
	name := domains[s.r.IntN(len(domains))]
	return &event.Event{
		Kind: event.DNSQuery, Actor: actor, Parent: parent, Ancestors: []string{s.daemons[0].Path}, Initiated: true, Protocol: "udp", Query: fmt.Sprintf("%s-%d.example.net", name, s.r.IntN(60)), QueryType: 1,
		LocalAddr: netip.AddrFrom4([4]byte{10, 1, byte(s.boot >> 8), byte(s.boot)}), LocalPort: 40_000, RemoteAddr: netip.AddrFrom4([4]byte{10, 0, 0, 53}), RemotePort: 53,
		Answers: []string{fmt.Sprintf("10.2.%d.%d", s.r.IntN(4), s.r.IntN(200))},
	}
}
