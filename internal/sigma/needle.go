package sigma

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// needles are folded literals of which at least one stands in every value that a regular expression can
// match. Looking for them first keeps the expression away from nearly every event.
type needles []string

// maxNeedles bounds the list; beyond it looking costs as much as matching.
const maxNeedles = 24

// needlesOf computes them from the syntax tree; nil when there are none worth looking for.
func needlesOf(expr string) needles {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	set := required(re.Simplify())
	if len(set) == 0 || len(set) > maxNeedles {
		return nil
	}
	return set
}

func (n needles) in(v []byte) bool {
	for _, s := range n {
		if strings.Contains(view(v), s) {
			return true
		}
	}
	return false
}

// required gives literals of which one must occur in what re matches; nil when nothing is sure.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if s := surest(re); len(s) >= 2 {
			return []string{s}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, k := range re.Sub {
			if set := required(k); better(set, best) {
				best = set
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, k := range re.Sub {
			set := required(k)
			if set == nil || len(all)+len(set) > maxNeedles {
				return nil
			}
			all = append(all, set...)
		}
		return all
	}
	return nil
}

// surest folds a literal as values are folded. Both know the same letters as one, so a literal that
// ignores case folds whole.
func surest(re *syntax.Regexp) string {
	s := string(re.Rune)
	if !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) {
		return ""
	}
	return fold(s)
}

func better(a, b []string) bool {
	if len(a) == 0 {
		return false
	}
	return len(b) == 0 || shortest(a)*4-len(a) > shortest(b)*4-len(b)
}

func shortest(set []string) int {
	n := 1 << 20
	for _, s := range set {
		n = min(n, len(s))
	}
	return n
}
