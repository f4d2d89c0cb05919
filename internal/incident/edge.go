package incident

import "sort"

func (b *builder) edges(keep map[*proc]bool) {
	for _, l := range b.lines {
		if !b.shown(l.from, keep) || !b.shown(l.to, keep) {
			continue
		}
		from, to := b.ref(l.from), b.ref(l.to)
		e := Edge{ID: "edge-" + digest(l.kind, from, to), Kind: l.kind, From: from, To: to, EventIDs: []string{}, Basis: l.basis, Confidence: l.confidence, Reason: reasonOf(l), Time: l.time(), Version: edgeCodeVersion}
		sortFacts(l.facts)
		for _, f := range l.facts {
			e.EventIDs = append(e.EventIDs, f.id.String())
		}
		b.id[l] = e.ID
		b.out.Edges = append(b.out.Edges, e)
	}
}

// strength orders the edges into a node: rows follow the strongest. A screen is a tree and a story is not, so that one of the
// edges into a node must be its row. It is the one that says most about why the node is there: that cron ran it because of
// this table says more than that cron started it.
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
