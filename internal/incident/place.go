package incident

import (
	"iter"
	"slices"
)

// place is what one path was: the files that had it, one after another, and what was run by it. Files are
// told in the order of their acts; what ran them comes by a more urgent lane and may be told before or after.
// So nothing is joined when it is told: who had the path at the moment of a run is asked when a story grows.
type place struct {
	tenures []tenure  // by time, at most maxTenures
	runs    []fileRun // by path alone: a script, or an image without an identity
}

// tenure is the time in which a file had a path, µs. It may have begun before from, its first sign.
type tenure struct {
	file        *fileNode
	from, until int64 // until 0: it still has it
}

const maxTenures = 16 // full: the oldest goes

func (t *tenure) holds(at int64) bool { return t.from <= at && (t.until == 0 || at <= t.until) }

// at gives the file that had the path at the time, nil when none is known.
func (a *activity) at(path string, time int64) *fileNode {
	pl := a.places[path]
	if pl == nil {
		return nil
	}
	for i := len(pl.tenures) - 1; i >= 0; i-- {
		if pl.tenures[i].holds(time) {
			return pl.tenures[i].file
		}
	}
	return nil
}

// begin notes that n had the path at the time; an empty path is none.
func (a *activity) begin(path string, n *fileNode, time int64) {
	if path == "" {
		return
	}
	pl := a.places[path]
	if pl == nil {
		pl = &place{}
		a.places[path] = pl
	}
	next := 0 // the first tenure that begins later
	for ; next < len(pl.tenures) && pl.tenures[next].from <= time; next++ {
		if t := &pl.tenures[next]; t.file == n && t.holds(time) {
			return
		}
	}
	if next > 0 {
		if t := &pl.tenures[next-1]; t.holds(time) {
			t.until = time
		}
	}
	if next < len(pl.tenures) && pl.tenures[next].file == n {
		pl.tenures[next].from = time
		return
	}
	t := tenure{file: n, from: time}
	if next < len(pl.tenures) {
		t.until = pl.tenures[next].from
	}
	pl.tenures = append(pl.tenures, tenure{})
	copy(pl.tenures[next+1:], pl.tenures[next:])
	pl.tenures[next] = t
	if len(pl.tenures) > maxTenures {
		pl.tenures = append(pl.tenures[:0], pl.tenures[1:]...)
	}
}

// end notes that n lost the path at the time.
func (a *activity) end(path string, n *fileNode, time int64) {
	if pl := a.places[path]; pl != nil {
		for i := range pl.tenures {
			if t := &pl.tenures[i]; t.file == n && t.holds(time) {
				t.until = time
			}
		}
	}
}

// alias remembers another name of n; the names it does not remember must not lead to it.
func (a *activity) alias(n *fileNode, path string) {
	if path == n.path || slices.Contains(n.paths, path) {
		return
	}
	if len(n.paths) >= maxFacts { // the oldest name is forgotten, and what was run by it
		a.leave(n.paths[0], n)
		n.paths = append(n.paths[:0], n.paths[1:]...)
	}
	n.paths = append(n.paths, path)
}

// leave forgets that n ever had the path.
func (a *activity) leave(path string, n *fileNode) {
	pl := a.places[path]
	if pl == nil {
		return
	}
	kept := pl.tenures[:0]
	for _, t := range pl.tenures {
		if t.file != n {
			kept = append(kept, t)
		}
	}
	if pl.tenures = kept; len(kept) == 0 {
		delete(a.places, path)
	}
}

// runs gives what ran n: those that named its number, and those that named a path while it had that.
func (a *activity) runs(n *fileNode) iter.Seq2[*fileRun, bool] {
	return func(yield func(r *fileRun, byPath bool) bool) {
		for i := range n.runs {
			if !yield(&n.runs[i], false) {
				return
			}
		}
		named := func(path string) bool {
			pl := a.places[path]
			for j := 0; pl != nil && j < len(pl.runs); j++ {
				if r := &pl.runs[j]; a.at(path, r.time) == n && !yield(r, true) {
					return false
				}
			}
			return true
		}
		if named(n.path) {
			for _, path := range n.paths {
				if !named(path) {
					return
				}
			}
		}
	}
}
