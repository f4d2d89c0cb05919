package sigma

import (
	"regexp/syntax"
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"
)

// An automaton decides whether a regular expression matches anywhere in a text, in one step for each character. The
// standard library walks all states at every character, which on a command line of 64 KiB costs milliseconds for each expression.
// States are made when they are first met and forgotten when there are too many; a text that makes new ones
// all the time is given back to the standard library. It answers the same (FuzzRegex).
type automaton struct {
	prog  *syntax.Prog
	first []rune     // of each class: characters of one class are the same to every instruction
	ascii [128]uint8 // class of each
}

const (
	maxClasses = 120
	maxStates  = 160
	maxResets  = 6
	// automatonFrom is the length from which it pays.
	automatonFrom = 192
)

// newAutomaton gives nil for an expression with too many classes.
func newAutomaton(expr string) *automaton {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || len(prog.Inst) > 4000 {
		return nil
	}
	cuts := map[rune]bool{0: true}
	between := func(lo, hi rune) { cuts[lo], cuts[hi+1] = true, true }
	for _, r := range []rune{'\n', '_'} {
		between(r, r)
	}
	between('0', '9')
	between('A', 'Z')
	between('a', 'z')
	for i := range prog.Inst {
		in := &prog.Inst[i]
		switch in.Op {
		case syntax.InstRune, syntax.InstRune1:
			if len(in.Rune) == 1 {
				for _, r := range orbitOf(in.Rune[0]) {
					between(r, r)
				}
				continue
			}
			for j := 0; j+1 < len(in.Rune); j += 2 {
				between(in.Rune[j], in.Rune[j+1])
			}
		default: // names no character, or all
		}
		if len(cuts) > maxClasses {
			return nil
		}
	}
	a := &automaton{prog: prog}
	for r := range cuts {
		if r <= utf8.MaxRune {
			a.first = append(a.first, r)
		}
	}
	slices.Sort(a.first)
	for c := range a.ascii {
		a.ascii[c] = uint8(a.class(rune(c)))
	}
	return a
}

// orbitOf gives the characters that differ from r in case alone, and r.
func orbitOf(r rune) []rune {
	out := []rune{r}
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		out = append(out, o)
	}
	return out
}

func (a *automaton) class(r rune) int {
	return sort.Search(len(a.first), func(i int) bool { return a.first[i] > r }) - 1
}

// What stood before a place, as far as ^, $ and \b ask.
const (
	atBegin = iota
	afterLine
	afterWord
	afterOther
)

var before = [...]rune{-1, '\n', 'a', ' '}

func context(r rune) uint8 {
	switch {
	case r == '\n':
		return afterLine
	case syntax.IsWordChar(r):
		return afterWord
	}
	return afterOther
}

type dstate struct {
	at   []uint32 // instructions, before empty ones are followed
	ctx  uint8
	next []int32 // by class; see unknown
}

const (
	unknown int32 = -1
	matches int32 = -2
	noMatch int32 = -3 // at the end of the text
)

// walker is an automaton in use by one goroutine.
type walker struct {
	*automaton
	states []dstate
	byKey  map[string]int32
	seen   []uint32 // by instruction: the turn it was last met
	turn   uint32
	stack  []uint32
	key    []byte
}

func (w *walker) reset() {
	w.states = w.states[:0]
	w.byKey = map[string]int32{}
}

// state gives the number of a state, a new one if need be.
func (w *walker) state(at []uint32, ctx uint8) int32 {
	slices.Sort(at)
	at = slices.Compact(at)
	w.key = append(w.key[:0], ctx)
	for _, i := range at {
		w.key = append(w.key, byte(i), byte(i>>8))
	}
	if n, ok := w.byKey[string(w.key)]; ok {
		return n
	}
	next := make([]int32, len(w.first))
	for i := range next {
		next[i] = unknown
	}
	n := int32(len(w.states))
	w.states = append(w.states, dstate{at: slices.Clone(at), ctx: ctx, next: next})
	w.byKey[string(w.key)] = n
	return n
}

// step follows the empty instructions of a state in front of a character of a class (or the end), and then the character.
func (w *walker) step(n int32, class int) int32 {
	s := w.states[n]
	r := rune(-1)
	if class < len(w.first) {
		r = w.first[class]
	}
	flags := syntax.EmptyOpContext(before[s.ctx], r)
	w.turn++
	w.stack = append(w.stack[:0], s.at...)
	at := []uint32{uint32(w.prog.Start)} // a match can begin behind this character
	for len(w.stack) > 0 {
		i := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if w.seen[i] == w.turn {
			continue
		}
		w.seen[i] = w.turn
		in := &w.prog.Inst[i]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			w.stack = append(w.stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			w.stack = append(w.stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				w.stack = append(w.stack, in.Out)
			}
		case syntax.InstMatch:
			return matches
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if r >= 0 && in.MatchRune(r) {
				at = append(at, in.Out)
			}
		case syntax.InstFail:
		}
	}
	if r < 0 {
		return noMatch
	}
	return w.state(at, context(r))
}

// match says whether the expression matches in v; ok is false when it cannot tell at a fair price.
func (w *walker) match(v string) (yes, ok bool) {
	resets := 0
	if len(w.states) == 0 {
		w.reset()
	}
	cur := w.state([]uint32{uint32(w.prog.Start)}, atBegin)
	for i := 0; i < len(v); {
		var class int
		n := 1
		if c := v[i]; c < utf8.RuneSelf {
			class = int(w.ascii[c])
		} else {
			var r rune
			r, n = utf8.DecodeRuneInString(v[i:])
			class = w.class(r)
		}
		i += n
		next := w.states[cur].next[class]
		if next == unknown {
			if len(w.states) >= maxStates {
				if resets++; resets > maxResets {
					w.reset()
					return false, false
				}
				old := w.states[cur]
				w.reset()
				cur = w.state(old.at, old.ctx)
			}
			next = w.step(cur, class)
			w.states[cur].next[class] = next
		}
		if next == matches {
			return true, true
		}
		cur = next
	}
	return w.step(cur, len(w.first)) == matches, true
}
