package sigma

import (
	"slices"
)

// A witness of a rule is a set of texts of which at least one must stand in a field of every record that the rule can
// fire on. Looking for the witnesses of all rules at once (index.go) leaves a few rules to be judged; those that
// have none are judged every time. It never decides anything: it only leaves out what cannot fire.
type witness []needle

type needle struct {
	slot int    // of the field, or keywords
	text string // folded, at least minNeedle bytes
}

const (
	minNeedle  = 2
	maxWitness = 8192 // texts; the longest real list has 4,432
)

// bits estimates how rarely a text stands in a field by chance: letters say less than other bytes. What stands behind a
// path says least, for half of a log can be one shell.
func (in *interner) bits(n needle) int {
	b := 0
	for i := range len(n.text) {
		switch c := n.text[i]; {
		case c == 'e' || c == 't' || c == 'a' || c == 'o' || c == 's' || c == 'i' || c == ' ' || c == '/' || c == '\\' || c == '.':
			b += 3
		case c >= 'a' && c <= 'z':
			b += 4
		default:
			b += 6
		}
	}
	most := 60
	if n.slot >= 0 {
		switch in.fields[n.slot] {
		case "Image", "ParentImage", "OriginalFileName", "actor_invoked", "parent_invoked", "EventID", "Channel", "Provider_Name":
			most = 14
		}
	}
	return min(b, most)
}

// worth orders witnesses: the least bits of a text, less what a long list costs.
func (in *interner) worth(w witness) int {
	if len(w) == 0 {
		return -1
	}
	least := 1000
	for _, n := range w {
		least = min(least, in.bits(n))
	}
	cost := 0
	for l := len(w); l > 1; l /= 2 {
		cost += 2
	}
	return max(least*2-cost, 0)
}

func (n andNode) witness(in *interner) (best witness) {
	value := -1
	for _, k := range n.kids {
		w := k.witness(in)
		if v := in.worth(w); v > value {
			best, value = w, v
		}
	}
	return best
}

func (n orNode) witness(in *interner) (all witness) {
	for _, k := range n.kids {
		w := k.witness(in)
		if len(w) == 0 || len(all)+len(w) > maxWitness {
			return nil
		}
		all = append(slices.Clip(all), w...)
	}
	return all
}

func (notNode) witness(*interner) witness { return nil }

func (n *item) witness(in *interner) (out witness) {
	if n.other {
		return nil
	}
	value := -1
	for _, g := range n.group {
		var w witness
		for _, a := range g {
			texts := a.texts()
			if len(texts) == 0 || len(w)+2*len(texts) > maxWitness {
				w = nil
				break
			}
			for _, t := range texts {
				w = append(w, needle{n.slot, t})
				if n.asked != none {
					w = append(w, needle{n.asked, t})
				}
			}
		}
		switch {
		case n.all: // any one of the groups is a witness
			if v := in.worth(w); v > value {
				out, value = w, v
			}
		case len(w) == 0 || len(out)+len(w) > maxWitness:
			return nil
		default:
			out = append(out, w...)
		}
	}
	return out
}

// longest gives the longest literal of a matcher, or nothing when it is too short to look for.
func longest(m matcher) []string {
	best := ""
	for _, l := range literalsOf(m) {
		if len(l) > len(best) {
			best = l
		}
	}
	if len(best) < minNeedle {
		return nil
	}
	return []string{best}
}

func (a textAtom) texts() []string { return longest(a.m) }
func (a casedAtom) texts() []string {
	t := longest(a.m)
	if t == nil {
		return nil
	}
	return []string{fold(t[0])}
}

func (a setAtom) texts() []string {
	out := make([]string, 0, len(a))
	for v := range a {
		if len(v) < minNeedle {
			return nil
		}
		out = append(out, v)
	}
	return out
}

func (a regexAtom) texts() []string {
	for _, n := range a.need {
		if len(n) < minNeedle {
			return nil
		}
	}
	return a.need
}
func (presentAtom) texts() []string { return nil }
func (fieldAtom) texts() []string   { return nil }
func (nullAtom) texts() []string    { return nil }
func (numberAtom) texts() []string  { return nil }
func (writtenAtom) texts() []string { return nil }
func (cidrAtom) texts() []string    { return nil }
func (refAtom) texts() []string     { return nil }
func (dateAtom) texts() []string    { return nil }
