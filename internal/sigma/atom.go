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

// numberAtom compares a numeric or numeric-string value: op is one of = < <= > >=.
type numberAtom struct {
	op string
	n  float64
}

func (a numberAtom) test(_ *Scratch, c *cell) bool {
	if c.value.Kind == Int {
		return compare(a.op, float64(c.value.Int), a.n)
	}
	for _, v := range c.texts() {
		if n, ok := number(strings.TrimSpace(v)); ok && compare(a.op, n, a.n) {
			return true
		}
	}
	return false
}
func (numberAtom) cost() int { return 1 }

// writtenAtom is a number as a plain value: it equals a number, text that reads as one, and itself as text.
type writtenAtom struct {
	n    float64
	text exactly
}

func (a writtenAtom) test(s *Scratch, c *cell) bool {
	if c.value.Kind == Int {
		return float64(c.value.Int) == a.n
	}
	return numberAtom{"", a.n}.test(s, c) || textAtom{a.text}.test(s, c)
}
func (writtenAtom) cost() int { return 1 }

func compare(op string, have, want float64) bool {
	switch op {
	case "<":
		return have < want
	case "<=":
		return have <= want
	case ">":
		return have > want
	case ">=":
		return have >= want
	}
	return have == want
}

// regexAtom searches the value as written, where one of its needles stands.
type regexAtom struct {
	re   *regexp.Regexp
	need needles
}

func (a regexAtom) test(_ *Scratch, c *cell) bool {
	low := c.folds()
	for i, v := range c.texts() {
		if (len(a.need) == 0 || a.need.in(low[i])) && a.re.MatchString(v) {
			return true
		}
	}
	return false
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
		return a.net.Contains(c.value.Addr.Unmap())
	}
	for _, v := range c.texts() {
		if ip, err := netip.ParseAddr(strings.TrimSpace(v)); err == nil && a.net.Contains(ip.WithZone("").Unmap()) {
			return true
		}
	}
	return false
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

// otherAtom is neq: the field is there and none of the forms matches.
type otherAtom struct{ of []atom }

func (a otherAtom) test(s *Scratch, c *cell) bool {
	if !c.present() {
		return false
	}
	for _, o := range a.of {
		if o.test(s, c) {
			return false
		}
	}
	return true
}
func (a otherAtom) cost() int { return 2 + len(a.of) }

// dateAtom takes a number from a date and compares it.
type dateAtom struct {
	part string
	op   string
	n    float64
}

func (a dateAtom) test(_ *Scratch, c *cell) bool {
	if c.value.Kind == Time {
		return compare(a.op, datePart(a.part, time.UnixMicro(c.value.Int).UTC()), a.n)
	}
	for _, v := range c.texts() {
		if t, ok := date(v); ok && compare(a.op, datePart(a.part, t), a.n) {
			return true
		}
	}
	return false
}
func (dateAtom) cost() int { return 10 }

func datePart(part string, t time.Time) float64 {
	switch part {
	case "minute":
		return float64(t.Minute())
	case "hour":
		return float64(t.Hour())
	case "day":
		return float64(t.Day())
	case "week":
		_, w := t.ISOWeek()
		return float64(w)
	case "month":
		return float64(t.Month())
	}
	return float64(t.Year())
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
