// Package sigma reads Sigma v2.1 rules and filters and judges single records with them. Rules are judged by a plain
// interpreter, a direct transcription of the specification; in front of it an index over witnesses (witness.go, index.go)
// leaves out the rules that cannot fire, and long values meet an automaton instead of the library's regular expressions
// (automaton.go). Neither decides anything else: an oracle in the tests must agree. Of a rule as such it says whether it can
// fire on a fleet (sight.go) and what keeps it from firing (exception.go).
//
// It knows nothing of streams, stores or what becomes of a hit: package detect makes detections of hits,
// package rules loads and checks our own content. Correlation documents are refused by name.
package sigma

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/detection"
)

// LogSource says which log a rule reads, or which log a record comes from. An empty part of a rule
// matches every log.
type LogSource struct {
	Product, Category, Service string
}

// String gives product/category/service, with * for what is not stated.
func (l LogSource) String() string {
	part := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	return part(l.Product) + "/" + part(l.Category) + "/" + part(l.Service)
}

// covers reports whether a rule that reads l also reads a record of log source r. Service sysmon beside a
// category is how some rules say where they expect that category to come from; here it comes from our own
// sensor, whose records name no service.
func (l LogSource) covers(r LogSource) bool {
	return (l.Product == "" || l.Product == r.Product) &&
		(l.Category == "" || l.Category == r.Category) &&
		(l.Service == "" || l.Service == r.Service || l.Service == "sysmon" && l.Category != "" && r.Service == "")
}

// Rule is one loaded detection rule. It is immutable.
type Rule struct {
	ID      string // the rule's own, or made of its content (a UUID of version 8) when it states none
	Name    string // Sigma's name, by which filters may refer to it
	Version string // hash of the content, filters that apply included
	File    string
	Line    int
	Status  string
	Author  string
	Licence string // SPDX id as the rule states it; empty when it does not

	Severity detection.Severity
	Source   LogSource
	ATTACK   []string // technique ids, and tactics as "tactic:execution"
	Tags     []string

	Title detection.Said
	Why   detection.Said // from the yagura block; for other rules the description, English only
	Todo  detection.Said

	Ours     bool     // has the yagura block with both languages
	Fields   []string // every field its conditions read, sorted
	Keywords bool     // reads the whole record
	UsesHash bool     // reads a hash of the image
	Whole    bool     // no filter narrows it
	Filters  []Filter // that narrow it

	cond    node
	filters []string // versions of the filters that were merged
}

// RejectedRule says which rule was not loaded and why. No rule is ever dropped without one.
type RejectedRule struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	ID     string `json:"id"`     // empty when the document did not get that far
	Class  string `json:"class"`  // short name of the reason, to count by
	Reason string `json:"reason"` // in words
}

func (r RejectedRule) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", r.File, r.Line, r.Class, r.Reason)
}

// Classes of rejection.
const (
	NotYAML           = "not yaml"
	TooBig            = "too big"
	BadDocument       = "bad document"
	BadCondition      = "bad condition"
	BadModifier       = "bad modifier"
	BadValue          = "bad value"
	BadRegex          = "bad regex"
	NeedsPipeline     = "needs pipeline"
	OtherTaxonomy     = "other taxonomy"
	Obsolete          = "obsolete"
	CorrelationClass  = "correlation"
	Duplicate         = "duplicate id"
	NoAuthor          = "no author"
	FilterWithoutRule = "filter without rule"
)

// refusal is the error of every reader in this package: a class, a line and words.
type refusal struct {
	class string
	line  int
	why   string
}

func (r *refusal) Error() string { return r.why }

func refuse(class string, line int, format string, a ...any) error {
	return &refusal{class: class, line: line, why: fmt.Sprintf(format, a...)}
}
