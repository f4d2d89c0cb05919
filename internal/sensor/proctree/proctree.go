// Package proctree knows the processes of this host as long as they matter: it names the actor, parent and
// ancestors of every event, users and remote hosts included. Memory is bounded by construction: a fixed number
// of slots, the exited kept for a minute or until a slot is needed. It reads no kernel object itself; package
// sight feeds it what package probe saw and asks it about keys and pids.
package proctree

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Bounds of the tree.
const (
	DefaultSlots = 64 << 10         // processes, running and exited
	keepExited   = 60 * time.Second // how long an exited process can still be named
	maxTextBytes = 16 << 20         // command lines and other texts of all processes together
	maxLine      = 2 << 10          // bytes of a command line kept for later events; its exec carries all of it
	shortLine    = 128              // the same when maxTextBytes is spent
	maxAncestors = 8
	maxLineage   = 32 // how many parents are asked for their role
)

// process is one slot. A slot with a zero key is free.
type process struct {
	key, parent         event.Key
	up                  int32 // slot where the parent was found last; believed only if its key is the parent's
	pid, parentPID      uint64
	start, exited       uint64 // ns since boot; exited 0 while it runs
	execID              uint64
	caps                uint64
	path, line, cwd     string
	user, effectiveUser string
	session, loginUser  string
	tty, container      string
	cgroup, comm        string
	volume, file        string
	interpreter         string
	invoked             string
	role                *Role     // of the program that it runs
	kin                 *kin      // who started it, and those, as far as they were seen
	sha256              *[32]byte // shared by all that run the image
	flags               uint64    // FlagMemoryFile, FlagDeleted of the image
	orphan              bool      // it was given to another parent than the one that made it
	used                bool      // touched since the clock hand last came by

	named              *userNames // that userName is from; another one means that the file changed
	namedFor, userName string
}

// Tree is safe for use from many goroutines.
type Tree struct {
	mu      sync.Mutex // guards all below
	slots   []process
	limit   int
	byKey   map[event.Key]int32
	byPID   map[uint64]int32 // the newest process of a pid
	free    []int32
	hand    int
	texts   int
	evicted uint64

	users    *Users
	names    names
	sessions map[string]struct{}
}

// New makes an empty tree of at most slots processes; 0 takes DefaultSlots.
func New(slots int, users *Users) *Tree {
	if slots <= 0 {
		slots = DefaultSlots
	}
	return &Tree{limit: slots, byKey: map[event.Key]int32{}, byPID: map[uint64]int32{}, users: users, sessions: map[string]struct{}{}}
}

// Run is Apply for an exec, or a running process, whose program has a role, or none.
func (t *Tree) Run(e *event.Event, role *Role) (logon *event.Event) { return t.apply(e, role) }

// Apply learns from an event and completes it: Actor, Parent, Ancestors, Target and names. It returns a logon
// that the event is the first sign of, or nil. The event stays the caller's, its texts become the tree's, too.
func (t *Tree) Apply(e *event.Event) (logon *event.Event) { return t.apply(e, nil) }

func (t *Tree) apply(e *event.Event, role *Role) (logon *event.Event) {
	t.users.refresh(e.BootNS)
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Kind == event.DNSQuery || e.Kind == event.DNSAnswer {
		t.names.learn(e)
	}
	if e.RemoteAddr.IsValid() && e.RemoteName == "" {
		e.RemoteName = t.names.of(e.Actor.Key, e.RemoteAddr, e.BootNS)
	}
	if e.Actor.Key == (event.Key{}) {
		return nil
	}
	now := e.BootNS
	given := e.Parent.Key // the parent that the kernel says it has now
	at := t.actor(e, now)
	p := &t.slots[at]
	switch e.Kind {
	case event.ProcessFork:
		t.fork(e, p, now)
		p = &t.slots[at] // the slots may have moved
		if p.key != e.Actor.Key {
			return nil // a tree so full that the child took the place of its parent
		}
	case event.ProcessExec, event.ProcessRunning:
		t.exec(e, p)
		p.role = role
	case event.ProcessExit:
		p.exited = max(now, 1)
	}
	p.orphan = p.orphan || given != (event.Key{}) && given != p.parent
	t.complete(e, p)
	return t.logon(e)
}

// actor finds the slot of the acting process, or makes one from what the record itself says.
func (t *Tree) actor(e *event.Event, now uint64) int32 {
	if i, ok := t.byKey[e.Actor.Key]; ok {
		p := &t.slots[i]
		p.used = true
		if p.parent == (event.Key{}) {
			p.parent, p.parentPID = e.Parent.Key, e.Parent.PID
			t.adopt(p)
		}
		if e.Actor.UserID != "" {
			p.user, p.effectiveUser = e.Actor.UserID, e.Actor.EffectiveUserID
		}
		if e.Actor.Comm != "" {
			p.comm = e.Actor.Comm
		}
		return i
	}
	slot := t.take(e.Actor.Key, e.Actor.PID, e.Actor.StartNS, now)
	p := &t.slots[slot]
	p.parent, p.parentPID = e.Parent.Key, e.Parent.PID
	t.adopt(p)
	p.user, p.effectiveUser, p.comm = e.Actor.UserID, e.Actor.EffectiveUserID, e.Actor.Comm
	p.execID = e.Actor.ExecID
	// Its fork was lost: what the parent runs is the best guess until an exec says otherwise.
	if i, ok := t.byKey[p.parent]; ok && e.Kind != event.ProcessExec && e.Kind != event.ProcessRunning {
		if q := &t.slots[i]; q.execID == p.execID {
			p.inherit(q)
		}
	}
	return slot
}

// inherit gives a forked child what it shares with its parent until its own exec.
func (p *process) inherit(q *process) {
	p.path, p.line, p.cwd, p.session, p.loginUser, p.tty = q.path, q.line, q.cwd, q.session, q.loginUser, q.tty
	p.container, p.cgroup, p.volume, p.file, p.interpreter = q.container, q.cgroup, q.volume, q.file, q.interpreter
	p.invoked, p.role = q.invoked, q.role
	p.sha256, p.flags, p.caps = q.sha256, q.flags, q.caps
}

func (t *Tree) fork(e *event.Event, parent *process, now uint64) {
	if i, ok := t.byKey[e.Target.Key]; ok {
		// Its exec came first: the image is newer than the fork, only the parent may be missing.
		c := &t.slots[i]
		if c.parent == (event.Key{}) {
			c.parent, c.parentPID = parent.key, parent.pid
			t.adopt(c)
		}
		t.show(&e.Target, c)
		return
	}
	from := *parent // the slots may move below
	c := &t.slots[t.take(e.Target.Key, e.Target.PID, e.Target.StartNS, now)]
	c.inherit(&from)
	c.parent, c.parentPID = from.key, from.pid
	t.adopt(c)
	c.user, c.effectiveUser, c.comm, c.execID = from.user, from.effectiveUser, from.comm, from.execID
	t.show(&e.Target, c)
}

func (t *Tree) exec(e *event.Event, p *process) {
	a := &e.Actor
	t.texts -= len(p.line)
	p.path, p.cwd, p.tty, p.session, p.loginUser = a.Path, a.Cwd, a.TTY, a.SessionID, a.LoginUserID
	p.container, p.cgroup, p.volume, p.file, p.interpreter = a.ContainerID, a.Cgroup, a.VolumeID, a.FileID, a.Interpreter
	p.caps, p.execID, p.comm, p.invoked = a.Capabilities, a.ExecID, a.Comm, a.Invoked
	p.flags = e.Flags & (event.FlagMemoryFile | event.FlagDeleted)
	p.sha256 = nil
	p.line = a.CommandLine
	if keep := maxLine; len(p.line) > keep || t.texts+len(p.line) > maxTextBytes {
		if t.texts+len(p.line) > maxTextBytes {
			keep = shortLine
		}
		// A copy, or the long text would stay alive behind the short one.
		p.line = string([]byte(p.line[:min(keep, len(p.line))]))
	}
	t.texts += len(p.line)
}

// Complete fills what an event that the sensor itself made leaves out: the parent and ancestors of its actor.
func (t *Tree) Complete(e *event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	actor := e.Actor
	if i, ok := t.byKey[actor.Key]; ok {
		t.complete(e, &t.slots[i])
	}
	e.Actor = actor
}

// Describe fills what an event that the sensor made of two execs leaves out: parent and ancestors of its actor, and the names of
// users. What its actor and its target ran stays as the event says.
func (t *Tree) Describe(e *event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	actor, target := e.Actor, e.Target
	if i, ok := t.byKey[actor.Key]; ok {
		t.complete(e, &t.slots[i])
	}
	e.Actor, e.Target = actor, target
}

// complete fills the actor p, parent, ancestors and target of an event from the tree.
func (t *Tree) complete(e *event.Event, p *process) {
	switch {
	case e.Kind == event.ProcessFork:
		// fork has named the child
	case e.Target.Key != (event.Key{}):
		if i, ok := t.byKey[e.Target.Key]; ok {
			t.show(&e.Target, &t.slots[i])
		}
	case e.Target.PID != 0:
		if i, ok := t.byPID[e.Target.PID]; ok && t.slots[i].exited == 0 {
			t.show(&e.Target, &t.slots[i])
		}
	}
	line := e.Actor.CommandLine
	t.show(&e.Actor, p)
	if line != "" {
		e.Actor.CommandLine = line
	}
	e.Ancestors = e.Ancestors[:0]
	t.lineage(e, p)
	up := t.above(p)
	if up == nil {
		e.Parent = event.Process{Key: p.parent, PID: p.parentPID}
		return
	}
	t.show(&e.Parent, up)
	for len(e.Ancestors) < maxAncestors {
		if up = t.above(up); up == nil {
			break
		}
		if up.path != "" {
			e.Ancestors = append(e.Ancestors, up.path)
		} else if up.comm != "" {
			e.Ancestors = append(e.Ancestors, up.comm) // kernel threads have no image
		}
	}
}

// lineage writes the roles that the actor p has, or that reach it from what started it. A role goes no further than the
// chain of parents holds: who outlives its parent, or was given to another one, has left it.
func (t *Tree) lineage(e *event.Event, p *process) {
	e.Flags |= event.FlagJudged
	e.Lineage = e.Lineage[:0]
	least := registry.Self
	for n := 0; p != nil && n < maxLineage; n++ {
		if r := p.role; r != nil && r.counts(e, least) && !slices.Contains(e.Lineage, r.Name) {
			e.Lineage = append(e.Lineage, r.Name)
		}
		if p.orphan {
			return
		}
		if p = t.above(p); p == nil || p.exited != 0 {
			return
		}
		least = registry.Children
		if n > 0 {
			least = registry.Tree
		}
	}
}

// above gives the parent of a process; nil when it is not known.
func (t *Tree) above(p *process) *process {
	if p.parent == p.key || p.parent == (event.Key{}) {
		return nil
	}
	if int(p.up) < len(t.slots) && t.slots[p.up].key == p.parent {
		return &t.slots[p.up]
	}
	i, ok := t.byKey[p.parent]
	if !ok {
		return nil
	}
	p.up = i
	return &t.slots[i]
}

// show writes a process as events carry it.
func (t *Tree) show(out *event.Process, p *process) {
	if names := t.users.now(); names != p.named || p.user != p.namedFor {
		p.named, p.namedFor, p.userName = names, p.user, names.of(p.user)
	}
	// Field by field: what this host never sets stays as it is, empty.
	out.Key, out.PID, out.ExecID, out.StartNS, out.Capabilities = p.key, p.pid, p.execID, p.start, p.caps
	out.Path, out.CommandLine, out.Cwd, out.Interpreter, out.VolumeID, out.FileID = p.path, p.line, p.cwd, p.interpreter, p.volume, p.file
	out.UserID, out.UserName, out.EffectiveUserID, out.SessionID, out.LoginUserID = p.user, p.userName, p.effectiveUser, p.session, p.loginUser
	out.TTY, out.ContainerID, out.Cgroup, out.Comm, out.Invoked = p.tty, p.container, p.cgroup, p.comm, p.invoked
	if p.sha256 != nil {
		out.SHA256 = *p.sha256
	} else if out.SHA256 != ([32]byte{}) {
		out.SHA256 = [32]byte{}
	}
}

// Process gives what is known of a process.
func (t *Tree) Process(key event.Key) (event.Process, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.byKey[key]
	if !ok {
		return event.Process{}, false
	}
	var p event.Process
	t.show(&p, &t.slots[i])
	return p, true
}

// Running gives the process that has this pid now; false when none is known to run.
func (t *Tree) Running(pid uint64) (event.Process, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.byPID[pid]
	if !ok || t.slots[i].exited != 0 {
		return event.Process{}, false
	}
	var p event.Process
	t.show(&p, &t.slots[i])
	return p, true
}

// SetHash notes the hash of the image that a process runs, unless it runs another one by now.
func (t *Tree) SetHash(key event.Key, execID uint64, sum [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.byKey[key]; ok && t.slots[i].execID == execID {
		t.slots[i].sha256 = &sum
	}
}

// SetRole notes the role of the program that a process runs, unless it runs another one by now.
func (t *Tree) SetRole(key event.Key, execID uint64, role *Role) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.byKey[key]; ok && t.slots[i].execID == execID {
		t.slots[i].role = role
	}
}

// Len gives the number of processes known.
func (t *Tree) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byKey)
}

// logon reports a login session when its first process is seen. Sessions that ran before the sensor are known
// from the snapshot and give none.
func (t *Tree) logon(e *event.Event) *event.Event {
	session := e.Actor.SessionID
	if session == "" || e.Kind != event.ProcessExec && e.Kind != event.ProcessRunning {
		return nil
	}
	if _, known := t.sessions[session]; known {
		return nil
	}
	if len(t.sessions) >= 4096 { // full: forget all; a live session may then be reported twice
		clear(t.sessions)
	}
	t.sessions[session] = struct{}{}
	if e.Kind == event.ProcessRunning {
		return nil
	}
	return &event.Event{
		Kind: event.AuthLogon, OS: e.OS, BootNS: e.BootNS, HostTime: e.HostTime, Actor: e.Actor, Parent: e.Parent,
		Flags: e.Flags & event.FlagJudged, Ancestors: slices.Clone(e.Ancestors), Lineage: slices.Clone(e.Lineage), Subject: "session " + strconv.Quote(session),
	}
}
