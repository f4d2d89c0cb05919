package sigma

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A pattern is a Sigma string after the escape machine: literals, "any run" and "one character".
type tokenKind uint8

const (
	literal tokenKind = iota
	anyRun
	anyOne
)

type token struct {
	kind tokenKind
	text string // of a literal, never empty
}

type pattern []token

// parsePattern runs the escape machine (detection.md §2.1): \* and \? are the characters, \\ is one
// backslash, a backslash before anything else (or at the end) stays.
func parsePattern(s string) pattern {
	var p pattern
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			p = append(p, token{literal, lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			i++
			lit.WriteByte(s[i])
		case c == '*':
			flush()
			if len(p) == 0 || p[len(p)-1].kind != anyRun {
				p = append(p, token{kind: anyRun})
			}
		case c == '?':
			flush()
			p = append(p, token{kind: anyOne})
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return p
}

// plain is the pattern that matches s and nothing else.
func plain(s string) pattern {
	if s == "" {
		return nil
	}
	return pattern{{literal, s}}
}

// text gives the one string a pattern without wildcards matches.
func (p pattern) text() (string, bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].kind == literal:
		return p[0].text, true
	}
	return "", false
}

func (p pattern) before() pattern { // "*" in front, unless already there
	if len(p) > 0 && p[0].kind == anyRun {
		return p
	}
	return append(pattern{{kind: anyRun}}, p...)
}

func (p pattern) behind() pattern {
	if len(p) > 0 && p[len(p)-1].kind == anyRun {
		return p
	}
	return append(append(pattern(nil), p...), token{kind: anyRun})
}

// mapLiterals applies f to each literal; wildcards stay.
func (p pattern) mapLiterals(f func(string) string) pattern {
	q := make(pattern, len(p))
	for i, t := range p {
		if t.kind == literal {
			t.text = f(t.text)
		}
		q[i] = t
	}
	return q
}

// matcher says whether a value has the form of a pattern. The value is folded already when the
// pattern is.
type matcher interface {
	match(v []byte) bool
	cost() int
}

type (
	always   struct{}
	exactly  string
	prefixed string
	suffixed string
	holding  string
	glob     []segment
)

func (always) match([]byte) bool      { return true }
func (m exactly) match(v []byte) bool { return string(v) == string(m) }
func (m prefixed) match(v []byte) bool {
	return len(v) >= len(m) && string(v[:len(m)]) == string(m)
}

func (m suffixed) match(v []byte) bool {
	return len(v) >= len(m) && string(v[len(v)-len(m):]) == string(m)
}
func (m holding) match(v []byte) bool { return strings.Contains(view(v), string(m)) }

func (always) cost() int   { return 1 }
func (exactly) cost() int  { return 1 }
func (prefixed) cost() int { return 1 }
func (suffixed) cost() int { return 1 }
func (holding) cost() int  { return 4 }
func (glob) cost() int     { return 10 }

// compile makes the cheapest matcher of a pattern.
func (p pattern) compile() matcher {
	if s, ok := p.text(); ok {
		return exactly(s)
	}
	if len(p) == 1 && p[0].kind == anyRun {
		return always{}
	}
	if len(p) == 2 && p[0].kind == literal && p[1].kind == anyRun {
		return prefixed(p[0].text)
	}
	if len(p) == 2 && p[0].kind == anyRun && p[1].kind == literal {
		return suffixed(p[1].text)
	}
	if len(p) == 3 && p[0].kind == anyRun && p[1].kind == literal && p[2].kind == anyRun {
		return holding(p[1].text)
	}
	g := glob{nil}
	for _, t := range p {
		if t.kind == anyRun {
			g = append(g, nil)
			continue
		}
		g[len(g)-1] = append(g[len(g)-1], t)
	}
	return g
}

// segment is what stands between two any-runs: literals and single characters.
type segment []token

// folds reports whether "?" may stand for more than one character of v: an "İ" became two when it was
// folded, and "i" with U+0307 counts as one character or as two.
func (s segment) folds(v []byte) bool {
	return slices.ContainsFunc(s, func(t token) bool { return t.kind == anyOne }) && bytes.Contains(v, []byte("i"+dotAbove))
}

// at matches the segment at the start of v and says how many bytes it took.
func (s segment) at(v []byte) (int, bool) {
	n := 0
	for _, t := range s {
		if t.kind == anyOne {
			if n == len(v) {
				return 0, false
			}
			_, w := utf8.DecodeRune(v[n:])
			n += w
			continue
		}
		if len(v)-n < len(t.text) || string(v[n:n+len(t.text)]) != t.text {
			return 0, false
		}
		n += len(t.text)
	}
	return n, true
}

// ways gives every number of bytes the segment can take at the start of v, the least first.
func (s segment) ways(v []byte) []int {
	at := []int{0}
	for _, t := range s {
		var next []int
		for _, n := range at {
			switch {
			case t.kind == literal:
				if strings.HasPrefix(string(v[n:min(len(v), n+len(t.text))]), t.text) {
					next = append(next, n+len(t.text))
				}
			case n < len(v):
				_, w := utf8.DecodeRune(v[n:])
				next = append(next, n+w)
				if v[n] == 'i' && strings.HasPrefix(string(v[n+1:min(len(v), n+1+len(dotAbove))]), dotAbove) {
					next = append(next, n+1+len(dotAbove))
				}
			}
		}
		slices.Sort(next)
		at = slices.Compact(next)
	}
	return at
}

// find gives the end of the first place where the segment matches.
func (s segment) find(v []byte) (int, bool) {
	two := s.folds(v)
	for i := 0; i <= len(v); {
		if s[0].kind == literal { // skip to where it can begin
			j := strings.Index(view(v[i:]), s[0].text)
			if j < 0 {
				return 0, false
			}
			i += j
		}
		if n, ok := s.at(v[i:]); ok {
			return i + n, true
		}
		if two {
			if n := s.ways(v[i:]); len(n) > 0 {
				return i + n[0], true
			}
		}
		if i == len(v) {
			break
		}
		_, w := utf8.DecodeRune(v[i:])
		i += w
	}
	return 0, false
}

// ends reports whether the segment matches the end of v.
func (s segment) ends(v []byte) bool {
	if s.folds(v) {
		longest := 0
		for _, t := range s {
			longest += max(len(t.text), utf8.UTFMax)
		}
		for i := len(v); i >= max(0, len(v)-longest); i-- {
			if i < len(v) && v[i]&0xC0 == 0x80 {
				continue // inside a character
			}
			if n := s.ways(v[i:]); len(n) > 0 && n[len(n)-1] == len(v)-i {
				return true
			}
		}
		return false
	}
	for _, w := range slices.Backward(s) {
		if w.kind == anyOne {
			if len(v) == 0 {
				return false
			}
			_, n := utf8.DecodeLastRune(v)
			v = v[:len(v)-n]
			continue
		}
		t := w.text
		if len(v) < len(t) || string(v[len(v)-len(t):]) != t {
			return false
		}
		v = v[:len(v)-len(t)]
	}
	return true
}

// view reads bytes as text without a copy. The text must not outlive the bytes' content: matchers only
// look at it. A conversion costs an allocation for every needle over 32 bytes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // read while the bytes stay as they are

// match walks the segments: the first stands at the start, the last at the end, those between at the
// first place they fit, which is right because an any-run takes whatever lies between.
func (m glob) match(v []byte) bool {
	if len(m) == 1 {
		n, ok := m[0].at(v)
		return ok && n == len(v) || m[0].folds(v) && slices.Contains(m[0].ways(v), len(v))
	}
	n, ok := m[0].at(v)
	if !ok {
		if !m[0].folds(v) {
			return false
		}
		all := m[0].ways(v)
		if len(all) == 0 {
			return false
		}
		n = all[0]
	}
	v = v[n:]
	for _, s := range m[1 : len(m)-1] {
		if len(s) == 0 {
			continue
		}
		n, ok := s.find(v)
		if !ok {
			return false
		}
		v = v[n:]
	}
	return m[len(m)-1].ends(v)
}

// literalsOf gives the literals that every match of a matcher holds.
func literalsOf(m matcher) (out []string) {
	switch m := m.(type) {
	case exactly:
		return []string{string(m)}
	case prefixed:
		return []string{string(m)}
	case suffixed:
		return []string{string(m)}
	case holding:
		return []string{string(m)}
	case glob:
		for _, s := range m {
			for _, t := range s {
				if t.kind == literal {
					out = append(out, t.text)
				}
			}
		}
	}
	return out
}
