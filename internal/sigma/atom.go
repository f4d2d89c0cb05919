package sigma

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// atom is one written value after its modifiers: a question about one field.
type atom interface {
	test(s *Scratch, c *cell) bool
	cost() int
	// texts gives folded texts of which one stands in every value that satisfies the atom; nil when nothing is sure.
	texts() []string
}

// textAtom compares folded text.
type textAtom struct{ m matcher }

func (a textAtom) test(_ *Scratch, c *cell) bool {
	return slices.ContainsFunc(c.folds(), a.m.match)
}
func (a textAtom) cost() int { return a.m.cost() }

// setAtom is a long list of plain values.
type setAtom map[string]struct{}

func (a setAtom) test(_ *Scratch, c *cell) bool {
	for _, v := range c.folds() {
		if _, ok := a[string(v)]; ok {
			return true
		}
	}
	return false
}
func (setAtom) cost() int { return 2 }

// casedAtom compares text as written.
type casedAtom struct{ m matcher }

func (a casedAtom) test(_ *Scratch, c *cell) bool {
	for _, v := range c.texts() {
		if a.m.match([]byte(v)) {
			return true
		}
	}
	return false
}
func (a casedAtom) cost() int { return a.m.cost() + 3 }

// presentAtom is a lone "*", or exists.
type presentAtom bool

func (a presentAtom) test(_ *Scratch, c *cell) bool { return c.present() == bool(a) }
func (presentAtom) cost() int                       { return 1 }

type nullAtom struct{}

func (nullAtom) test(_ *Scratch, c *cell) bool { return !c.present() }
func (nullAtom) cost() int                     { return 1 }

// fieldAtom is exists: the field is there, be it empty or null.
type fieldAtom bool

func (a fieldAtom) test(_ *Scratch, c *cell) bool { return (c.value.Kind != Absent) == bool(a) }
func (fieldAtom) cost() int                       { return 1 }

// numberAtom compares a numeric or numeric-string value: op is one of = < <= > >=.
type numberAtom struct {
	op string
	n  *figure
}

func (a numberAtom) test(_ *Scratch, c *cell) bool {
	if c.value.Kind == Int {
		return holds(a.op, a.n.int(c.value.Int))
	}
	for _, v := range c.texts() {
		if n, ok := a.n.text(v); ok && holds(a.op, n) {
			return true
		}
	}
	return false
}
func (numberAtom) cost() int { return 1 }

// writtenAtom is a number as a plain value: it equals a number, text that reads as one, and itself as text.
type writtenAtom struct {
	n    *figure
	text exactly
}

func (a writtenAtom) test(s *Scratch, c *cell) bool {
	if c.value.Kind == Int {
		return a.n.int(c.value.Int) == 0
	}
	return numberAtom{"", a.n}.test(s, c) || textAtom{a.text}.test(s, c)
}
func (writtenAtom) cost() int { return 1 }

// holds says whether a comparison that came out as c (-1, 0, 1) satisfies op.
func holds(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return c == 0
}

// regexAtom searches the value as written, where one of its needles stands.
type regexAtom struct {
	re   *regexp.Regexp
	need needles
	auto *automaton // nil: too many classes
	id   int        // among the automata of a set
}

func (a regexAtom) test(s *Scratch, c *cell) bool {
	low := c.folds()
	for i, v := range c.texts() {
		if (len(a.need) == 0 || a.need.in(low[i])) && a.in(s, v) {
			return true
		}
	}
	return false
}

func (a regexAtom) in(s *Scratch, v string) bool {
	if a.auto != nil && len(v) >= automatonFrom {
		w := s.walkers[a.id]
		if w == nil {
			w = &walker{automaton: a.auto, seen: make([]uint32, len(a.auto.prog.Inst))}
			s.walkers[a.id] = w
		}
		if yes, ok := w.match(v); ok {
			return yes
		}
	}
	return a.re.MatchString(v)
}

func (a regexAtom) cost() int {
	if len(a.need) > 0 {
		return 8 + 4*len(a.need)
	}
	return 400
}

type cidrAtom struct{ net netip.Prefix }

func (a cidrAtom) test(_ *Scratch, c *cell) bool {
	if c.value.Kind == Addr {
		return a.holds(c.value.Addr)
	}
	for _, v := range c.texts() {
		if ip, err := netip.ParseAddr(strings.TrimSpace(v)); err == nil && a.holds(ip) {
			return true
		}
	}
	return false
}

// holds asks for an address as it stands and, when it is a v4 address in v6 clothes, for the v4 address.
func (a cidrAtom) holds(ip netip.Addr) bool {
	ip = ip.WithZone("")
	return a.net.Contains(ip) || ip.Is4In6() && a.net.Contains(ip.Unmap())
}

func (cidrAtom) cost() int { return 2 }

// refAtom compares with another field of the same record, ignoring case unless cased.
type refAtom struct {
	slot  int
	how   string // "", contains, startswith, endswith
	cased bool
}

func (a refAtom) test(s *Scratch, c *cell) bool {
	other := s.field(a.slot)
	if a.cased {
		for _, v := range c.texts() {
			for _, w := range other.texts() {
				if refers(a.how, v, w) {
					return true
				}
			}
		}
		return false
	}
	for _, v := range c.folds() {
		for _, w := range other.folds() {
			if refers(a.how, string(v), string(w)) {
				return true
			}
		}
	}
	return false
}
func (refAtom) cost() int { return 5 }

func refers(how, v, w string) bool {
	switch how {
	case "contains":
		return strings.Contains(v, w)
	case "startswith":
		return strings.HasPrefix(v, w)
	case "endswith":
		return strings.HasSuffix(v, w)
	}
	return v == w
}

// dateAtom takes a number from a date and compares it.
type dateAtom struct {
	part string
	op   string
	n    *figure
}

func (a dateAtom) test(_ *Scratch, c *cell) bool {
	if c.value.Kind == Time {
		return holds(a.op, a.n.int(datePart(a.part, time.UnixMicro(c.value.Int).UTC())))
	}
	for _, v := range c.texts() {
		if t, ok := date(v); ok && holds(a.op, a.n.int(datePart(a.part, t))) {
			return true
		}
	}
	return false
}
func (dateAtom) cost() int { return 10 }

func datePart(part string, t time.Time) int64 {
	switch part {
	case "minute":
		return int64(t.Minute())
	case "hour":
		return int64(t.Hour())
	case "day":
		return int64(t.Day())
	case "week":
		_, w := t.ISOWeek()
		return int64(w)
	case "month":
		return int64(t.Month())
	}
	return int64(t.Year())
}

// date reads the digits of YYYY-MM-DD[T hh:mm[:ss]] as they stand: no zone is applied.
func date(s string) (time.Time, bool) {
	part := func(from, to int) (int, bool) {
		if len(s) < to {
			return 0, false
		}
		n, err := strconv.ParseUint(s[from:to], 10, 16)
		return int(n), err == nil
	}
	y, ok1 := part(0, 4)
	m, ok2 := part(5, 7)
	d, ok3 := part(8, 10)
	if !ok1 || !ok2 || !ok3 || s[4] != '-' || s[7] != '-' || m < 1 || m > 12 || d < 1 || d > 31 {
		return time.Time{}, false
	}
	hh, _ := part(11, 13)
	mm, _ := part(14, 16)
	return time.Date(y, time.Month(m), d, hh, mm, 0, 0, time.UTC), true
}
