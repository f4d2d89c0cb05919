package sigma

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/event"
)

// interner gives each field name a small number, the same for every rule of a set.
type interner struct {
	numbers  map[string]int
	fields   []string
	used     map[string]bool // by the rule being read
	items    map[string]*shared
	automata int // of regular expressions
}

func newInterner() *interner {
	return &interner{numbers: map[string]int{}, items: map[string]*shared{}}
}

// keep gives one node for questions that several rules ask alike: a record answers it once. One that is as cheap to
// ask as to remember stays alone.
func (in *interner) keep(key string, it *item) node {
	if it.price < 4 {
		return it
	}
	s, ok := in.items[key]
	if !ok {
		s = &shared{item: it, number: len(in.items)}
		in.items[key] = s
	}
	return s
}

func (in *interner) slot(field string) int {
	field = strings.ReplaceAll(field, " ", "") // §5.3: field names have their spaces stripped
	if in.used != nil {
		in.used[field] = true
	}
	return in.number(field)
}

// number is slot for a field that the rule did not name itself.
func (in *interner) number(field string) int {
	n, ok := in.numbers[field]
	if !ok {
		n = len(in.fields)
		in.numbers[field] = n
		in.fields = append(in.fields, field)
	}
	return n
}

// detections are the search identifiers of one rule or filter.
type detections struct {
	names    []string // in the order written
	byName   map[string]sides
	keywords bool
}

// readDetections compiles every key of m that skip does not name.
func readDetections(m *yaml.Node, slots *interner, skip ...string) (*detections, error) {
	d := &detections{byName: map[string]sides{}}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if slices.Contains(skip, k.Value) {
			continue
		}
		if k.Value == "timeframe" {
			return nil, refuse(Obsolete, k.Line, "timeframe is obsolete; write a correlation rule")
		}
		// Identifiers that a condition cannot spell, such as filter_a.conf, still count for its patterns.
		if k.Value == "" || len(k.Value) > 256 {
			return nil, refuse(BadDocument, k.Line, "identifier %q: 1 to 256 characters", event.Cut(k.Value, 80))
		}
		n, err := d.read(v, slots, 0)
		if err != nil {
			return nil, err
		}
		d.names = append(d.names, k.Value)
		d.byName[k.Value] = sides{named{n.pos, k.Value}, named{n.neg, k.Value}, n.differ}
	}
	if len(d.names) == 0 {
		return nil, refuse(BadDocument, m.Line, "no search identifier")
	}
	return d, nil
}

// read compiles a detection: a map is AND, a list of maps is OR, a list of text is keywords.
func (d *detections) read(v *yaml.Node, slots *interner, depth int) (out sides, err error) {
	switch v.Kind {
	case yaml.MappingNode:
		if len(v.Content) == 0 {
			return out, refuse(BadDocument, v.Line, "empty detection")
		}
		var kids []sides
		for i := 0; i+1 < len(v.Content); i += 2 {
			n, err := d.item(v.Content[i], v.Content[i+1], slots)
			if err != nil {
				return out, err
			}
			kids = append(kids, n)
		}
		return joined(allOf, kids), nil
	case yaml.SequenceNode:
		if len(v.Content) == 0 {
			return out, refuse(BadDocument, v.Line, "empty list")
		}
		if depth > 4 {
			return out, refuse(BadDocument, v.Line, "lists inside lists")
		}
		var kids []sides
		var words []*yaml.Node
		for _, k := range v.Content {
			if k.Kind == yaml.ScalarNode {
				words = append(words, k)
				continue
			}
			n, err := d.read(k, slots, depth+1)
			if err != nil {
				return out, err
			}
			kids = append(kids, n)
		}
		if len(words) > 0 {
			n, err := d.values(chain{line: v.Line, names: nil}, keywords, "", words, slots)
			if err != nil {
				return out, err
			}
			kids = append(kids, n)
		}
		return joined(anyOf, kids), nil
	case yaml.ScalarNode:
		return d.values(chain{line: v.Line}, keywords, "", []*yaml.Node{v}, slots)
	}
	return out, refuse(BadDocument, v.Line, "a detection is a map or a list")
}

func (d *detections) item(k, v *yaml.Node, slots *interner) (out sides, err error) {
	parts := strings.Split(k.Value, "|")
	if len(parts) > 12 {
		return out, refuse(TooBig, k.Line, "more than 11 modifiers")
	}
	c, err := parseChain(parts[1:], k.Line)
	if err != nil {
		return out, err
	}
	slot := keywords
	if parts[0] != "" {
		slot = slots.slot(parts[0])
	}
	vals := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		vals = v.Content
		if len(vals) == 0 {
			return out, refuse(BadValue, v.Line, "the list of %s is empty", event.Cut(k.Value, 80))
		}
	}
	return d.values(c, slot, strings.ReplaceAll(parts[0], " ", ""), vals, slots)
}

// values compiles one field's list.
func (d *detections) values(c chain, slot int, field string, vals []*yaml.Node, slots *interner) (out sides, err error) {
	it := &item{slot: slot, field: field, all: c.all, other: c.neq, asked: none}
	c.keyword = slot == keywords
	set := setAtom{}
	for _, v := range vals {
		if slot == keywords {
			d.keywords = true
			if v.Tag == "!!null" {
				return out, refuse(BadValue, v.Line, "a keyword cannot be null")
			}
		}
		as, err := c.atoms(v, slots)
		if err != nil {
			return out, err
		}
		if slot == keywords {
			as = asKeywords(as)
		}
		// A long list of plain values becomes one look-up.
		if len(as) == 1 && !c.all {
			if t, ok := as[0].(textAtom); ok {
				if e, ok := t.m.(exactly); ok {
					set[string(e)] = struct{}{}
					continue
				}
			}
		}
		it.group = append(it.group, as)
	}
	switch {
	case len(set) > 4:
		it.group = append(it.group, []atom{set})
	default:
		for e := range set {
			it.group = append(it.group, []atom{textAtom{exactly(e)}})
		}
		slices.SortStableFunc(it.group, func(a, b []atom) int { return strings.Compare(exactOf(a), exactOf(b)) })
	}
	for _, g := range it.group {
		for _, a := range g {
			it.price += a.cost()
		}
	}
	if slot == keywords {
		it.price += 1000
	}
	slices.SortStableFunc(it.group, func(a, b []atom) int { return a[0].cost() - b[0].cost() })
	plain := slots.keep(itemKey(c, slot, vals), it)
	name, ok := asked[field]
	if !ok {
		return both(plain), nil
	}
	too := *it
	too.asked = slots.number(name)
	wide := slots.keep(itemKey(c, slot, vals)+" or as asked", &too)
	if c.neq { // it is a "not" itself
		return sides{pos: plain, neg: wide, differ: true}, nil
	}
	return sides{pos: wide, neg: plain, differ: true}, nil
}

// itemKey is equal for two items exactly when they ask the same: field, modifiers, typed values.
func itemKey(c chain, slot int, vals []*yaml.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q %t %t %t %q %q %q", slot, c.names, c.all, c.cased, c.neq, c.op, c.part, c.flags)
	for _, v := range vals {
		fmt.Fprintf(&b, " %s%q", v.Tag, v.Value)
	}
	return b.String()
}

func exactOf(g []atom) string {
	if len(g) == 1 {
		if t, ok := g[0].(textAtom); ok {
			if e, ok := t.m.(exactly); ok {
				return string(e)
			}
		}
	}
	return ""
}

// asKeywords makes plain values match anywhere inside a value of the record.
func asKeywords(as []atom) []atom {
	out := make([]atom, 0, len(as))
	for _, a := range as {
		switch a := a.(type) {
		case textAtom:
			out = append(out, textAtom{anywhere(a.m)})
		case casedAtom:
			out = append(out, casedAtom{anywhere(a.m)})
		case writtenAtom:
			out = append(out, textAtom{holding(a.text)})
		default:
			out = append(out, a)
		}
	}
	return out
}

// anywhere loosens a matcher to "contains".
func anywhere(m matcher) matcher {
	switch m := m.(type) {
	case exactly:
		return holding(m)
	case prefixed:
		return holding(m)
	case suffixed:
		return holding(m)
	case glob:
		g := m
		if len(g[0]) > 0 {
			g = append(glob{nil}, g...)
		}
		if len(g[len(g)-1]) > 0 {
			g = append(slices.Clip(g), nil)
		}
		return g
	}
	return m
}
