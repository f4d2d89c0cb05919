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
