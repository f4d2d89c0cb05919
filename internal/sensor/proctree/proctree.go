// Package proctree knows the processes of this host as long as they matter: it names the actor, parent and
// ancestors of every event, users and remote hosts included. Memory is bounded by construction: a fixed number
// of slots, the exited kept for a minute or until a slot is needed. It reads no kernel object itself; package
// sight feeds it what package probe saw and asks it about keys and pids.
package proctree

import (
	"strconv"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// Bounds of the tree.
const (
	DefaultSlots = 64 << 10         // processes, running and exited
	keepExited   = 60 * time.Second // how long an exited process can still be named
	maxTextBytes = 16 << 20         // command lines and other texts of all processes together
	maxLine      = 2 << 10          // bytes of a command line kept for later events; its exec carries all of it
	shortLine    = 128              // the same when maxTextBytes is spent
	maxAncestors = 8
)

// process is one slot. A slot with a zero key is free.
type process struct {
	key, parent         event.Key
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
	sha256              *[32]byte // shared by all that run the image
	flags               uint64    // FlagMemoryFile, FlagDeleted of the image
	used                bool      // touched since the clock hand last came by
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

// Apply learns from an event and completes it: Actor, Parent, Ancestors, Target and names. It returns a logon
// that the event is the first sign of, or nil.
func (t *Tree) Apply(e *event.Event) (logon *event.Event) {
	t.users.refresh()
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Kind == event.DNSQuery {
		t.names.learn(e)
	}
	if e.RemoteAddr.IsValid() && e.RemoteName == "" {
		e.RemoteName = t.names.of(e.RemoteAddr)
	}
	if e.Actor.Key == (event.Key{}) {
		return nil
	}
	now := e.BootNS
	p := t.actor(e, now)
	switch e.Kind {
	case event.ProcessFork:
		t.fork(e, p, now)
	case event.ProcessExec, event.ProcessRunning:
		t.exec(e, p)
	case event.ProcessExit:
		p.exited = max(now, 1)
	}
	t.complete(e)
	return t.logon(e)
}

// actor finds the slot of the acting process, or makes one from what the record itself says.
func (t *Tree) actor(e *event.Event, now uint64) *process {
	if i, ok := t.byKey[e.Actor.Key]; ok {
		p := &t.slots[i]
		p.used = true
		if p.parent == (event.Key{}) {
			p.parent, p.parentPID = e.Parent.Key, e.Parent.PID
		}
		if e.Actor.UserID != "" {
			p.user, p.effectiveUser = e.Actor.UserID, e.Actor.EffectiveUserID
		}
		if e.Actor.Comm != "" {
			p.comm = e.Actor.Comm
		}
		return p
	}
	p := t.take(e.Actor.Key, e.Actor.PID, e.Actor.StartNS, now)
	p.parent, p.parentPID = e.Parent.Key, e.Parent.PID
	p.user, p.effectiveUser, p.comm = e.Actor.UserID, e.Actor.EffectiveUserID, e.Actor.Comm
	p.execID = e.Actor.ExecID
	// Its fork was lost: what the parent runs is the best guess until an exec says otherwise.
	if i, ok := t.byKey[p.parent]; ok && e.Kind != event.ProcessExec && e.Kind != event.ProcessRunning {
		if q := &t.slots[i]; q.execID == p.execID {
			p.inherit(q)
		}
	}
	return p
}

// inherit gives a forked child what it shares with its parent until its own exec.
func (p *process) inherit(q *process) {
	p.path, p.line, p.cwd, p.session, p.loginUser, p.tty = q.path, q.line, q.cwd, q.session, q.loginUser, q.tty
	p.container, p.cgroup, p.volume, p.file, p.interpreter = q.container, q.cgroup, q.volume, q.file, q.interpreter
	p.sha256, p.flags, p.caps = q.sha256, q.flags, q.caps
}

func (t *Tree) fork(e *event.Event, parent *process, now uint64) {
	if i, ok := t.byKey[e.Target.Key]; ok {
		// Its exec came first: the image is newer than the fork, only the parent may be missing.
		c := &t.slots[i]
		if c.parent == (event.Key{}) {
			c.parent, c.parentPID = parent.key, parent.pid
		}
		e.Target = t.show(c)
		return
	}
	from := *parent // the slots may move below
	c := t.take(e.Target.Key, e.Target.PID, e.Target.StartNS, now)
	c.inherit(&from)
	c.parent, c.parentPID = from.key, from.pid
	c.user, c.effectiveUser, c.comm, c.execID = from.user, from.effectiveUser, from.comm, from.execID
	e.Target = t.show(c)
}

func (t *Tree) exec(e *event.Event, p *process) {
	a := &e.Actor
	t.texts -= len(p.line)
	p.path, p.cwd, p.tty, p.session, p.loginUser = a.Path, a.Cwd, a.TTY, a.SessionID, a.LoginUserID
	p.container, p.cgroup, p.volume, p.file, p.interpreter = a.ContainerID, a.Cgroup, a.VolumeID, a.FileID, a.Interpreter
	p.caps, p.execID, p.comm = a.Capabilities, a.ExecID, a.Comm
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
	t.complete(e)
	e.Actor = actor
}

// complete fills the actor, parent, ancestors and target of an event from the tree.
func (t *Tree) complete(e *event.Event) {
	if i, ok := t.byKey[e.Target.Key]; ok {
		e.Target = t.show(&t.slots[i])
	} else if i, ok := t.byPID[e.Target.PID]; ok && e.Target.Key == (event.Key{}) && t.slots[i].exited == 0 {
		e.Target = t.show(&t.slots[i])
	}
	i, ok := t.byKey[e.Actor.Key]
	if !ok {
		return
	}
	p, line := &t.slots[i], e.Actor.CommandLine
	e.Actor = t.show(p)
	if line != "" {
		e.Actor.CommandLine = line
	}
	e.Parent = event.Process{Key: p.parent, PID: p.parentPID}
	up, ok := t.byKey[p.parent]
	if !ok || p.parent == p.key {
		return
	}
	e.Parent = t.show(&t.slots[up])
	e.Ancestors = nil
	for at := &t.slots[up]; len(e.Ancestors) < maxAncestors; {
		next, ok := t.byKey[at.parent]
		if !ok || at.parent == at.key {
			break
		}
		at = &t.slots[next]
		if at.path != "" {
			e.Ancestors = append(e.Ancestors, at.path)
		} else if at.comm != "" {
			e.Ancestors = append(e.Ancestors, at.comm) // kernel threads have no image
		}
	}
}

// show gives a process as events carry it.
func (t *Tree) show(p *process) event.Process {
	out := event.Process{
		Key: p.key, PID: p.pid, ExecID: p.execID, StartNS: p.start, Path: p.path, CommandLine: p.line, Cwd: p.cwd,
		UserID: p.user, UserName: t.users.name(p.user), EffectiveUserID: p.effectiveUser, SessionID: p.session, LoginUserID: p.loginUser,
		TTY: p.tty, ContainerID: p.container, VolumeID: p.volume, FileID: p.file, Interpreter: p.interpreter,
		Capabilities: p.caps, Cgroup: p.cgroup, Comm: p.comm,
	}
	if p.sha256 != nil {
		out.SHA256 = *p.sha256
	}
	return out
}

// Process gives what is known of a process.
func (t *Tree) Process(key event.Key) (event.Process, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.byKey[key]
	if !ok {
		return event.Process{}, false
	}
	return t.show(&t.slots[i]), true
}

// Running gives the process that has this pid now; false when none is known to run.
func (t *Tree) Running(pid uint64) (event.Process, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.byPID[pid]
	if !ok || t.slots[i].exited != 0 {
		return event.Process{}, false
	}
	return t.show(&t.slots[i]), true
}

// SetHash notes the hash of the image that a process runs, unless it runs another one by now.
func (t *Tree) SetHash(key event.Key, execID uint64, sum [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.byKey[key]; ok && t.slots[i].execID == execID {
		t.slots[i].sha256 = &sum
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
	return &event.Event{Kind: event.AuthLogon, OS: e.OS, BootNS: e.BootNS, HostTime: e.HostTime, Actor: e.Actor, Parent: e.Parent,
		Ancestors: e.Ancestors, Subject: "session " + strconv.Quote(session)}
}
