package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"
)

// Bounds of a rule file. The largest real rule has 295 KB and 4,432 values.
const (
	MaxFile   = 1 << 20
	maxDepth  = 32
	maxNodes  = 50000
	maxRegex  = 2048
	maxCond   = 16 << 10
	maxNested = 64
)

// documents splits a file into its YAML documents, each checked against the bounds and with its aliases
// resolved. An error of one document does not hide those before it.
func documents(data []byte) ([]*yaml.Node, error) {
	if len(data) > MaxFile {
		return nil, refuse(TooBig, 1, "the file has %d bytes; at most %d are read", len(data), MaxFile)
	}
	var out []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	budget := maxNodes
	for {
		var doc yaml.Node
		err := decode(dec, &doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, refuse(NotYAML, 1, "not YAML: %v", err)
		}
		if len(doc.Content) == 0 {
			continue
		}
		root, err := resolve(doc.Content[0], 0, &budget)
		if err != nil {
			return out, err
		}
		out = append(out, root)
	}
}

// decode guards against a parser that panics on hostile input: the file is refused, the load goes on.
func decode(dec *yaml.Decoder, doc *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	if err := dec.Decode(doc); err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	return nil
}

// resolve copies a tree with aliases replaced by what they stand for, within the node budget: an alias
// bomb spends it instead of the memory.
func resolve(n *yaml.Node, depth int, budget *int) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		line := n.Line
		if n = n.Alias; n == nil {
			return nil, refuse(NotYAML, line, "alias without an anchor")
		}
	}
	if depth > maxDepth {
		return nil, refuse(TooBig, n.Line, "nested deeper than %d levels", maxDepth)
	}
	if *budget--; *budget < 0 {
		return nil, refuse(TooBig, n.Line, "more than %d values", maxNodes)
	}
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Line: n.Line, Column: n.Column, Style: n.Style}
	for _, k := range n.Content {
		r, err := resolve(k, depth+1, budget)
		if err != nil {
			return nil, err
		}
		c.Content = append(c.Content, r)
	}
	if c.Kind == yaml.MappingNode {
		seen := make(map[string]bool, len(c.Content)/2)
		for i := 0; i+1 < len(c.Content); i += 2 {
			k := c.Content[i]
			switch {
			case k.Kind != yaml.ScalarNode:
				return nil, refuse(BadDocument, k.Line, "a key that is no text")
			case k.Tag == "!!merge":
				return nil, refuse(BadDocument, k.Line, "merge keys (<<) are not Sigma")
			case seen[k.Value]:
				return nil, refuse(BadDocument, k.Line, "key %q stands twice in one map", k.Value)
			}
			seen[k.Value] = true
		}
	}
	return c, nil
}

// get gives the value of a key of a map, nil when it has none.
func get(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// str gives a scalar's text; empty for anything else.
func str(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// strs gives a scalar or a list of scalars as a list.
func strs(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		var out []string
		for _, k := range n.Content {
			if s := str(k); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	if s := str(n); s != "" {
		return []string{s}
	}
	return nil
}
