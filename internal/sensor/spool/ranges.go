package spool

import "slices"

// span is the numbers from..to, both included.
type span struct{ from, to uint64 }

// spans is a sorted list without overlaps or touching neighbours.
type spans []span

// add joins a span in.
func (s *spans) add(n span) {
	if n.from > n.to {
		return
	}
	out := (*s)[:0:0]
	for _, o := range *s {
		switch {
		case o.to+1 < n.from:
			out = append(out, o)
		case n.to+1 < o.from:
			out = append(out, n)
			n = o
		default:
			n = span{min(o.from, n.from), max(o.to, n.to)}
		}
	}
	out = append(out, n)
	*s = out
}

// has says whether all of n is in s.
func (s spans) has(n span) bool {
	return slices.ContainsFunc(s, func(o span) bool { return o.from <= n.from && n.to <= o.to })
}

// missing gives the parts of n that are not in s.
func (s spans) missing(n span) []span {
	var out []span
	for _, o := range s {
		if o.to < n.from || o.from > n.to {
			continue
		}
		if o.from > n.from {
			out = append(out, span{n.from, o.from - 1})
		}
		if o.to >= n.to {
			return out
		}
		n.from = o.to + 1
	}
	return append(out, n)
}
