package sigma

import (
	"math/bits"
	"slices"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/detection"
)

// Ruleset is a compiled, immutable set of rules. Any number of goroutines may judge with it, each with
// its own Scratch.
type Ruleset struct {
	rules    []*Rule
	byID     map[string]*Rule
	rejected []RejectedRule
	warnings []Warning
	fields   []string
	items    int
	automata int

	witnesses map[*Rule]witness
	words     map[string]bool // products, categories and services that rules name
	mu        sync.Mutex      // guards shards
	shards    map[LogSource]*shard
}

// maxShards bounds how many log sources have an index.
const maxShards = 4096

// canonical takes out of a log source what no rule names: a log may call itself anything, and each source has an index
// of its own.
func (s *Ruleset) canonical(l LogSource) LogSource {
	for _, word := range []*string{&l.Product, &l.Category, &l.Service} {
		if !s.words[*word] {
			*word = ""
		}
	}
	return l
}

// shard gives the rules of a log source with their index, made when it is first asked for.
func (s *Ruleset) shard(l LogSource) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh, ok := s.shards[l]; ok {
		return sh
	}
	sh := newShard(s, s.For(l))
	if len(s.shards) < maxShards {
		s.shards[l] = sh
	}
	return sh
}

// Rules lists the loaded rules in the order they were added.
func (s *Ruleset) Rules() []*Rule { return s.rules }

// Rejected lists every document that was not loaded, with its reason.
func (s *Ruleset) Rejected() []RejectedRule { return s.rejected }

// Warnings lists what was loaded and is probably not meant.
func (s *Ruleset) Warnings() []Warning { return s.warnings }

// Warn adds a warning that a user of the set found. It is called before the set is shared.
func (s *Ruleset) Warn(w Warning) { s.warnings = append(s.warnings, w) }

// Rule gives a rule by id; nil when the set has none.
func (s *Ruleset) Rule(id string) *Rule { return s.byID[id] }

// Scratch makes the working memory for one goroutine.
func (s *Ruleset) Scratch() *Scratch {
	return &Scratch{set: s, cells: make([]cell, len(s.fields)), answers: make([]answer, s.items), shards: map[LogSource]*marks{}, walkers: make([]*walker, s.automata)}
}

// For lists the rules that read a log source.
func (s *Ruleset) For(l LogSource) []*Rule {
	var out []*Rule
	for _, r := range s.rules {
		if r.Source.covers(l) {
			out = append(out, r)
		}
	}
	return out
}

// Hit is a rule that a record satisfies, and what it looked at.
type Hit struct {
	Rule    *Rule
	Matched []detection.Match
}

// Judge gives the rules that r satisfies. skip, which may be nil, takes rules out before they are
// evaluated. Nothing is allocated for a record that satisfies none, once s has grown.
func (s *Scratch) Judge(r Record, skip func(*Rule) bool) []Hit {
	s.begin(r)
	defer s.end()
	var hits []Hit
	sources := r.LogSources()
	for i, l := range sources {
		m := s.marks(l)
		for at, word := range m.candidates(s) {
			for ; word != 0; word &= word - 1 {
				rule := m.of.rules[at*64+bits.TrailingZeros64(word)]
				if i > 0 && slices.ContainsFunc(sources[:i], rule.Source.covers) {
					continue // judged already
				}
				if skip != nil && skip(rule) {
					continue
				}
				if rule.cond.eval(s) {
					hits = append(hits, Hit{rule, rule.cond.explain(s, nil, "")})
				}
			}
		}
	}
	return hits
}

// marks gives the rules of a log source, as they are marked for one record after the other. Names that no rule has lead to
// those of the source without them: a host that calls its logs by thousands of names costs no index for each.
func (s *Scratch) marks(l LogSource) *marks {
	m, ok := s.shards[l]
	if ok {
		return m
	}
	known := s.set.canonical(l)
	if m, ok = s.shards[known]; !ok {
		sh := s.set.shard(known)
		m = &marks{of: sh, rules: make([]uint64, len(sh.always)), texts: make([]uint32, sh.texts)}
	}
	for _, name := range []LogSource{known, l} {
		if len(s.shards) < maxShards {
			s.shards[name] = m
		}
	}
	return m
}

// Builder collects rule files and compiles them. It is used once, by one goroutine.
type Builder struct {
	slots    *interner
	rules    []*Rule
	filters  []*filter
	ids      map[string]string // id → file
	rejected []RejectedRule
}

// NewBuilder makes an empty builder.
func NewBuilder() *Builder { return &Builder{slots: newInterner(), ids: map[string]string{}} }

// Add reads one file, which may hold several documents. What cannot be loaded is in the set's Rejected.
func (b *Builder) Add(file string, data []byte) {
	docs, err := documents(data)
	for i, doc := range docs {
		version := hashOf(data)
		if len(docs) > 1 {
			version = hashOf(data, []byte{byte(i), byte(i >> 8)})
		}
		if get(doc, "filter") != nil {
			f, err := readFilter(doc, file, version, b.slots)
			if err != nil {
				b.rejected = append(b.rejected, rejected(file, doc, err))
				continue
			}
			b.filters = append(b.filters, f)
			continue
		}
		err := refuseOther(doc)
		var r *Rule
		if err == nil {
			r, err = readRule(doc, file, version, b.slots)
		}
		if err == nil {
			if other, twice := b.ids[r.ID]; twice {
				err = refuse(Duplicate, doc.Line, "rule id %s is taken by %s", r.ID, other)
			}
		}
		if err != nil {
			b.rejected = append(b.rejected, rejected(file, doc, err))
			continue
		}
		b.ids[r.ID] = file
		b.rules = append(b.rules, r)
	}
	if err != nil {
		b.rejected = append(b.rejected, rejected(file, nil, err))
	} else if len(docs) == 0 {
		b.rejected = append(b.rejected, RejectedRule{File: file, Line: 1, Class: BadDocument, Reason: "the file holds no document"})
	}
}

// Reject records a file that could not even be read.
func (b *Builder) Reject(file, class, reason string) {
	b.rejected = append(b.rejected, RejectedRule{File: file, Line: 1, Class: class, Reason: reason})
}

// Build applies the filters and gives the set.
func (b *Builder) Build() *Ruleset {
	set := &Ruleset{rules: b.rules, byID: map[string]*Rule{}, fields: b.slots.fields, items: len(b.slots.items), automata: b.slots.automata, rejected: b.rejected, witnesses: map[*Rule]witness{}, shards: map[LogSource]*shard{}, words: map[string]bool{}}
	for _, r := range b.rules {
		for _, word := range []string{r.Source.Product, r.Source.Category, r.Source.Service} {
			set.words[word] = true
		}
	}
	scratch := set.Scratch()
	for _, f := range b.filters {
		warn, refused := f.settle(b.rules, scratch)
		set.warnings = append(set.warnings, warn...)
		if refused != nil {
			set.rejected = append(set.rejected, *refused)
		}
	}
	for _, r := range b.rules {
		if len(r.filters) > 0 {
			r.Version = hashOf([]byte(r.Version), []byte(strings.Join(r.filters, "\n")))
		}
		set.byID[r.ID] = r
		set.witnesses[r] = r.cond.witness(b.slots)
	}
	return set
}

// KeepWhole says that no filter narrows the rules added so far whose file is one of these: what watches the sensor
// itself must not be silenced by a file of exceptions.
func (b *Builder) KeepWhole(is func(file string) bool) {
	for _, r := range b.rules {
		r.Whole = r.Whole || is(r.File)
	}
}
