package incident

import "net/netip"

// role says how a process belongs to a story, and what follows from it. Growth that took everything that touches anything
// ends with the whole host in one story: a desktop started the mail client, the terminal and the music. So a role is less
// about the process than about its neighbours: whether they come along because it does. A process that is reached twice
// keeps the stronger role, so that the order in which growth gets there does not matter.
type role uint8

const (
	outside role = iota
	aside        // an ancestor for orientation: it does not join
	passage      // a hub or a step on a named chain: it does not join either, and nothing follows from it
	pruned       // a service or a session: joins, but brings only the branches that have a reason of their own
	runner       // runs many programs: as pruned, but who started it may join, and all that was found below it does
	full         // joins with its descendants; if it was another program before, with those of what it is now (kidsByImage)
)

// growth is the set of things that belong to one story.
type growth struct {
	g       *Graph
	role    map[*proc]role
	order   []*proc // members in order of joining
	queue   []*proc
	links   []*link
	linked  map[[2]thing]map[string]*link
	urls    map[string]*urlNode
	addrs   map[netip.AddrPort]*addrNode
	hand    map[*activity][]*handoff
	folds   map[*proc]int
	used    map[*handoff]*urlNode
	weak    []*handoff // seen, too weak to join
	weakRun []itemPair
	full    bool // the bound was reached
	alone   bool // one rule alone found something: what stands beside it is not shown to be an attack by anything
}

type itemPair struct {
	it  *item
	run itemRun
}

// maxGrowth bounds what one growth looks at, in processes: far above what is shown, for who is shown is chosen among them,
// and far below what makes the desk late for the other hosts. Full: growth ends there and the story says truncated.
const maxGrowth = 4 * maxStoryNodes

// grow finds what belongs to the seeds, over observed edges and inferred ones of at least medium
// confidence, backwards and forwards. rules is the number of different rules that found them.
func grow(g *Graph, seeds []*proc, rules int) *growth {
	w := reach(g, seeds, rules)
	w.context()
	w.beside()
	w.spawns()
	w.logons()
	return w
}

// reach is grow without what is only shown: it says who belongs to the seeds.
func reach(g *Graph, seeds []*proc, rules int) *growth {
	w := &growth{
		g: g, alone: rules <= 1, role: map[*proc]role{}, linked: map[[2]thing]map[string]*link{}, urls: map[string]*urlNode{}, addrs: map[netip.AddrPort]*addrNode{},
		hand: map[*activity][]*handoff{}, used: map[*handoff]*urlNode{}, folds: map[*proc]int{},
	}
	for _, s := range seeds {
		if hubKind(s) != notHub {
			w.join(s, passage)
		} else {
			w.whole(s)
		}
	}
	for more := true; more; more = w.handled() {
		for len(w.queue) > 0 {
			p := w.queue[0]
			w.queue = w.queue[1:]
			w.visit(p)
		}
	}
	return w
}

func (w *growth) join(p *proc, r role) {
	if p == nil || p.gone || w.role[p] >= r {
		return
	}
	if len(w.role) >= maxGrowth {
		w.full = true
		return
	}
	if w.role[p] == outside {
		w.order = append(w.order, p)
	}
	w.role[p] = r
	w.queue = append(w.queue, p)
}

// edge draws a link once for two things and a kind; drawn again it only cites more. The two ends of a link find it each from
// its own side, and what is found twice is one fact, not two.
func (w *growth) edge(l link) {
	k := [2]thing{l.from, l.to}
	if have := w.linked[k][l.kind]; have != nil {
		for _, f := range l.facts {
			have.facts = addCited(have.facts, f)
		}
		return
	}
	n := &l
	if w.linked[k] == nil {
		w.linked[k] = map[string]*link{}
	}
	w.linked[k][l.kind] = n
	w.links = append(w.links, n)
}

// addCited bounds what one link cites: eight events convince a reader as well as a thousand, and a story that cites
// thousands cannot be asked of the store.
func addCited(l []fact, f fact) []fact {
	for _, x := range l {
		if x.id == f.id {
			return l
		}
	}
	if len(l) >= 8 {
		return l
	}
	return append(l, f)
}

// visit follows every kind of edge from p in its role. Roles only grow, and p is visited again when its own did (join), so that
// the order of what is followed here decides nothing.
func (w *growth) visit(p *proc) {
	r := w.role[p]
	if r <= passage {
		return
	}
	w.wroteBefore(p)
	w.ranLater(p)
	w.scheduled(p)
	w.injections(p)
	w.pipes(p)
	w.peers(p)
	w.carried(p)
	w.up(p)
	switch r {
	case full:
		w.down(p)
	case runner:
		w.foundBelow(p)
	default:
	}
}

// down takes the descendants. A hub started by a member is shown, and its own children are not taken:
// a cron daemon or a browser runs for many.
func (w *growth) down(p *proc) {
	kids := p.kids
	if prepared(p) {
		w.foundBelow(p)
		_, kids = p.kidsByImage()
	}
	for _, k := range kids {
		if hubKind(k) != notHub {
			w.join(k, passage)
			if n := len(k.kids); n > 0 {
				w.folds[k] = n
			}
			continue
		}
		w.whole(k)
	}
}

// up takes the parent, unless growth stops there. This is the one place that decides how far back a story goes, and each case
// is one kind of parent that starts programs for several reasons:
//
//   - a service or a daemon serves many: it joins, so that the reader sees where the story came in, and brings nothing else;
//   - so does a service's fork that runs a script, a page of the site: the page is of one request, the service is not;
//   - from what joined in part only, and from a script of its own outside the system's folders, nothing goes up: who started
//     it, a CI agent say, started others that have nothing to do with it;
//   - a shell that somebody types into runs all that the person does that day;
//   - a parent that is half an hour older than its child runs for many stories, whatever it is;
//   - a shell that is fed its commands says of one of them nothing about the others;
//   - with one rule's findings alone, a parent of many programs is not shown to be an attack by one of them.
//
// What is left is a program that started another one for a reason of its own: it is part of the same act, as a whole.
func (w *growth) up(p *proc) {
	q := p.parent
	if q == nil || hubKind(q) != notHub {
		return
	}
	fed := isFedShell(p)
	switch {
	case isService(q) && !bringsItself(q), isDaemon(q):
		w.join(q, pruned)
	case forkOfService(q) && runsScript(p):
		w.join(q, pruned) // a page of the site that is a script
	case w.role[p] == pruned && !isSessionShell(p) && !fed && !forkOfService(p), runsScript(p):
		return
	case isSessionShell(q):
		w.join(q, pruned)
	case w.role[p] == pruned:
		if fed && (bringsItself(q) || hidden(q)) {
			w.whole(q) // a payload that feeds its shell by pipes
		}
		return
	case p.start != 0 && q.start != 0 && p.start-q.start > longLived:
		return
	case q.running.known() && !q.forked.known() && p.start-q.running.time > longLived:
		return
	case isFedShell(q):
		w.join(q, pruned)
	case w.alone && programsBelow(q, aloneBelow) > aloneBelow && !isTypedAt(q):
		w.join(q, runner)
	default:
		w.whole(q)
	}
}

// forkOfService says that p runs its parent's image on, and that a service forked it, over however many forks.
func forkOfService(p *proc) bool {
	for q, n := p, 0; q.firstExec() == nil && q.parent != nil && n < 16; n++ {
		if q = q.parent; hubKind(q) != notHub {
			return false
		}
		if isService(q) {
			return !bringsItself(q)
		}
	}
	return false
}

// longLived, in µs: a parent that old runs for many stories. Half an hour is longer than what an attack needs from its first
// program to the next, and shorter than what desktops, agents and screens live; a wrong cut here costs one edge that a person
// sees above the story as context.
const longLived = 30 * 60 * 1_000_000

// bringsItself says that a listening process was written in our sight: a bind shell, not a service. What a package manager
// wrote is not meant: an upgraded web server is still a service.
func bringsItself(p *proc) bool {
	for i := range p.images {
		if f, w := writerBefore(p, &p.images[i]); f != nil && w != nil && hubKind(w.by) == notHub {
			return true
		}
	}
	return false
}

// context shows the ancestors above each first process, up to a hub: a reader asks first where something stands. They do not
// join, so that two stories of one desktop stay two.
func (w *growth) context() {
	for _, p := range append([]*proc(nil), w.order...) {
		if w.role[p] < passage {
			continue
		}
		for up, n := p.parent, 0; up != nil && n < 8; up, n = up.parent, n+1 {
			if w.role[up] != outside {
				break
			}
			w.role[up] = aside
			w.order = append(w.order, up)
			if hubKind(up) != notHub && hubKind(up) != hubSSH {
				break
			}
		}
	}
}

// spawns draws parent → child between all that is shown, at the end: who is shown is known only then. A child without an
// event of its beginning gets no edge: that somebody named its parent later proves nothing that could be cited.
func (w *growth) spawns() {
	for _, p := range w.order {
		q := p.parent
		if q == nil || w.role[q] == outside {
			continue
		}
		var facts []fact
		if p.forked.known() {
			facts = append(facts, p.forked)
		}
		if im := p.firstExec(); im != nil {
			facts = append(facts, im.fact)
		}
		if len(facts) == 0 {
			continue
		}
		w.edge(link{
			kind: EdgeSpawn, from: q, to: p, facts: facts, basis: observed, confidence: high,
			reason: "started",
		})
	}
}

// earlier orders processes by their start; those of one instant by their keys, so that no order of arrival shows.
func (w *growth) earlier(p, q *proc) bool {
	if p.start != q.start {
		return p.start < q.start
	}
	return p.ref() < q.ref()
}

// joined gives the processes that joined a story, not those shown for orientation.
func (w *growth) joined() []*proc {
	var out []*proc
	for _, p := range w.order {
		if w.role[p] >= pruned {
			out = append(out, p)
		}
	}
	return out
}

func (r role) joined() bool { return r >= pruned }
