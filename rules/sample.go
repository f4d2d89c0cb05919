package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// sample is one event of a RULE.test.yml: tool or why, perhaps a category, and Sigma fields.
type sample struct {
	tool, why string
	category  string
	fields    map[string]sigma.Value
	line      int
}

type samples struct {
	positive, nearMiss []sample
}

// testFile is where the samples of a rule stand.
func testFile(rule string) string { return strings.TrimSuffix(rule, path.Ext(rule)) + ".test.yml" }

func readSamples(fsys fs.FS, file string) (samples, error) {
	var s samples
	raw, err := fs.ReadFile(fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read samples: %w", err)
	}
	var doc struct {
		Positive []yaml.Node `yaml:"positive"`
		NearMiss []yaml.Node `yaml:"near_miss"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return s, fmt.Errorf("read samples %s: %w", file, err)
	}
	if s.positive, err = parseSamples(doc.Positive); err != nil {
		return s, fmt.Errorf("read samples %s: %w", file, err)
	}
	if s.nearMiss, err = parseSamples(doc.NearMiss); err != nil {
		return s, fmt.Errorf("read samples %s: %w", file, err)
	}
	return s, nil
}

func parseSamples(nodes []yaml.Node) ([]sample, error) {
	var out []sample
	for i := range nodes {
		n := &nodes[i]
		if n.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("line %d: a sample is a map of fields", n.Line)
		}
		s := sample{fields: map[string]sigma.Value{}, line: n.Line}
		for k := 0; k+1 < len(n.Content); k += 2 {
			key, v := n.Content[k].Value, n.Content[k+1]
			switch {
			case key == "tool":
				s.tool = v.Value
			case key == "why":
				s.why = v.Value
			case key == "category":
				s.category = v.Value
			case v.Kind == yaml.SequenceNode:
				var list []string
				for _, e := range v.Content {
					list = append(list, e.Value)
				}
				s.fields[key] = sigma.Value{Kind: sigma.List, List: list}
			case v.Kind == yaml.ScalarNode:
				s.fields[key] = sigma.TextValue(v.Value)
			default:
				return nil, fmt.Errorf("line %d: field %s is neither text nor list", v.Line, key)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// record makes the sample judgeable in the log source of its rule.
func (s sample) record(r *sigma.Rule) sigma.Record {
	l := r.Source
	if s.category != "" {
		l.Category = s.category
	}
	return sigma.NewFields([]sigma.LogSource{l}, s.fields)
}
