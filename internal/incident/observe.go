package incident

import (
	"net/netip"
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
)

// Add takes one event into the graph. Adding it again changes nothing. It reports whether a story may
// have changed by it.
func (g *Graph) Add(s event.Stamped) bool {
	e := s.Event
	if e == nil || e.Flags&event.FlagCanary != 0 {
		return false
	}
	e = shortened(e)
	a := g.host(s.ID.Host)
	a.os = platformOf(e.OS)
	at := a.moment(e)
	f := fact{id: s.ID, time: at, kind: e.Kind}
	if a.firstSeen == 0 || at < a.firstSeen {
		a.firstSeen = at
	}
	a.newest = max(a.newest, at)
	a.touched = a.touched[:0]
	switch e.Kind {
	case event.SensorStart:
		if !a.started.known() || at > a.started.time {
			a.started = f
		}
		if e.Hostname != "" {
			a.name = e.Hostname
		}
		return false
	case event.Dropped, event.Closed, event.SensorStop, event.SensorCapability, event.SensorLoss, event.SensorThrottle, event.SensorCanary, event.SensorTamper, event.SensorSignal:
		return false
	}
	if e.Actor.Key == (event.Key{}) {
		return false
	}
	p := g.process(a, &e.Actor, &e.Parent, e)
	a.touch(p)
	g.deed(a, p, e, f)
	g.evict(a)
	return len(a.touched) > 0
}

// touch notes that the story of p may have changed. The desk grows again only what was touched: with thousands of events a
// second on a host, growing each story for each event is what it cannot do.
func (a *activity) touch(p *proc) {
	if p.story == 0 || len(a.touched) >= maxFacts {
		return
	}
	if slices.Contains(a.touched, p.story) {
		return
	}
	a.touched = append(a.touched, p.story)
}

func when(e *event.Event) int64 {
	if e.Time != 0 {
		return e.Time
	}
	return e.HostTime
}

// process finds or makes the actor of an event and its parent, and fills in what the event knows.
func (g *Graph) process(a *activity, who, parent *event.Process, e *event.Event) *proc {
	p := g.named(a, who)
	p.seen = true
	g.fill(p, who)
	if p.parent == nil && parent.Key != (event.Key{}) && parent.Key != who.Key {
		q := g.named(a, parent)
		g.fill(q, parent)
		if !q.seen && len(q.images) == 0 && (parent.Path != "" || parent.CommandLine != "") {
			q.images = append(q.images, image{os: a.os, path: g.once(parent.Path), commandLine: parent.CommandLine, interpreter: parent.Interpreter, cwd: parent.Cwd})
		}
		// the link itself is made by spawn events alone, so that a story's spawn edge always has its event
		if e.Kind == event.ProcessExec || e.Kind == event.ProcessRunning {
			a.adopt(q, p)
		}
	}
	if len(p.images) == 0 && e.Kind != event.ProcessExec && (who.Path != "" || who.CommandLine != "") {
		p.images = append(p.images, image{os: a.os, path: g.once(who.Path), commandLine: who.CommandLine, interpreter: who.Interpreter, cwd: who.Cwd, sha: who.SHA256})
	}
	return p
}

func (g *Graph) named(a *activity, who *event.Process) *proc {
	p := a.procs[who.Key]
	if p == nil {
		p = &proc{key: who.Key, host: a, pid: who.PID}
		a.procs[who.Key] = p
		a.order = append(a.order, p)
		g.nodes++
	}
	return p
}

func (g *Graph) fill(p *proc, who *event.Process) {
	set := func(to *string, v string) {
		if v != "" && *to != v {
			*to = g.once(v)
		}
	}
	if who.PID != 0 {
		p.pid = who.PID
	}
	set(&p.user, who.UserName)
	set(&p.userID, who.UserID)
	set(&p.tty, who.TTY)
	set(&p.session, who.SessionID)
	set(&p.cgroup, who.Cgroup)
	set(&p.comm, who.Comm)
	set(&p.container, who.ContainerID)
}

// adopt makes one process the parent of another. The first parent that is stated stays, and no circle is closed: a host may
// say anything, and each walk up relies on an end.
func (a *activity) adopt(parent, kid *proc) {
	if parent == kid || kid.parent == parent {
		return
	}
	for up, n := parent, 0; up != nil && n < 1000; up, n = up.parent, n+1 {
		if up == kid {
			return // hostile or broken: a process is not its own ancestor
		}
	}
	if kid.parent != nil {
		return // the first stated parent stays; a later one is a reparenting after the parent's death
	}
	kid.parent = parent
	if len(parent.kids) < maxKids {
		parent.kids = append(parent.kids, kid)
	} else {
		parent.lost++
		parent.d().dropped++
	}
	a.touch(parent)
}

func (g *Graph) deed(a *activity, p *proc, e *event.Event, f fact) {
	switch e.Kind {
	case event.ProcessExec, event.ProcessRunning:
		g.exec(a, p, e, f)
	case event.ProcessFork:
		if e.Target.Key == (event.Key{}) {
			return
		}
		k := g.named(a, &e.Target)
		k.seen = true
		g.fill(k, &e.Target)
		if !k.forked.known() {
			k.forked = f
		}
		if k.start == 0 || f.time < k.start {
			k.start = f.time
		}
		if len(k.images) == 0 {
			// until it execs, a forked child runs what its parent ran
			im := *p.last()
			im.fact = fact{}
			k.images = append(k.images, im)
		}
		a.adopt(p, k)
	case event.ProcessExit:
		p.ended = f
	case event.ProcessImageHashed:
		for i := range p.images {
			if p.images[i].path == e.Actor.Path {
				p.images[i].sha = e.Actor.SHA256
			}
		}
	case event.MemPtrace, event.MemVMWrite:
		if e.Target.Key == (event.Key{}) || e.Target.Key == e.Actor.Key {
			return
		}
		t := g.named(a, &e.Target)
		g.fill(t, &e.Target)
		if len(t.images) == 0 {
			t.images = append(t.images, image{os: a.os, path: e.Target.Path, commandLine: e.Target.CommandLine})
		}
		a.touch(t)
		p.d().inject = addTouch(p.d().inject, touch{fact: f, other: t, how: e.Kind.String()})
		t.d().injected = addTouch(t.d().injected, touch{fact: f, other: p, how: e.Kind.String()})
	case event.ProcessPipe:
		if e.Target.Key == (event.Key{}) || e.Target.Key == e.Actor.Key {
			return
		}
		t := g.named(a, &e.Target)
		g.fill(t, &e.Target)
		if len(t.images) == 0 {
			t.images = append(t.images, image{os: a.os, path: g.once(e.Target.Path), commandLine: e.Target.CommandLine})
		}
		a.touch(t)
		p.d().fedBy = addTouch(p.d().fedBy, touch{fact: f, other: t})
		t.d().feeds = addTouch(t.d().feeds, touch{fact: f, other: p})
	case event.MemMemfdCreate:
		p.d().memfds = addFact(p.d().memfds, f)
	case event.FileCreate, event.FileModify, event.FileRename, event.FileChmod, event.FileLink, event.FileDelete:
		g.file(a, p, e, f)
	case event.FileReadCredential:
		p.d().creds = addNamed(p.d().creds, named{fact: f, text: e.File.Path})
	case event.NetConnect, event.NetAccept, event.NetListen, event.NetClose, event.NetStdioSocket:
		g.network(a, p, e, f)
	case event.DNSQuery:
		p.d().dns = addNamed(p.d().dns, named{fact: f, text: e.Query})
	case event.AuthLogon:
		if s := e.Actor.SessionID; s != "" {
			if a.logons == nil || len(a.logons) >= maxLogons {
				a.logons = map[string]fact{}
			}
			if old, ok := a.logons[s]; !ok || f.time < old.time {
				a.logons[s] = f
			}
		}
	}
}

func (g *Graph) exec(a *activity, p *proc, e *event.Event, f fact) {
	if p.start == 0 || f.time < p.start {
		p.start = f.time
	}
	if e.Kind == event.ProcessRunning {
		if !p.running.known() {
			p.running = f
		}
	}
	for i := range p.images {
		if p.images[i].id == f.id && p.images[i].known() {
			return
		}
	}
	im := image{
		fact: f, os: a.os, path: g.once(e.Actor.Path), commandLine: e.Actor.CommandLine, interpreter: e.Actor.Interpreter, cwd: g.once(e.Actor.Cwd), sha: e.Actor.SHA256,
		memory: e.Flags&event.FlagMemoryFile != 0, deleted: e.Flags&event.FlagDeleted != 0, file: fileKey{g.once(e.Actor.VolumeID), e.Actor.FileID},
	}
	if n := len(p.images); n > 0 && !p.images[n-1].known() {
		p.images = p.images[:n-1] // the guess from a parent's mention or from the fork
	}
	p.images = append(p.images, im)
	if len(p.images) > maxImages {
		p.images = append(p.images[:1], p.images[len(p.images)-maxImages+1:]...)
	}
	if e.Kind == event.ProcessExec {
		g.ran(a, p, &im)
		a.scheduledRun(p)
	}
	if n := len(a.browsers); isBrowserImage(&im) && (p.parent == nil || !isBrowserImage(p.parent.last())) && (n == 0 || a.browsers[n-1] != p) {
		a.browsers = append(a.browsers, p)
		if len(a.browsers) > 64 {
			a.browsers = append([]*proc(nil), a.browsers[32:]...)
		}
	}
	if e.Kind == event.ProcessExec {
		if n := len(a.stubs); isBrowserImage(&im) && urlIn(im.commandLine) != "" && (n == 0 || a.stubs[n-1] != p) {
			a.stubs = append(a.stubs, p)
			if len(a.stubs) > 2*maxItems {
				a.stubs = append([]*proc(nil), a.stubs[maxItems:]...)
			}
		}
	}
}

func (g *Graph) network(a *activity, p *proc, e *event.Event, f fact) {
	c := conn{
		fact: f, local: netip.AddrPortFrom(e.LocalAddr, uint16(e.LocalPort)), remote: netip.AddrPortFrom(e.RemoteAddr, uint16(e.RemotePort)),
		name: e.RemoteName, sent: e.BytesSent, got: e.BytesReceived, initiated: e.Initiated,
	}
	d := p.d()
	switch e.Kind {
	case event.NetConnect:
		c.initiated = true
		d.conns = addConn(d.conns, c)
		g.peer(a, c, p)
	case event.NetAccept:
		d.accepts = addConn(d.accepts, c)
		g.peer(a, c, p)
	case event.NetListen:
		d.listens = addConn(d.listens, c)
	case event.NetStdioSocket:
		d.stdio = &c
	case event.NetClose:
		list := d.conns
		if !e.Initiated {
			list = d.accepts
		}
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].local == c.local && list[i].remote == c.remote && !list[i].closed.known() {
				list[i].closed, list[i].sent, list[i].got = f, c.sent, c.got
				return
			}
		}
		c.closed = f
		if c.initiated {
			d.conns = addConn(d.conns, c)
		}
	}
}

func addFact(l []fact, f fact) []fact {
	for _, x := range l {
		if x.id == f.id {
			return l
		}
	}
	if len(l) >= maxFacts {
		return l
	}
	return append(l, f)
}

func addNamed(l []named, n named) []named {
	for _, x := range l {
		if x.id == n.id {
			return l
		}
	}
	if len(l) >= maxFacts {
		l = append(l[:1], l[2:]...)
	}
	return append(l, n)
}

func addTouch(l []touch, t touch) []touch {
	for _, x := range l {
		if x.id == t.id {
			return l
		}
	}
	if len(l) >= maxFacts {
		return l
	}
	return append(l, t)
}

func addConn(l []conn, c conn) []conn {
	for _, x := range l {
		if x.id == c.id {
			return l
		}
	}
	if len(l) >= maxConns {
		l = append(l[:1], l[2:]...)
	}
	return append(l, c)
}
