package sigma

import (
	"slices"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// node is a part of a condition. Verdicts do not depend on the order of children, so they are sorted
// cheap first.
type node interface {
	eval(s *Scratch) bool
	cost() int
	// explain adds what made a true node true; nothing below a not can.
	explain(s *Scratch, out []detection.Match, selection string) []detection.Match
	// may says whether the node can be true, and whether it can be false, of records of a world.
	may(w *world) (yes, no bool)
	// witness gives texts of which one stands in every record that makes the node true; nil when nothing is sure.
	witness(in *interner) witness
}

type (
	andNode struct{ kids []node }
	orNode  struct{ kids []node }
	notNode struct{ kid node }
)

func byCost(kids []node) []node {
	kids = slices.Clone(kids)
	slices.SortStableFunc(kids, func(a, b node) int { return a.cost() - b.cost() })
	return kids
}

func allOf(kids []node) node {
	if len(kids) == 1 {
		return kids[0]
	}
	return andNode{byCost(kids)}
}

func anyOf(kids []node) node {
	if len(kids) == 1 {
		return kids[0]
	}
	return orNode{byCost(kids)}
}

func (n andNode) eval(s *Scratch) bool {
	for _, k := range n.kids {
		if !k.eval(s) {
			return false
		}
	}
	return true
}

func (n orNode) eval(s *Scratch) bool {
	for _, k := range n.kids {
		if k.eval(s) {
			return true
		}
	}
	return false
}

func (n notNode) eval(s *Scratch) bool { return !n.kid.eval(s) }

func sum(kids []node) (c int) {
	for _, k := range kids {
		c += k.cost()
	}
	return c
}
func (n andNode) cost() int { return sum(n.kids) }
func (n orNode) cost() int  { return sum(n.kids) }
func (n notNode) cost() int { return n.kid.cost() + 1 }

func (n andNode) explain(s *Scratch, out []detection.Match, sel string) []detection.Match {
	for _, k := range n.kids {
		out = k.explain(s, out, sel)
	}
	return out
}

func (n orNode) explain(s *Scratch, out []detection.Match, sel string) []detection.Match {
	for _, k := range n.kids {
		if k.eval(s) {
			out = k.explain(s, out, sel)
		}
	}
	return out
}

func (notNode) explain(_ *Scratch, out []detection.Match, _ string) []detection.Match { return out }

// named is a detection with its identifier; it only matters to explain.
type named struct {
	node
	name string
}

func (n named) explain(s *Scratch, out []detection.Match, _ string) []detection.Match {
	return n.node.explain(s, out, n.name)
}

// item is one field (or, with slot keywords, the whole record) and its values.
type item struct {
	slot  int
	field string
	asked int  // slot of the name that was asked for, which counts as well; none when it does not
	all   bool // every group must match, not any
	other bool // neq: the field is there and the rest does not hold
	group [][]atom
	price int
}

const (
	keywords = -1
	none     = -2
)

func (n *item) cell(s *Scratch) *cell {
	if n.slot == keywords {
		return s.everything()
	}
	return s.field(n.slot)
}

func (n *item) eval(s *Scratch) bool {
	c := n.cell(s)
	hit := n.holds(s, c) || n.holdsAsAsked(s)
	if n.other {
		return !hit && c.present()
	}
	return hit
}

func (n *item) holdsAsAsked(s *Scratch) bool {
	if n.asked == none {
		return false
	}
	c := s.field(n.asked)
	return c.present() && n.holds(s, c)
}

func (n *item) holds(s *Scratch, c *cell) bool {
	for _, g := range n.group {
		hit := false
		for _, a := range g {
			if a.test(s, c) {
				hit = true
				break
			}
		}
		if hit != n.all {
			return hit
		}
	}
	return n.all
}

func (n *item) cost() int { return n.price }

// shared is an item that several rules have. Its answer is kept while the record is being judged.
type shared struct {
	*item
	number int
}

func (n *shared) eval(s *Scratch) bool {
	a := &s.answers[n.number]
	if a.epoch != s.epoch {
		a.epoch, a.yes = s.epoch, n.item.eval(s)
	}
	return a.yes
}

// maxMatchText bounds what a detection keeps of a matched value.
const maxMatchText = 512

func (n *item) explain(s *Scratch, out []detection.Match, sel string) []detection.Match {
	if len(out) >= 32 {
		return out
	}
	c := n.cell(s)
	if !n.other && n.holdsAsAsked(s) && !n.holds(s, c) {
		c = s.field(n.asked)
	}
	m := detection.Match{Field: n.field, Selection: sel}
	for i, v := range c.texts() {
		one := cell{epoch: s.epoch, value: TextValue(v)}
		if len(c.raw) == 1 || (n.all || n.other) && i == 0 || n.touches(s, &one) {
			m.Value = event.Clip(v, maxMatchText)
			break
		}
	}
	return append(out, m)
}

func (n *item) touches(s *Scratch, c *cell) bool {
	for _, g := range n.group {
		for _, a := range g {
			if a.test(s, c) {
				return true
			}
		}
	}
	return false
}
