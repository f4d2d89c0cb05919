package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

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
	refs    map[any]string
	lines   []*link
	out     Story
	id      map[*link]string
	many    bool // more than one host: each step names its own
	steps   []hostStep
	reached fact            // the last step of the entry
	from    netip.AddrPort  // where the entry came from, as far as it is an address
	entered *activity       // the host of the entry
	over    map[*proc]int   // members not shown, by the nearest one above them that is
	outOf   map[any][]*link // lines by where they come from
	into    map[any]bool    // what a line other than spawn leads to
	all     []*proc         // see members
	hidden  map[any]bool    // files, addresses and the like beyond what is shown
}

func newBuilder(g *Graph, dets []detection.Detection, c Context) *builder {
	b := &builder{g: g, c: c, by: map[*proc][]detection.Detection{}, refs: map[any]string{}, id: map[*link]string{}, over: map[*proc]int{}, hidden: map[any]bool{}}
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
	b.w = g.grow(seeds, rulesOf(b.dets))
	return b
}

// seed gives the process a detection is about; nil when none is named or it was given up.
func (g *Graph) seed(d detection.Detection) *proc {
	a := g.hosts[d.Event.ID.Host]
	if a == nil || d.Event.Event == nil {
		return nil
	}
	return a.procs[d.Event.Event.Actor.Key]
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

func (b *builder) ref(x any) string {
	if r, ok := b.refs[x]; ok {
		return r
	}
	var r string
	switch v := x.(type) {
	case *proc:
		r = v.ref()
	case *fileNode:
		r = "file-" + digest(v.key.volume, v.key.id, v.path)
	case *urlNode:
		r = "url-" + digest(v.host.id.String(), v.url)
	case *addrNode:
		r = "address-" + digest(v.host.id.String(), v.addr.String())
	case *sessionNode:
		r = "session-" + digest(v.top.ref())
	case *item:
		r = "scheduled-" + digest(v.write.by.host.id.String(), v.file.path, v.write.id.String())
	}
	b.refs[x] = r
	return r
}

func digest(part ...string) string {
	h := sha256.Sum256([]byte(strings.Join(part, "\x00")))
	return hex.EncodeToString(h[:8])
}

func (b *builder) story() Story {
	b.out.Nodes, b.out.Edges, b.out.Related, b.out.Folds, b.out.Holes = []Node{}, []Edge{}, []Related{}, []Fold{}, []Hole{}
	b.lines = append(b.lines, b.w.links...)
	sort.SliceStable(b.lines, func(i, j int) bool { return b.lines[i].time() < b.lines[j].time() })
	b.outOf, b.into = make(map[any][]*link, len(b.lines)), map[any]bool{}
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
	b.many = len(b.hosts()) > 1
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

func (l *link) time() int64 {
	var t int64
	for _, f := range l.facts {
		t = max(t, f.time)
	}
	return t
}

// choose gives the processes to show: all, or the most telling ones of a large story. What is left out is counted at the
// nearest process above it that is shown.
func (b *builder) choose() map[*proc]bool {
	keep := make(map[*proc]bool, min(len(b.w.order), maxShown))
	b.out.Truncated = b.w.full || len(b.w.order) > maxShown
	if len(b.w.order) <= maxShown {
		for _, p := range b.w.order {
			keep[p] = true
		}
		return keep
	}
	weight := map[*proc]int{}
	for p, ds := range b.by {
		worst := 0
		for i := range ds {
			worst = max(worst, int(ds[i].Severity))
		}
		weight[p] += 1000*worst + min(len(ds), 100)
		for up, n := p.parent, 0; up != nil && n < 32 && b.w.role[up] != outside; up, n = up.parent, n+1 {
			weight[up] += 500 // the way from the first step to what was found
		}
	}
	for _, l := range b.lines {
		if l.kind == EdgeSpawn {
			continue
		}
		for _, x := range []any{l.from, l.to} {
			if p, ok := x.(*proc); ok {
				weight[p] += 100
			}
		}
	}
	all := append([]*proc(nil), b.w.order...)
	sort.SliceStable(all, func(i, j int) bool {
		if weight[all[i]] != weight[all[j]] {
			return weight[all[i]] > weight[all[j]]
		}
		return b.w.earlier(all[i], all[j])
	})
	for _, p := range all[:maxShown] {
		keep[p] = true
	}
	for _, p := range all[maxShown:] {
		if b.w.role[p] >= pruned {
			b.out.LeftOut.Members++
		}
		up := p.parent
		for n := 0; up != nil && !keep[up] && n < 64; up, n = up.parent, n+1 {
		}
		if up != nil && keep[up] {
			b.over[up]++
		}
	}
	return keep
}

func (b *builder) shown(x any, keep map[*proc]bool) bool {
	if p, ok := x.(*proc); ok {
		return keep[p]
	}
	return !b.hidden[x]
}

func (b *builder) nodes(keep map[*proc]bool) {
	list := make([]*proc, 0, len(keep))
	for _, p := range b.w.order {
		if keep[p] {
			list = append(list, p)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].start < list[j].start })
	for _, p := range list {
		b.out.Nodes = append(b.out.Nodes, b.processNode(p))
	}
	for _, x := range b.things(keep) {
		b.out.Nodes = append(b.out.Nodes, b.thingNode(x))
	}
}

// things gives the files, addresses, URLs, sessions and scheduled items to show: those on an edge between what is shown,
// in order of time. Of too many, those near what was found; the rest is counted, and its edges go with it.
func (b *builder) things(keep map[*proc]bool) []any {
	var list []any
	weight := map[any]int{}
	touched := func(x, other any) {
		if p, ok := x.(*proc); ok && !keep[p] || b.hidden[x] {
			return
		}
		if _, isProc := x.(*proc); isProc {
			return
		}
		if _, ok := weight[x]; !ok {
			list = append(list, x)
			weight[x] = 0
		}
		if p, ok := other.(*proc); ok && keep[p] {
			weight[x] += 10 + 1000*min(len(b.by[p]), 1)
		}
	}
	for _, l := range b.lines {
		if b.shown(l.from, keep) && b.shown(l.to, keep) {
			touched(l.from, l.to)
			touched(l.to, l.from)
		}
	}
	if len(list) <= maxThings {
		return list
	}
	for i, x := range list {
		if _, file := x.(*fileNode); i < maxThings/10 || !file && !isAddress(x) {
			weight[x] += 10_000 // the beginning; and what there are few of: sessions, scheduled items, URLs
		}
	}
	// what leads to a thing of weight is as telling as the thing: the address that a file came from
	for _, l := range b.lines {
		if _, isProc := l.from.(*proc); isProc || l.kind != EdgeDownloaded {
			continue
		}
		weight[l.from] = max(weight[l.from], weight[l.to]-1)
	}
	best := append([]any(nil), list...)
	sort.SliceStable(best, func(i, j int) bool { return weight[best[i]] > weight[best[j]] })
	for _, x := range best[maxThings:] {
		b.hidden[x] = true
	}
	b.out.Truncated = true
	b.out.LeftOut.Things = len(list) - maxThings
	return slices.DeleteFunc(list, func(x any) bool { return b.hidden[x] })
}

func isAddress(x any) bool { _, ok := x.(*addrNode); return ok }

func said(en, ja string) Said { return Said{En: en, Ja: ja} }

func (b *builder) processNode(p *proc) Node {
	im := p.face()
	n := Node{
		Ref: b.ref(p), Kind: NodeProcess, Label: label(p), Host: p.host.id.String(), HostName: b.hostName(p.host), Start: p.start, End: p.ended.time, Flags: []string{}, Detections: []string{},
		CommandLine: im.commandLine, Image: im.path, User: userOf(p), PID: p.pid, Cwd: im.cwd, Counts: map[string]int{}, Earlier: []string{}, Later: []string{}, EventIDs: []string{},
	}
	n.Labels = said("process "+n.Label, "プロセス "+n.Label)
	if known(im.sha) {
		n.SHA256 = hex.EncodeToString(im.sha[:])
	}
	after := false
	for i := range p.images {
		e := &p.images[i]
		switch {
		case e == im:
			after = true
		case after:
			n.Later = append(n.Later, e.commandLine)
		case e.known():
			n.Earlier = append(n.Earlier, e.commandLine)
		}
	}
	for _, f := range []fact{p.forked, im.fact, p.running, p.ended} {
		if f.known() {
			n.EventIDs = append(n.EventIDs, f.id.String())
		}
	}
	if b.w.role[p] == aside {
		n.Flags = append(n.Flags, FlagContext)
	}
	if b.w.role[p] <= passage && hubKind(p) != notHub {
		n.Flags = append(n.Flags, FlagHub)
	}
	if !p.seen {
		n.Flags = append(n.Flags, FlagNotObserved)
	}
	if p.running.known() && !p.forked.known() {
		n.Flags = append(n.Flags, FlagRunning)
	}
	if im.memory || p.last().memory {
		n.Flags = append(n.Flags, FlagMemory)
	}
	if im.deleted || p.last().deleted {
		n.Flags = append(n.Flags, FlagDeleted)
	}
	for _, d := range b.by[p] {
		n.Detections = append(n.Detections, d.ID)
		n.Score += []int{0, 2, 8, 20, 45, 70}[min(int(d.Severity), 5)]
	}
	n.Score = min(n.Score, 100)
	d := p.did()
	for name, c := range map[string]int{"files": len(d.writes), "connections": len(d.conns), "accepted": len(d.accepts), "names": len(d.dns), "credentials": len(d.creds), "children": len(p.kids), "not_kept": d.dropped} {
		if c > 0 {
			n.Counts[name] = c
		}
	}
	return n
}

// face gives what stands for p when it ran several images one after another: the last, but that under which most of
// its children started. A session's first shell that ends as "hostname" is still the shell of the session.
func (p *proc) face() *image {
	out := p.last()
	if len(p.images) < 2 || len(p.kids) == 0 {
		return out
	}
	most := 0
	for i := range p.images {
		im := &p.images[i]
		n, until := 0, int64(0)
		if i+1 < len(p.images) {
			until = p.images[i+1].time
		}
		for _, k := range p.kids {
			if k.start >= im.time && (until == 0 || k.start < until) {
				n++
			}
		}
		if im.known() && n > most {
			most, out = n, im
		}
	}
	return out
}

// en names a process in an English sentence, with its host when the story has several.
func (b *builder) en(p *proc) string {
	if b.many {
		return fmt.Sprintf("%s (pid %d on %s)", label(p), p.pid, b.hostName(p.host))
	}
	return fmt.Sprintf("%s (pid %d)", label(p), p.pid)
}

// ja does in a Japanese one.
func (b *builder) ja(p *proc) string {
	if b.many {
		return fmt.Sprintf("%s（%s、pid %d）", label(p), b.hostName(p.host), p.pid)
	}
	return fmt.Sprintf("%s（pid %d）", label(p), p.pid)
}

func label(p *proc) string {
	im := p.face()
	if n := program(im); n != "." && n != "/" && n != "" {
		return n
	}
	if p.comm != "" {
		return p.comm
	}
	return fmt.Sprintf("pid %d", p.pid)
}

func userOf(p *proc) string {
	if p.user != "" {
		return p.user
	}
	return p.userID
}

func (b *builder) thingNode(x any) Node {
	n := Node{Ref: b.ref(x), Flags: []string{}, Detections: []string{}, Counts: map[string]int{}, Earlier: []string{}, EventIDs: []string{}}
	switch v := x.(type) {
	case *fileNode:
		n.Kind, n.Label, n.Image = NodeFile, v.path, v.path
		n.Labels = said("file "+v.path, "ファイル "+v.path)
		if len(v.writers) > 0 {
			n.Host, n.Start = v.writers[0].by.host.id.String(), v.writers[0].time
			n.EventIDs = append(n.EventIDs, v.writers[0].id.String())
		}
		n.End = v.removed.time
		if known(v.sha) {
			n.SHA256 = hex.EncodeToString(v.sha[:])
		}
	case *urlNode:
		n.Kind, n.Label, n.Host = NodeURL, v.url, v.host.id.String()
		n.Labels = said("URL "+v.url, "URL "+v.url)
	case *addrNode:
		n.Kind, n.Label, n.Host = NodeAddress, v.addr.String(), v.host.id.String()
		if name := b.hostAt(v.addr.Addr()); name != "" {
			n.Label = name + " (" + v.addr.String() + ")"
		} else if v.name != "" {
			n.Label = v.name + " (" + v.addr.String() + ")"
		}
		n.Labels = said("address "+n.Label, "アドレス "+n.Label)
	case *sessionNode:
		n.Kind, n.Host, n.Start = NodeSession, v.host.id.String(), v.top.start
		n.Label = "session of " + userOf(v.top)
		n.Labels = said("log-on session of "+userOf(v.top), userOf(v.top)+" のログオンセッション")
	case *item:
		n.Kind, n.Label, n.Host, n.Start, n.Image = NodeScheduled, v.file.path, v.write.by.host.id.String(), v.write.time, v.file.path
		w := itemWords[v.kind]
		n.Labels = said(w.En+" "+v.file.path, w.Ja+" "+v.file.path)
		n.EventIDs = append(n.EventIDs, v.write.id.String())
	}
	for _, l := range b.outOf[x] {
		if n.Start == 0 {
			n.Start = l.time()
		}
	}
	if h, err := event.ParseHostID(n.Host); err == nil {
		if a := b.g.hosts[h]; a != nil {
			n.HostName = b.hostName(a)
		}
	}
	n.Later = []string{}
	return n
}

func (b *builder) edges(keep map[*proc]bool) {
	for _, l := range b.lines {
		if !b.shown(l.from, keep) || !b.shown(l.to, keep) {
			continue
		}
		from, to := b.ref(l.from), b.ref(l.to)
		e := Edge{ID: "edge-" + digest(l.kind, from, to), Kind: l.kind, From: from, To: to, EventIDs: []string{}, Basis: l.basis, Confidence: l.confidence, Reason: l.reason, Time: l.time(), Version: edgeCodeVersion}
		sortFacts(l.facts)
		for _, f := range l.facts {
			e.EventIDs = append(e.EventIDs, f.id.String())
		}
		b.id[l] = e.ID
		b.out.Edges = append(b.out.Edges, e)
	}
}

func sortFacts(l []fact) {
	sort.SliceStable(l, func(i, j int) bool { return l[i].time < l[j].time })
}

// strength orders the edges into a node: rows follow the strongest.
var strength = map[string]int{EdgeInjected: 2, EdgePiped: 3, EdgeSpawn: 4, EdgeLogon: 5, EdgeHandoff: 6, EdgeDownloaded: 7, EdgeWroteExec: 8, EdgeHostToHost: 9, EdgeScheduled: 10}

// rows gives each node the row above it: the strongest edge into it that makes no circle.
func (b *builder) rows() {
	best := map[string][]Edge{}
	role := map[string]role{}
	for p, r := range b.w.role {
		role[b.ref(p)] = r
	}
	for _, e := range b.out.Edges {
		best[e.To] = append(best[e.To], e)
	}
	at := map[string]int{}
	for i, n := range b.out.Nodes {
		at[n.Ref] = i
	}
	for i := range b.out.Nodes {
		n := &b.out.Nodes[i]
		in := best[n.Ref]
		rank := func(e Edge) int {
			s := strength[e.Kind]
			// a parent that itself belongs to the story shows more than the file that was run
			if e.Kind == EdgeSpawn && role[e.From] == full {
				s = 20
			}
			return s
		}
		sort.SliceStable(in, func(i, j int) bool { return rank(in[i]) > rank(in[j]) })
		for _, e := range in {
			if _, ok := at[e.From]; ok && !b.circle(at, e.From, n.Ref) {
				n.RowParent = e.From
				break
			}
		}
	}
	// an address has nothing above it: it stands under the program that brought the file from there
	for i := range b.out.Nodes {
		n := &b.out.Nodes[i]
		if n.RowParent != "" || n.Kind != NodeURL && n.Kind != NodeAddress {
			continue
		}
		for _, e := range b.out.Edges {
			if e.From != n.Ref || e.Kind != EdgeDownloaded {
				continue
			}
			for _, w := range best[e.To] {
				if w.Kind == EdgeWroteExec && !b.circle(at, w.From, n.Ref) {
					n.RowParent = w.From
				}
			}
		}
	}
}

// dropIdleContext takes out ancestors that show where something stands which stands elsewhere now: under what reached it
// from another host, or wrote it.
func (b *builder) dropIdleContext() {
	for {
		used := map[string]bool{b.out.Entry.Stopped.Where: true}
		for _, s := range append(append([]ChainStep{}, b.out.Entry.Chain...), b.out.Entry.Steps...) {
			used[s.Ref] = true
		}
		for _, n := range b.out.Nodes {
			used[n.RowParent] = true
		}
		for _, f := range b.out.Folds {
			used[f.Parent] = true
		}
		gone := map[string]bool{}
		kept := b.out.Nodes[:0]
		for _, n := range b.out.Nodes {
			if slices.Contains(n.Flags, FlagContext) && len(n.Detections) == 0 && !used[n.Ref] {
				gone[n.Ref] = true
				continue
			}
			kept = append(kept, n)
		}
		if b.out.Nodes = kept; len(gone) == 0 {
			return
		}
		b.out.Edges = slices.DeleteFunc(b.out.Edges, func(e Edge) bool { return gone[e.From] || gone[e.To] })
	}
}

func (b *builder) circle(at map[string]int, from, ref string) bool {
	for n := 0; from != "" && n < len(b.out.Nodes)+1; n++ {
		if from == ref {
			return true
		}
		i, ok := at[from]
		if !ok {
			return false
		}
		from = b.out.Nodes[i].RowParent
	}
	return from != ""
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

func (b *builder) folds(keep map[*proc]bool) {
	for p, n := range b.w.folds {
		if n == 0 {
			continue
		}
		r := Said{En: "nothing was found in them and no edge leads to them", Ja: "検知も、この攻撃ストーリーへの関連もなし"}
		if b.w.role[p] <= passage {
			r = Said{En: "its other children belong to other work", Ja: "ほかの子プロセスは別の作業のもの"}
		} else {
			b.out.LeftOut.Beside += n
		}
		if keep[p] {
			b.out.Folds = append(b.out.Folds, Fold{Parent: b.ref(p), Count: n, Kind: FoldBeside, Reason: r})
		}
	}
	for p, n := range b.over {
		b.out.Folds = append(b.out.Folds, Fold{Parent: b.ref(p), Count: n, Kind: FoldOver, Reason: Said{
			En: "the story is longer than what is shown, the least telling are left out", Ja: "攻撃ストーリーが長いため、重要度の低いものから省略",
		}})
	}
	sort.Slice(b.out.Folds, func(i, j int) bool {
		x, y := &b.out.Folds[i], &b.out.Folds[j]
		return x.Parent < y.Parent || x.Parent == y.Parent && x.Kind < y.Kind
	})
}

func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
