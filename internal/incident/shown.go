package incident

import (
	"slices"
	"sort"
)

// choose gives the processes to show: all, or the most telling ones of a large story. What is left out is counted at the
// nearest process above it that is shown. It weighs by what a reader looks for: what was found, by its severity, far above
// all; the way from the first step to it; then what has an edge of another kind than spawn. Of equals the earlier one, so that
// a story that grows at its end keeps its beginning.
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
		for _, x := range []thing{l.from, l.to} {
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

func (b *builder) shown(x thing, keep map[*proc]bool) bool {
	if p, ok := x.(*proc); ok {
		return keep[p]
	}
	return !b.hidden[x]
}

// things gives the files, addresses, URLs, sessions and scheduled items to show: those on an edge between what is shown,
// in order of time. Of too many, those near what was found; the rest is counted, and its edges go with it.
func (b *builder) things(keep map[*proc]bool) []thing {
	var list []thing
	weight := map[thing]int{}
	touched := func(x, other thing) {
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
	best := append([]thing(nil), list...)
	sort.SliceStable(best, func(i, j int) bool { return weight[best[i]] > weight[best[j]] })
	for _, x := range best[maxThings:] {
		b.hidden[x] = true
	}
	b.out.Truncated = true
	b.out.LeftOut.Things = len(list) - maxThings
	return slices.DeleteFunc(list, func(x thing) bool { return b.hidden[x] })
}

func isAddress(x thing) bool { _, ok := x.(*addrNode); return ok }

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
