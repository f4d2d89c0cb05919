package incident

import (
	"strconv"
	"strings"
	"time"
)

// finding is one thing that an answer states, in no language: which statement it is, what it is about, and the events that
// it stands on. Words come last (findingWords), so that a language is a column of a table, a test can ask what is stated
// instead of how, and no rule ever reads a sentence.
type finding struct {
	id                string // ANSWER.STATEMENT
	about             about
	facts             []fact
	cites             []string // events by id, where facts are at hand no more: the steps of the entry
	basis, confidence string
	unknown           bool // the proper answer "not known", which cites nothing
}

// about names what the words of a finding speak of.
type about map[string]value

// value is one of those, which each language writes in its own way.
type value interface {
	in(b *builder, ja bool) string
}

type (
	who     struct{ *proc }     // a process, with its host where a story has several
	at      int64               // a time, µs
	text    string              // a name of the host: the same in each language
	words   Said                // a phrase that has its words already
	count   uint64              // a number
	lasting time.Duration       // how long
	onHost  struct{ *activity } // " on HOST" where a story has several, else nothing
)

func (v who) in(b *builder, ja bool) string {
	if ja {
		return b.ja(v.proc)
	}
	return b.en(v.proc)
}

func (v words) in(_ *builder, ja bool) string {
	if ja {
		return v.Ja
	}
	return v.En
}

func (v onHost) in(b *builder, ja bool) string {
	if ja {
		return b.atHost(v.activity)
	}
	return b.onHost(v.activity)
}

func (v at) in(*builder, bool) string           { return clock(int64(v)) }
func (v text) in(*builder, bool) string         { return string(v) }
func (v count) in(*builder, bool) string        { return strconv.FormatUint(uint64(v), 10) }
func (v lasting) in(_ *builder, ja bool) string { return span(time.Duration(v), ja) }

// observation is a finding that events show.
func observation(id string, of about, facts ...fact) finding {
	return finding{id: id, about: of, facts: facts, basis: observed, confidence: high}
}

// guess is one that they suggest.
func guess(id string, of about, facts ...fact) finding {
	return finding{id: id, about: of, facts: facts, basis: inferred, confidence: medium}
}

// unknown is the finding that nothing is known.
func unknown(id string) finding {
	return finding{id: id, basis: inferred, confidence: low, unknown: true}
}

// say puts a finding into words.
func (b *builder) say(f *finding) Sentence {
	s := Sentence{Finding: f.id, EventIDs: append(make([]string, 0, len(f.cites)+len(f.facts)), f.cites...), Edges: []string{}, Basis: f.basis, Confidence: f.confidence, Unknown: f.unknown}
	for _, x := range f.facts {
		if x.known() {
			s.EventIDs = append(s.EventIDs, x.id.String())
		}
	}
	w := findingWords[f.id]
	s.Text = Said{En: b.fill(w.En, f.about, false), Ja: b.fill(w.Ja, f.about, true)}
	return s
}

// fill puts what a finding is about into the braces of its words, once: what a host wrote may hold braces too.
func (b *builder) fill(form string, of about, ja bool) string {
	var out strings.Builder
	out.Grow(2 * len(form)) // most need no more
	for {
		before, rest, ok := strings.Cut(form, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		if v := of[name]; v != nil {
			out.WriteString(v.in(b, ja))
		}
		form = after
	}
}
