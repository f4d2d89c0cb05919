package sigma

import (
	"slices"
	"strings"
)

// Fields is a record of plain text fields: samples of rule tests and imported recordings.
type Fields struct {
	Sources []LogSource
	Values  map[string]Value
}

// NewFields makes a record. Spaces in field names are stripped, as in rules.
func NewFields(sources []LogSource, values map[string]Value) Fields {
	m := make(map[string]Value, len(values))
	for k, v := range values {
		m[strings.ReplaceAll(k, " ", "")] = v
	}
	return Fields{sources, m}
}

// LogSources implements Record.
func (f Fields) LogSources() []LogSource { return f.Sources }

// Lookup implements Record.
func (f Fields) Lookup(field string) Value {
	v, ok := f.Values[field]
	switch {
	case !ok:
		return f.supplied(field)
	case v.Kind == List && len(v.List) > 0 && asked[field] != "":
		return TextValue(v.List[0]) // the path; what was asked for follows, see supplied
	}
	return v
}

// Each implements Record, in the order of the names.
func (f Fields) Each(yield func(string, Value) bool) {
	names := make([]string, 0, len(f.Values))
	for k := range f.Values {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		if !yield(k, f.Values[k]) {
			return
		}
	}
}
