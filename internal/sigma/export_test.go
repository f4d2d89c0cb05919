package sigma

// JudgeAll judges every rule of the record's log sources, without the index.
func (s *Scratch) JudgeAll(r Record) (hits []*Rule) {
	s.begin(r)
	defer s.end()
	seen := map[*Rule]bool{}
	for _, l := range r.LogSources() {
		for _, rule := range s.set.For(l) {
			if !seen[rule] && rule.cond.eval(s) {
				hits = append(hits, rule)
			}
			seen[rule] = true
		}
	}
	return hits
}

// AutomatonMatches asks the automaton of an expression alone; ok is false when it has none or gives up.
func AutomatonMatches(expr, v string) (yes, ok bool) {
	a := newAutomaton(expr)
	if a == nil {
		return false, false
	}
	w := &walker{automaton: a, seen: make([]uint32, len(a.prog.Inst))}
	if yes, ok = w.match(v); !ok {
		return yes, ok
	}
	again, ok := w.match(v)
	if again != yes {
		panic("the second answer of an automaton differs")
	}
	return yes, ok
}
