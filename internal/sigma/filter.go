package sigma

import (
	"fmt"
	"net/netip"
	"slices"

	"gopkg.in/yaml.v3"
)

// filter is a Sigma filter document. It gives (rule) and (filter), exactly as written; its identifiers
// were bound to its own detections, so they cannot meet the rule's.
type filter struct {
	title, id, version string
	file               string
	line               int
	source             LogSource
	any                bool
	rules              []string
	cond               node
	keywords           bool
	used               map[string]bool
	wide               bool // see hides
}

func readFilter(doc *yaml.Node, file, version string, slots *interner) (*filter, error) {
	slots.used = map[string]bool{}
	defer func() { slots.used = nil }()
	f := &filter{title: str(get(doc, "title")), id: str(get(doc, "id")), version: version, file: file, line: doc.Line}
	if f.title == "" {
		return nil, refuse(BadDocument, doc.Line, "no title")
	}
	if err := taxonomy(doc); err != nil {
		return nil, err
	}
	var err error
	if f.source, err = logSource(get(doc, "logsource"), doc.Line); err != nil {
		return nil, err
	}
	body := get(doc, "filter")
	if body == nil || body.Kind != yaml.MappingNode {
		return nil, refuse(BadDocument, doc.Line, "filter is no map")
	}
	rules := get(body, "rules")
	if rules == nil {
		return nil, refuse(BadDocument, body.Line, "filter without rules: name them, or write any")
	}
	f.rules = strs(rules)
	f.any = len(f.rules) == 0 || len(f.rules) == 1 && f.rules[0] == "any"
	if c := get(body, "condition"); c != nil && c.Kind != yaml.ScalarNode {
		return nil, refuse(BadCondition, c.Line, "the condition of a filter is one string")
	}
	det, err := readDetections(body, slots, "condition", "rules")
	if err != nil {
		return nil, err
	}
	if f.cond, err = readConditions(get(body, "condition"), body.Line, det); err != nil {
		return nil, err
	}
	f.keywords, f.used = det.keywords, slots.used
	return f, nil
}

// names reports whether the filter means r: r is named, and its log source lies in the filter's.
func (f *filter) names(r *Rule) bool {
	return f.source.covers(r.Source) && (f.any || slices.Contains(f.rules, r.ID) || r.Name != "" && slices.Contains(f.rules, r.Name))
}

func (f *filter) apply(r *Rule) {
	r.cond = allOf([]node{r.cond, f.cond})
	r.Keywords = r.Keywords || f.keywords
	r.noteFields(f.used)
	r.filters = append(r.filters, f.version)
	r.Filters = append(r.Filters, Filter{ID: f.id, Title: f.title, File: f.file, Line: f.line, Wide: f.wide})
}

// Filter is a filter document that narrows a rule.
type Filter struct {
	ID, Title, File string
	Line            int
	Wide            bool // it hides matches that it does not name
}

// Warning is something that loads and is probably not meant.
type Warning struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	ID     string `json:"id"` // of the filter or rule it is about
	Class  string `json:"class"`
	Reason string `json:"reason"`
}

func (w Warning) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", w.File, w.Line, w.Class, w.Reason)
}

// Classes of warnings.
const (
	WideFilter    = "filter hides what it does not name"
	FilterOnAll   = "filter on every rule"
	ProtectedRule = "filter on a health rule"
	SilencedRule  = "filter silences a rule"
)

// stranger is a record in which every field holds one value that nobody named.
type stranger struct{ v Value }

func (stranger) LogSources() []LogSource               { return nil }
func (s stranger) Lookup(string) Value                 { return s.v }
func (s stranger) Each(yield func(string, Value) bool) { yield("stranger", s.v) }

var strangers = []stranger{
	{TextValue("\x01 nobody names this \x01")},
	{TextValue("/\x01/nobody-names-this.\x01")},
	{Value{Kind: Addr, Addr: netip.AddrFrom4([4]byte{198, 18, 77, 3})}},
}

// numbers are strangers to what compares: a small one, one in the middle and a large one, for "all above 1024" names
// something and "all above 0" does not.
var numbers = []stranger{{Value{Kind: Int, Int: 2}}, {Value{Kind: Int, Int: 48_611}}, {Value{Kind: Int, Int: 6_000_000_019}}}

// hides reports whether the filter takes away matches that have nothing of what it names. A condition without a not
// does ("keep only these"), and so does "not selection" with a selection that everything satisfies, or that asks for a
// field to be absent which no event has.
func (f *filter) hides(s *Scratch) bool {
	keeps := func(r stranger) bool {
		s.begin(r)
		defer s.end()
		return f.cond.eval(s)
	}
	for _, r := range strangers {
		if !keeps(r) {
			return true
		}
	}
	return !slices.ContainsFunc(numbers, keeps) || f.keepsNothing(s)
}

// keepsNothing reports whether no event of the filter's log source can pass it, by the fields that its events have.
func (f *filter) keepsNothing(s *Scratch) bool {
	s.begin(stranger{})
	defer s.end()
	all, collected := schema(), false
	for os, kinds := range all.source {
		for k, l := range kinds {
			if !slices.ContainsFunc(l, f.source.covers) {
				continue
			}
			collected = true
			w := &world{scratch: s, has: func(field string) bool { return all.has(k, os, field) }}
			if yes, _ := f.cond.may(w); yes {
				return false
			}
		}
	}
	return collected
}

// settle applies a filter to the rules it means and says what is odd about it. A filter never narrows a rule that is kept
// whole, and one that hides what it does not name narrows the rules it lists by name, but never all of them at once: one
// file would switch the product off.
func (f *filter) settle(rules []*Rule, s *Scratch) (warn []Warning, refused *RejectedRule) {
	f.wide = f.hides(s)
	var narrowed, whole []*Rule
	for _, r := range rules {
		switch {
		case !f.names(r):
		case r.Whole:
			whole = append(whole, r)
		default:
			narrowed = append(narrowed, r)
		}
	}
	say := func(class, format string, a ...any) {
		warn = append(warn, Warning{File: f.file, Line: f.line, ID: f.id, Class: class, Reason: fmt.Sprintf(format, a...)})
	}
	const instead = "put not before the selection in its condition to leave out what it names"
	if len(whole) > 0 && !f.any {
		say(ProtectedRule, "filter %q names %d rules that watch the sensor itself; no filter narrows those", f.title, len(whole))
	}
	switch {
	case len(narrowed)+len(whole) == 0:
		return warn, &RejectedRule{File: f.file, Line: f.line, ID: f.id, Class: FilterWithoutRule, Reason: "the filter names no rule that is loaded and whose log source lies in its own"}
	case f.wide && f.any:
		say(WideFilter, "filter %q on every rule hides all that it does not name and would switch off %d rules; it is not applied: %s", f.title, len(narrowed), instead)
		return warn, &RejectedRule{File: f.file, Line: f.line, ID: f.id, Class: WideFilter, Reason: warn[len(warn)-1].Reason}
	case f.wide:
		say(WideFilter, "filter %q keeps only what it names and hides every other match of %d rules: %s", f.title, len(narrowed), instead)
	case f.any:
		say(FilterOnAll, "filter %q narrows all %d rules of its log source; name the rules it is for", f.title, len(narrowed))
	}
	for _, r := range narrowed {
		f.apply(r)
	}
	return warn, nil
}
