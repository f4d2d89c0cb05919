package sigma

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/event"
)

// chain is the parsed list of modifiers of one field.
type chain struct {
	names   []string
	line    int
	all     bool
	cased   bool
	neq     bool
	keyword bool   // no field: the values are looked for anywhere
	op      string // numeric comparison
	part    string // of a date
	flags   string // of a regular expression
}

// instead says what to write in the place of a modifier that Sigma does not have.
var instead = map[string]string{
	"not": ": put not before the identifier in the condition, or use neq", "ne": ": write neq", "eq": ": leave it out", "equals": ": leave it out", "exact": ": leave it out",
	"in": ": write the values as a list", "any": ": a list means any already", "or": ": a list means any already", "and": ": write all", "regex": ": write re", "regexp": ": write re",
	"like": ": write contains, startswith or endswith", "match": ": write re", "ends": ": write endswith", "starts": ": write startswith", "begins": ": write startswith",
	"ge": ": write gte", "le": ": write lte", "min": ": write gte", "max": ": write lte", "base64offsets": ": write base64offset", "case": ": write cased", "isnull": ": give the value null", "null": ": give the value null",
}

// parseChain checks names and order of modifiers. `all`, `cased` and `neq` stand anywhere; the others
// apply in the order written.
func parseChain(names []string, line int) (chain, error) {
	c := chain{line: line}
	has := func(n string) bool { return slices.Contains(c.names, n) }
	for _, n := range names {
		switch n {
		case "all":
			c.all = true
		case "cased":
			c.cased = true
		case "neq":
			c.neq = true
		case "lt", "lte", "gt", "gte":
			if c.op != "" {
				return c, refuse(BadModifier, line, "modifier %s after another comparison", n)
			}
			c.op = map[string]string{"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[n]
		case "minute", "hour", "day", "week", "month", "year":
			if c.part != "" {
				return c, refuse(BadModifier, line, "modifier %s cannot follow %s", n, c.part)
			}
			c.part = n
		case "i", "m", "s", "ignorecase", "multiline", "dotall":
			if !has("re") {
				return c, refuse(BadModifier, line, "modifier %s belongs behind re", n)
			}
			c.flags += n[:1]
			if n == "dotall" {
				c.flags = c.flags[:len(c.flags)-1] + "s"
			}
		case "re":
			if len(c.names) > 0 || c.op != "" || c.part != "" || c.cased {
				return c, refuse(BadModifier, line, "re after another modifier: it stands alone or before i, m, s")
			}
			c.names = append(c.names, n)
		case "contains", "startswith", "endswith", "windash", "base64", "base64offset", "wide", "utf16le", "utf16be", "utf16",
			"cidr", "fieldref", "exists", "expand":
			if has("re") || has("cidr") || has("exists") {
				return c, refuse(BadModifier, line, "modifier %s cannot follow %s", n, c.names[len(c.names)-1])
			}
			if (n == "cidr" || n == "exists") && len(c.names) > 0 {
				return c, refuse(BadModifier, line, "modifier %s cannot follow %s", n, c.names[len(c.names)-1])
			}
			c.names = append(c.names, n)
		case "":
			return c, refuse(BadModifier, line, "empty modifier")
		default:
			return c, refuse(BadModifier, line, "unknown modifier %q%s", event.Cut(n, 80), instead[strings.ToLower(n)])
		}
	}
	if has("expand") {
		return c, refuse(NeedsPipeline, line, "expand needs a pipeline that fills its placeholder, and there is none")
	}
	if (c.op != "" || c.part != "") && len(c.names) > 0 {
		return c, refuse(BadModifier, line, "a comparison cannot follow %s", c.names[0])
	}
	return c, nil
}

// atoms turns one written value into its forms, of which any may match.
func (c chain) atoms(v *yaml.Node, slots *interner) ([]atom, error) {
	if v.Kind != yaml.ScalarNode {
		return nil, refuse(BadValue, v.Line, "a value that is neither text nor number")
	}
	first := ""
	if len(c.names) > 0 {
		first = c.names[0]
	}
	switch {
	case v.Tag == "!!null" && (len(c.names) > 0 || c.op != "" || c.part != ""):
		return nil, refuse(BadValue, v.Line, "null takes no modifier")
	case v.Tag == "!!null":
		return []atom{nullAtom{}}, nil
	case first == "exists":
		switch strings.ToLower(v.Value) {
		case "true", "yes":
			return []atom{fieldAtom(true)}, nil
		case "false", "no":
			return []atom{fieldAtom(false)}, nil
		}
		return nil, refuse(BadValue, v.Line, "exists wants true or false, not %q", v.Value)
	case first == "re":
		return c.regex(v, slots)
	case first == "cidr":
		return cidr(v)
	case c.op != "" || c.part != "":
		n, ok := readFigure(v)
		if !ok {
			return nil, refuse(BadValue, v.Line, "%q is not a number", v.Value)
		}
		if c.part != "" {
			return []atom{dateAtom{c.part, c.op, &n}}, nil
		}
		return []atom{numberAtom{c.op, &n}}, nil
	case slices.Contains(c.names, "fieldref"):
		return c.fieldref(v, slots)
	case len(c.names) == 0 && (v.Tag == "!!int" || v.Tag == "!!float"):
		return c.written(v)
	case len(c.names) == 0 && !c.keyword && v.Tag == "!!str" && v.Style == 0 && truthWords[strings.ToLower(v.Value)] != "":
		// YAML 1.1, which pySigma's reader follows, knows a bare yes as true; the words themselves match too.
		is, err := c.text(v)
		return append(is, textAtom{exactly(truthWords[strings.ToLower(v.Value)])}), err
	}
	return c.text(v)
}

var truthWords = map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"}

// written is a number as a plain value: it equals a number, or text that reads as one.
func (c chain) written(v *yaml.Node) ([]atom, error) {
	n, ok := readFigure(v)
	if !ok {
		return c.text(v) // .inf and .nan are words
	}
	return []atom{writtenAtom{&n, exactly(fold(v.Value))}}, nil
}

func (c chain) regex(v *yaml.Node, slots *interner) ([]atom, error) {
	re, text, err := compileRegex(v.Value, c.flags, v.Line)
	if err != nil {
		return nil, err
	}
	a := regexAtom{re: re, need: needlesOf(text), auto: newAutomaton(text), id: slots.automata}
	if a.auto != nil {
		slots.automata++
	}
	return []atom{a}, nil
}

func cidr(v *yaml.Node) ([]atom, error) {
	p, err := netip.ParsePrefix(v.Value)
	if err != nil {
		ip, err2 := netip.ParseAddr(v.Value)
		if err2 != nil {
			return nil, refuse(BadValue, v.Line, "%q is not a network", v.Value)
		}
		p = netip.PrefixFrom(ip.WithZone(""), ip.BitLen())
	}
	if p.Masked() != p {
		return nil, refuse(BadValue, v.Line, "network %s has bits behind its mask: write %s", v.Value, p.Masked())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // ::ffff:10.0.0.0/104 is 10.0.0.0/8: events hold either form
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return []atom{cidrAtom{p}}, nil
}

func (c chain) fieldref(v *yaml.Node, slots *interner) ([]atom, error) {
	field, whole := parsePattern(v.Value).text()
	switch {
	case !whole:
		return nil, refuse(BadValue, v.Line, "fieldref %q: a field is named whole, without wildcards", v.Value)
	case strings.TrimSpace(field) == "":
		return nil, refuse(BadValue, v.Line, "fieldref without a field")
	}
	a := refAtom{slot: slots.slot(field), cased: c.cased}
	for _, n := range c.names {
		switch n {
		case "fieldref":
		case "contains", "startswith", "endswith":
			if a.how != "" {
				return nil, refuse(BadModifier, c.line, "fieldref cannot stand with %s and %s", a.how, n)
			}
			a.how = n
		default:
			return nil, refuse(BadModifier, c.line, "fieldref cannot stand with %s", n)
		}
	}
	return []atom{a}, nil
}

// text applies the string modifiers in the order written.
func (c chain) text(v *yaml.Node) ([]atom, error) {
	forms := []pattern{parsePattern(v.Value)}
	if v.Tag == "!!bool" {
		forms = []pattern{plain(strings.ToLower(v.Value))}
	}
	for _, n := range c.names {
		var next []pattern
		for _, p := range forms {
			switch n {
			case "contains":
				next = append(next, p.before().behind())
			case "startswith":
				next = append(next, p.behind())
			case "endswith":
				next = append(next, p.before())
			case "windash":
				all, ok := windash(p)
				if !ok || len(next)+len(all) > maxVariants {
					return nil, refuse(TooBig, v.Line, "windash makes more than %d variants of %q", maxVariants, v.Value)
				}
				next = append(next, all...)
			case "wide", "utf16le":
				next = append(next, p.mapLiterals(func(s string) string { return utf16Text(s, false, false) }))
			case "utf16be":
				next = append(next, p.mapLiterals(func(s string) string { return utf16Text(s, true, false) }))
			case "utf16":
				next = append(next, p.mapLiterals(func(s string) string { return utf16Text(s, false, true) }))
			case "base64", "base64offset":
				s, ok := p.text()
				if !ok {
					return nil, refuse(BadValue, v.Line, "%s of %q: wildcards cannot be encoded", n, v.Value)
				}
				if n == "base64" {
					next = append(next, plain(base64.StdEncoding.EncodeToString([]byte(s))))
					break
				}
				for _, e := range base64Offsets(s) {
					next = append(next, plain(e))
				}
				if len(next) == 0 {
					return nil, refuse(BadValue, v.Line, "base64offset of %q: too short to leave a trace", v.Value)
				}
			}
		}
		forms = next
	}
	out := make([]atom, 0, len(forms))
	for _, p := range forms {
		switch {
		case len(p) == 1 && p[0].kind == anyRun:
			out = append(out, presentAtom(true))
		case c.cased:
			out = append(out, casedAtom{p.compile()})
		default:
			out = append(out, textAtom{p.mapLiterals(fold).compile()})
		}
	}
	return out, nil
}
