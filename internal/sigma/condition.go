package sigma

import (
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// cond is the parse tree of a condition, before identifiers are bound to detections.
type cond struct {
	op   string // and or not id all any
	kids []*cond
	name string // identifier or pattern
}

// parseCondition reads the grammar of detection.md §2.4.
func parseCondition(text string, line int) (*cond, error) {
	if len(text) > maxCond {
		return nil, refuse(TooBig, line, "the condition has %d characters; at most %d are read", len(text), maxCond)
	}
	p := &condParser{line: line}
	if err := p.lex(text); err != nil {
		return nil, err
	}
	if len(p.tok) == 0 {
		return nil, refuse(BadCondition, line, "the condition is empty")
	}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.at < len(p.tok) {
		return nil, refuse(BadCondition, line, "condition: %q where and, or or the end was expected", p.tok[p.at])
	}
	return c, nil
}

type condParser struct {
	tok  []string
	at   int
	line int
}

func identChar(c byte) bool {
	return c == '_' || c == '-' || c == '*' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *condParser) lex(text string) error {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')':
			p.tok = append(p.tok, string(c))
			i++
		case c == '|':
			return refuse(Obsolete, p.line, "condition: the pipe (%s) is obsolete; write a correlation rule", strings.TrimSpace(event.Cut(text[i:], 60)))
		case identChar(c):
			j := i
			for j < len(text) && identChar(text[j]) {
				j++
			}
			p.tok = append(p.tok, text[i:j])
			i = j
		default:
			return refuse(BadCondition, p.line, "condition: unexpected %q at character %d", c, i+1)
		}
	}
	return nil
}

func (p *condParser) peek() string {
	if p.at < len(p.tok) {
		return p.tok[p.at]
	}
	return ""
}

func (p *condParser) or(depth int) (*cond, error)  { return p.binary("or", depth, p.and) }
func (p *condParser) and(depth int) (*cond, error) { return p.binary("and", depth, p.not) }

func (p *condParser) binary(op string, depth int, next func(int) (*cond, error)) (*cond, error) {
	c, err := next(depth)
	if err != nil {
		return nil, err
	}
	for p.peek() == op {
		p.at++
		k, err := next(depth)
		if err != nil {
			return nil, err
		}
		if c.op == op {
			c.kids = append(c.kids, k)
		} else {
			c = &cond{op: op, kids: []*cond{c, k}}
		}
	}
	return c, nil
}

func (p *condParser) not(depth int) (*cond, error) {
	if depth > maxNested {
		return nil, refuse(TooBig, p.line, "condition nested deeper than %d", maxNested)
	}
	if p.peek() != "not" {
		return p.primary(depth)
	}
	p.at++
	k, err := p.not(depth + 1)
	if err != nil {
		return nil, err
	}
	return &cond{op: "not", kids: []*cond{k}}, nil
}

func (p *condParser) primary(depth int) (*cond, error) {
	t := p.peek()
	if p.at++; t == "" {
		return nil, refuse(BadCondition, p.line, "condition ends where an identifier was expected")
	}
	switch t {
	case "(":
		c, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.peek() != ")" {
			return nil, refuse(BadCondition, p.line, "condition: a parenthesis is not closed")
		}
		p.at++
		// A group is one operand: "(a or b) or c" must not flatten into a list that later binds wrongly.
		return &cond{op: "and", kids: []*cond{c}}, nil
	case ")", "and", "or", "not":
		return nil, refuse(BadCondition, p.line, "condition: %q where an identifier was expected", t)
	case "AND", "OR", "NOT", "OF", "ALL", "ANY", "THEM":
		return nil, refuse(BadCondition, p.line, "condition: write %s in lower case", t)
	}
	if p.peek() == "of" {
		p.at++
		pat := p.peek()
		if p.at++; pat == "" || pat == "(" || pat == ")" {
			return nil, refuse(BadCondition, p.line, "condition: %s of what?", t)
		}
		switch t {
		case "1", "any":
			return &cond{op: "any", name: pat}, nil
		case "all":
			return &cond{op: "all", name: pat}, nil
		}
		return nil, refuse(BadCondition, p.line, "condition: %q of does not exist in Sigma; only 1, any and all", t)
	}
	if t == "near" {
		return nil, refuse(Obsolete, p.line, "condition: near is obsolete; write a temporal correlation rule")
	}
	if strings.Contains(t, "*") {
		return nil, refuse(BadCondition, p.line, "condition: pattern %q without 1 of or all of", t)
	}
	return &cond{op: "id", name: t}, nil
}

// bind makes the tree that is judged. Patterns and "them" mean the given detections only. negated says whether an odd
// number of "not" stands above.
func (c *cond) bind(det *detections, line int, negated bool) (node, error) {
	switch c.op {
	case "id":
		n, ok := det.byName[c.name]
		if !ok {
			return nil, refuse(BadCondition, line, "condition names %q, which is not defined", c.name)
		}
		return n.of(negated), nil
	case "any", "all":
		var kids []node
		for _, name := range det.names {
			if selects(c.name, name) {
				kids = append(kids, det.byName[name].of(negated))
			}
		}
		if len(kids) == 0 {
			return nil, refuse(BadCondition, line, "condition: no identifier matches %q", c.name)
		}
		if c.op == "any" {
			return anyOf(kids), nil
		}
		return allOf(kids), nil
	}
	kids := make([]node, 0, len(c.kids))
	for _, k := range c.kids {
		n, err := k.bind(det, line, negated != (c.op == "not"))
		if err != nil {
			return nil, err
		}
		kids = append(kids, n)
	}
	switch c.op {
	case "not":
		return notNode{kids[0]}, nil
	case "or":
		return anyOf(kids), nil
	}
	return allOf(kids), nil
}

// selects reports whether a pattern (or "them") means an identifier. Names that start with _ are
// outside unless the pattern starts so too.
func selects(pattern, name string) bool {
	if strings.HasPrefix(name, "_") && !strings.HasPrefix(pattern, "_") {
		return false
	}
	if pattern == "them" {
		return true
	}
	return parsePattern(pattern).compile().match([]byte(name)) // a pattern can hold neither ? nor a backslash
}
