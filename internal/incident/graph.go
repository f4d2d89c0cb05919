package incident

import (
	"net/netip"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Limits bound what is kept of each host. Each has a counted answer to "full".
type Limits struct {
	Nodes int           // processes and files of one host; full: the oldest ended one outside every story goes
	Total int           // processes and files of all hosts; full: the busiest host gives up its oldest
	Age   time.Duration // older nodes outside every story go
}

// defaultLimits are those of a server.
// A node takes about 1 KB (TestMemoryOfANode), so that all of them take about 200 MB.
var defaultLimits = Limits{Nodes: 100_000, Total: 200_000, Age: 24 * time.Hour}

// Bounds of what one process or file remembers; the newest are kept, the rest is counted. Each is far above what the processes
// of a story do and small enough that a process which does it all the time (a build's shell, a proxy) costs what one node may
// cost. The first of a list stays when the newest push: the first write and the first connection are what a story cites.
const (
	maxImages  = 8
	maxKids    = 8192
	maxWrites  = 256
	maxConns   = 128
	maxFacts   = 64
	maxWriters = 8
	maxRuns    = 64
)

// fact is an event that was seen: enough to cite it.
type fact struct {
	id   event.ID
	time int64
	kind event.Kind
}

func (f fact) known() bool { return f.time != 0 || f.id.Seq != 0 }

// image is what a process ran after one exec.
type image struct {
	fact
	path, commandLine, interpreter, cwd string
	sha                                 [32]byte
	memory, deleted                     bool
	parsed                              bool
	os                                  *platform // nil: Linux
	hub                                 hub       // whose name it carries, see parse
	words, program, script              string    // see parse
	file                                fileKey   // of the image; empty where the host gave none
}

type write struct {
	fact
	file    *fileNode
	path    string
	emptied bool
}

type conn struct {
	fact
	local, remote netip.AddrPort
	name          string // of the other side
	sent, got     uint64 // known after close
	closed        fact
	initiated     bool
}

type named struct { // a DNS query, a credential file, a log that was removed
	fact
	text string
}

type touch struct { // one process acting on another
	fact
	other *proc
	how   string
}

// proc is one process of one host, for its whole life.
type proc struct {
	key     event.Key
	host    *activity
	pid     uint64
	parent  *proc
	kids    []*proc
	images  []image
	forked  fact // seen being made
	running fact // seen by a snapshot
	ended   fact
	start   int64
	seen    bool // an event of its own named it; false: only others spoke of it
	gone    bool // evicted
	finding bool // a rule found something that it did

	user, userID, tty, session, cgroup, comm, container string

	more   *deeds
	lost   uint32 // programs that were below it and are evicted, or more than its children hold
	passed uint32 // serial of the story whose chain goes through it, not a member of it; 0: none
	story  uint32 // serial of the story it was a member of at the last growth, 0: none
	brings bool   // member that brings what is found below it: with all its descendants, or as a runner
}

// deeds is what only few processes have.
type deeds struct {
	writes   []write
	conns    []conn
	accepts  []conn
	listens  []conn
	dns      []named
	creds    []named
	deletes  []named
	memfds   []fact
	stdio    *conn
	inject   []touch
	injected []touch
	fedBy    []touch // whose output it read
	feeds    []touch // who read its output
	dropped  int
}

func (p *proc) d() *deeds {
	if p.more == nil {
		p.more = &deeds{}
	}
	return p.more
}

var noDeeds deeds

// did never is nil: for reading.
func (p *proc) did() *deeds {
	if p.more == nil {
		return &noDeeds
	}
	return p.more
}

func (p *proc) last() *image {
	if len(p.images) == 0 {
		return &image{}
	}
	return &p.images[len(p.images)-1]
}

func (p *proc) ref() string { return event.Ref{Host: p.host.id, Key: p.key}.String() }

type fileKey struct{ volume, id string }

// fileNode is one file by its identity, or by its path alone where a host gave none.
type fileNode struct {
	key     fileKey
	path    string
	paths   []string // earlier and other names
	writers []fileWrite
	runs    []fileRun // that named its number; for those by path see place
	before  *fileNode // that had its number before it
	sha     [32]byte
	created fact
	removed fact
	named   int64 // when an act gave it path, 0: first seen with it
	seenAt  int64
	gone    bool
}

type fileWrite struct {
	fact
	by *proc
}

type fileRun struct {
	fact
	by *proc
}

// activity is what one host did lately.
type activity struct {
	id        event.HostID
	name      string
	os        *platform // of the newest event
	procs     map[event.Key]*proc
	files     map[fileKey]*fileNode
	places    map[string]*place
	order     []kept // by first sight, for eviction
	head      int
	evicted   uint64
	firstSeen int64
	started   fact // of the sensor
	newest    int64
	items     []*item         // scheduled things written in our sight
	logons    map[string]fact // by log-on session: its beginning, as far as it was seen
	// the newest processes a scheduler started, and those that carried a URL to a browser
	byScheduler []*proc
	stubs       []*proc
	browsers    []*proc               // roots of browsers, newest last
	clock       *bootClock            // that of the newest event
	clocks      map[uint32]*bootClock // by the boot's tag in process keys
	owned       int                   // addresses that it used itself, see owners
	found       []*proc               // what rules found something of, the oldest first
	touched     []uint32              // stories that stand on what just changed
}

// maxFound bounds the processes of a host that findings are remembered of; full: the older half goes, and branches of
// theirs are found by their own way up alone.
const maxFound = 4096

// find notes that a rule found something that p did.
func (a *activity) find(p *proc) {
	if p.finding {
		return
	}
	p.finding = true
	if len(a.found) >= maxFound {
		a.found = append([]*proc(nil), a.found[maxFound/2:]...)
	}
	a.found = append(a.found, p)
}

// maxLogons bounds the sessions of one host whose beginning is remembered; full: all are forgotten, as the sensor does.
const maxLogons = 4096

// Graph is what all hosts of a tenant did lately. It is not safe for concurrent use; the Desk guards it.
type Graph struct {
	limits Limits
	hosts  map[event.HostID]*activity
	nodes  int

	names map[string]string // each name once: paths and users repeat

	peers     map[tuple]*pair // connections between hosts, by both ends' addresses
	peerOrder []tuple

	owners map[netip.Addr][]*activity // hosts that used the address themselves; two of them name none, so that a third is not kept
}

// NewGraph makes an empty graph; a zero limit takes the server's.
func NewGraph(l Limits) *Graph {
	if l.Nodes <= 0 {
		l.Nodes = defaultLimits.Nodes
	}
	if l.Total <= 0 {
		l.Total = defaultLimits.Total
	}
	if l.Age <= 0 {
		l.Age = defaultLimits.Age
	}
	return &Graph{limits: l, hosts: map[event.HostID]*activity{}, peers: map[tuple]*pair{}, owners: map[netip.Addr][]*activity{}, names: map[string]string{}}
}

const maxNames = 50_000 // names kept once; full: a new table, the old strings live on where they are used

// once gives the one copy of a name.
func (g *Graph) once(s string) string {
	if s == "" {
		return ""
	}
	if have, ok := g.names[s]; ok {
		return have
	}
	if len(g.names) >= maxNames {
		g.names = map[string]string{}
	}
	g.names[s] = s
	return s
}

// Evicted counts the nodes given up for lack of room or for age.
func (g *Graph) Evicted() (n uint64) {
	for _, a := range g.hosts {
		n += a.evicted
	}
	return n
}

// Nodes counts what is kept.
func (g *Graph) Nodes() int { return g.nodes }

func (g *Graph) host(id event.HostID) *activity {
	a := g.hosts[id]
	if a == nil {
		a = &activity{id: id, procs: map[event.Key]*proc{}, files: map[fileKey]*fileNode{}, places: map[string]*place{}}
		g.hosts[id] = a
	}
	return a
}

// evict makes room: the oldest first, but never a living process that has living children, nor a member of a story. Nodes that
// must stay go to the back of the queue. It looks at 64 at most, so that one event costs the same on a full graph as on an
// empty one.
func (g *Graph) evict(a *activity) {
	for tries := 0; tries < 64 && a.head < len(a.order); tries++ {
		n := len(a.order) - a.head
		full := n > g.limits.Nodes || g.nodes > g.limits.Total
		oldest := a.order[a.head]
		keep, at := oldest.needed(full), oldest.lastSeen()
		if !full && a.newest-at < g.limits.Age.Microseconds() {
			return
		}
		a.order[a.head] = nil
		a.head++
		if a.head > 4096 && a.head*2 > len(a.order) {
			a.order = append([]kept(nil), a.order[a.head:]...)
			a.head = 0
		}
		if keep {
			a.order = append(a.order, oldest)
			continue
		}
		a.evicted++
		g.nodes--
		oldest.forget(a)
	}
}

func (a *activity) forgetProc(p *proc) {
	p.gone = true
	delete(a.procs, p.key)
	if q := p.parent; q != nil {
		for i, k := range q.kids {
			if k == p {
				q.kids = append(q.kids[:i], q.kids[i+1:]...)
				q.lost += p.lost
				if p.firstExec() != nil {
					q.lost++
				}
				break
			}
		}
	}
	// what it knew goes with it, so that a chain of dead parents does not stay in memory
	p.parent, p.more = nil, nil
	for _, k := range p.kids {
		k.parent = nil
	}
	p.kids = nil
}

func (a *activity) forgetFile(f *fileNode) {
	f.gone = true
	if n := a.files[f.key]; n == f {
		delete(a.files, f.key)
	} else if n != nil && n.before == f {
		n.before = nil
	}
	a.leave(f.path, f)
	for _, path := range f.paths {
		a.leave(path, f)
	}
	f.writers, f.runs, f.before = nil, nil, nil
}

// seed gives the process a detection is about; nil when none is named or it was given up.
func (g *Graph) seed(d detection.Detection) *proc {
	a := g.hosts[d.Event.ID.Host]
	if a == nil || d.Event.Event == nil {
		return nil
	}
	return a.procs[d.Event.Event.Actor.Key]
}
