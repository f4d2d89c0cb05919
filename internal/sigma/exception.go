package sigma

import "slices"

// Exception is one way in which a rule can be kept from firing: what stands below a "not". All its parts have to hold.
type Exception struct {
	Name  string // identifier in the condition
	Parts []Part
}

// Part is one item of an exception: which field, and how it is compared.
type Part struct {
	Field string
	How   string   // exact, prefix, suffix, contains, pattern, regex, or other for what compares no text
	Texts []string // as compared, folded; the expression of a regex
}

// Exceptions lists what can keep the rule from firing. At most 1,000 are told.
func (r *Rule) Exceptions() []Exception {
	var out []Exception
	var walk func(n node)
	walk = func(n node) {
		switch n := n.(type) {
		case notNode:
			for _, w := range ways(n.kid) {
				if len(out) < 1000 {
					out = append(out, w)
				}
			}
		case andNode:
			for _, k := range n.kids {
				walk(k)
			}
		case orNode:
			for _, k := range n.kids {
				walk(k)
			}
		}
	}
	walk(r.cond)
	return out
}

// ways gives the alternatives in which a node is true, each a list of items that have to hold together.
func ways(n node) []Exception {
	switch n := n.(type) {
	case named:
		out := ways(n.node)
		for i := range out {
			out[i].Name = n.name
		}
		return out
	case orNode:
		var out []Exception
		for _, k := range n.kids {
			out = append(out, ways(k)...)
		}
		return out
	case andNode:
		out := []Exception{{}}
		for _, k := range n.kids {
			var next []Exception
			for _, head := range out {
				for _, w := range ways(k) {
					if len(next) >= 1000 {
						break
					}
					name := head.Name
					if w.Name != "" && name != "" {
						name += " and "
					}
					next = append(next, Exception{name + w.Name, append(slices.Clone(head.Parts), w.Parts...)})
				}
			}
			out = next
		}
		return out
	case *shared:
		return []Exception{{Parts: n.parts()}}
	case *item:
		return []Exception{{Parts: n.parts()}}
	}
	return []Exception{{Parts: []Part{{How: "other"}}}} // a not inside an exception
}

func (n *item) parts() []Part {
	if n.other {
		return []Part{{Field: n.field, How: "other"}}
	}
	var out []Part
	for _, g := range n.group {
		for _, a := range g {
			p := partOf(a)
			p.Field = n.field
			if i := len(out) - 1; i >= 0 && out[i].How == p.How && !n.all {
				out[i].Texts = append(out[i].Texts, p.Texts...)
				continue
			}
			out = append(out, p)
		}
	}
	if n.all || len(out) <= 1 {
		return out
	}
	return []Part{{Field: n.field, How: "pattern", Texts: texts(out)}} // several kinds in one list: any of them will do
}

func texts(parts []Part) (out []string) {
	for _, p := range parts {
		out = append(out, p.Texts...)
	}
	return out
}

func partOf(a atom) Part {
	switch a := a.(type) {
	case textAtom:
		return matched(a.m)
	case casedAtom:
		return matched(a.m)
	case setAtom:
		p := Part{How: "exact"}
		for v := range a {
			p.Texts = append(p.Texts, v)
		}
		slices.Sort(p.Texts)
		return p
	case regexAtom:
		return Part{How: "regex", Texts: []string{a.re.String()}}
	}
	return Part{How: "other"}
}

func matched(m matcher) Part {
	p := Part{Texts: literalsOf(m)}
	switch m := m.(type) {
	case exactly:
		p.How = "exact"
	case prefixed:
		p.How = "prefix"
	case suffixed:
		p.How = "suffix"
	case holding:
		p.How = "contains"
	case glob:
		p.How = "pattern"
		if len(m[0]) > 0 && m[0][0].kind == literal {
			p.How, p.Texts = "prefix", []string{m[0][0].text} // at least
		}
	default:
		p.How = "pattern"
	}
	return p
}
