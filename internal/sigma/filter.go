package sigma

import (
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
	hit                bool // applied to at least one rule
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

// applies reports whether the filter narrows r: r is named, and its log source lies in the filter's.
func (f *filter) applies(r *Rule) bool {
	return f.source.covers(r.Source) && (f.any || slices.Contains(f.rules, r.ID) || r.Name != "" && slices.Contains(f.rules, r.Name))
}

func (f *filter) apply(r *Rule) {
	f.hit = true
	r.cond = allOf([]node{r.cond, f.cond})
	r.Keywords = r.Keywords || f.keywords
	r.noteFields(f.used)
	r.filters = append(r.filters, f.version)
}
