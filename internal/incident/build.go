package incident

import (
	"fmt"
	"net/netip"
	"sort"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Context is what a story needs beside events: names of hosts and where sight was missing.
type Context struct {
	Names     map[event.HostID]string
	Holes     []Hole
	Addresses map[netip.Addr][]event.HostID // of hosts; an address of two names none
}

// FromEvents builds the story of the detections from nothing but the events: a detection whose event is
// not among them is left out, so that removing an event removes what stood on it.
func FromEvents(events []event.Stamped, dets []detection.Detection, c Context) Story {
	g := NewGraph(Limits{})
	have := make(map[event.ID]bool, len(events))
	for _, e := range events {
		g.Add(e)
		have[e.ID] = true
	}
	var kept []detection.Detection
	for _, d := range dets {
		if have[d.Event.ID] {
			kept = append(kept, d)
		}
	}
	return Build(g, kept, c)
}

// Build makes the story of the detections out of the graph. It changes nothing.
func Build(g *Graph, dets []detection.Detection, c Context) Story {
	b := newBuilder(g, dets, c)
	return b.story()
}

type builder struct {
	g       *Graph
	c       Context
	w       *growth
	dets    []detection.Detection
	by      map[*proc][]detection.Detection
	refs    map[thing]string
	lines   []*link
	out     Story
	id      map[*link]string
	many    bool // more than one host: each step names its own
	steps   []hostStep
	reached fact              // the last step of the entry
	from    netip.AddrPort    // where the entry came from, as far as it is an address
	entered *activity         // the host of the entry
	over    map[*proc]int     // members not shown, by the nearest one above them that is
	outOf   map[thing][]*link // lines by where they come from
	into    map[thing]bool    // what a line other than spawn leads to
	all     []*proc           // see members
	hidden  map[thing]bool    // files, addresses and the like beyond what is shown
}

func newBuilder(g *Graph, dets []detection.Detection, c Context) *builder {
	b := &builder{g: g, c: c, by: map[*proc][]detection.Detection{}, refs: map[thing]string{}, id: map[*link]string{}, over: map[*proc]int{}, hidden: map[thing]bool{}}
	b.dets = append(b.dets, dets...)
	sort.SliceStable(b.dets, func(i, j int) bool { return g.moment(b.dets[i].Event) < g.moment(b.dets[j].Event) })
	var seeds []*proc
	for _, d := range b.dets {
		if p := g.seed(d); p != nil {
			if b.by[p] == nil {
				seeds = append(seeds, p)
			}
			b.by[p] = append(b.by[p], d)
		}
	}
	b.w = grow(g, seeds, rulesOf(b.dets))
	return b
}

func (b *builder) hostName(a *activity) string {
	if n := b.c.Names[a.id]; n != "" {
		return n
	}
	if a.name != "" {
		return a.name
	}
	return a.id.String()
}

// ref gives the ref of a thing, made once for each story.
func (b *builder) ref(x thing) string {
	r, ok := b.refs[x]
	if !ok {
		r = x.ref()
		b.refs[x] = r
	}
	return r
}

func (b *builder) story() Story {
	b.out.Nodes, b.out.Edges, b.out.Related, b.out.Folds, b.out.Holes = []Node{}, []Edge{}, []Related{}, []Fold{}, []Hole{}
	b.lines = append(b.lines, b.w.links...)
	sort.SliceStable(b.lines, func(i, j int) bool { return b.lines[i].time() < b.lines[j].time() })
	b.outOf, b.into = make(map[thing][]*link, len(b.lines)), map[thing]bool{}
	for _, l := range b.lines {
		b.outOf[l.from] = append(b.outOf[l.from], l)
		if l.kind != EdgeSpawn {
			b.into[l.to] = true
		}
	}
	b.many = len(b.hosts()) > 1
	keep := b.choose()
	b.nodes(keep)
	b.edges(keep)
	b.rows()
	b.horizon()
	b.related()
	b.folds(keep)
	b.out.Holes = append(b.out.Holes, b.c.Holes...)
	b.steps = b.hostSteps()
	b.out.Entry = b.entry()
	for i := range b.out.Nodes {
		if n := len(b.out.Entry.Chain); n > 0 && b.out.Nodes[i].Ref == b.out.Entry.Chain[0].Ref {
			b.out.Nodes[i].Flags = append(b.out.Nodes[i].Flags, FlagEntry)
		}
	}
	b.out.Answers = b.answers()
	b.dropIdleContext()
	return b.out
}

func (b *builder) horizon() {
	for _, a := range b.hosts() {
		h := a.firstSeen
		if a.started.known() {
			h = a.started.time
		}
		b.out.Horizon = max(b.out.Horizon, h)
	}
}

// hosts of the members, by first member.
func (b *builder) hosts() []*activity {
	var out []*activity
	seen := map[*activity]bool{}
	for _, p := range b.members() {
		if !seen[p.host] {
			seen[p.host] = true
			out = append(out, p.host)
		}
	}
	for _, f := range b.ofNobody() {
		if a := b.g.hosts[f.id.Host]; a != nil && !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// ofNobody are the events that were detected and that no process did: the sensor tells of itself.
func (b *builder) ofNobody() []fact {
	var out []fact
	for _, d := range b.dets {
		if e := d.Event.Event; e != nil && e.Actor.Key == (event.Key{}) {
			out = append(out, fact{id: d.Event.ID, time: b.g.moment(d.Event), kind: e.Kind})
		}
	}
	return out
}

// members are the processes that belong, not those shown for orientation, by start. They are found once: long stories
// are asked for them for each of their files.
func (b *builder) members() []*proc {
	if b.all != nil {
		return b.all
	}
	out := make([]*proc, 0, len(b.w.order))
	for _, p := range b.w.order {
		if b.w.role[p] >= pruned || len(b.by[p]) > 0 {
			out = append(out, p)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].start < out[j].start })
	b.all = out
	return out
}

func (b *builder) related() {
	seen := map[*proc]bool{}
	for _, h := range b.w.weak {
		if seen[h.stub] {
			continue
		}
		seen[h.stub] = true
		b.out.Related = append(b.out.Related, Related{
			Reason: Said{
				En: fmt.Sprintf("%s named %s shortly before, but nothing shows that the browser asked for it: time alone does not join", label(h.stub), h.url),
				Ja: fmt.Sprintf("直前に %s が %s を開こうとしたが、ブラウザーが接続した証拠がない（時間の近さだけでは結合しない）", label(h.stub), h.url),
			},
			EventIDs: []string{h.stub.last().id.String()},
		})
	}
	for _, r := range b.w.weakRun[:min(len(b.w.weakRun), 10)] {
		b.out.Related = append(b.out.Related, Related{
			Reason: Said{
				En: fmt.Sprintf("%s ran from the scheduler after %s was written; nothing else ties them", label(r.run.by), r.it.file.path),
				Ja: fmt.Sprintf("%s の書き込み後に %s がスケジューラーから実行されたが、ほかに結び付ける証拠がない", r.it.file.path, label(r.run.by)),
			},
			EventIDs: []string{r.it.write.id.String(), r.run.id.String()},
		})
	}
}

// rulesOf counts the rules behind detections: one rule many times is one reason.
func rulesOf(dets []detection.Detection) int {
	seen := map[string]bool{}
	for i := range dets {
		seen[dets[i].RuleID] = true
	}
	return len(seen)
}
