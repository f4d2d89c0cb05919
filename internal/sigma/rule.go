package sigma

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// readRule reads a rule document. version is the hash of its bytes.
func readRule(doc *yaml.Node, file, version string, slots *interner) (*Rule, error) {
	slots.used = map[string]bool{}
	defer func() { slots.used = nil }()
	r := &Rule{
		ID: str(get(doc, "id")), Name: str(get(doc, "name")), File: file, Line: doc.Line, Version: version,
		Status: str(get(doc, "status")), Author: str(get(doc, "author")), Licence: str(get(doc, "license")),
		Tags: strs(get(doc, "tags")),
	}
	title := str(get(doc, "title"))
	if title == "" {
		return nil, refuse(BadDocument, doc.Line, "no title")
	}
	if r.ID == "" {
		if n := get(doc, "id"); n != nil && n.Kind != yaml.ScalarNode {
			return nil, refuse(BadDocument, n.Line, "id is no text")
		}
		var err error
		if r.ID, err = madeID(doc); err != nil {
			return nil, err
		}
	}
	if err := taxonomy(doc); err != nil {
		return nil, err
	}
	if len(r.ID) > 128 || len(title) > 1024 {
		return nil, refuse(TooBig, doc.Line, "id or title is longer than a line of text")
	}
	if r.Author == "" && strings.HasPrefix(strings.ToUpper(r.Licence), "DRL") {
		return nil, refuse(NoAuthor, doc.Line, "the Detection Rule License asks for the author's name, and the rule has none")
	}
	var err error
	if r.Severity, err = level(doc); err != nil {
		return nil, err
	}
	if r.Source, err = logSource(get(doc, "logsource"), doc.Line); err != nil {
		return nil, err
	}
	r.ATTACK = attack(r.Tags)
	r.Title = detection.Said{En: title}
	r.Why = detection.Said{En: strings.TrimSpace(str(get(doc, "description")))}
	if err := r.ours(get(doc, "yagura")); err != nil {
		return nil, err
	}
	d := get(doc, "detection")
	if d == nil || d.Kind != yaml.MappingNode {
		return nil, refuse(BadDocument, doc.Line, "no detection")
	}
	det, err := readDetections(d, slots, "condition")
	if err != nil {
		return nil, err
	}
	if r.cond, err = readConditions(get(d, "condition"), d.Line, det); err != nil {
		return nil, err
	}
	r.Keywords = det.keywords
	r.noteFields(slots.used)
	return r, nil
}

func (r *Rule) noteFields(used map[string]bool) {
	for f := range used {
		if !slices.Contains(r.Fields, f) {
			r.Fields = append(r.Fields, f)
		}
		switch strings.ToLower(f) {
		case "hashes", "hash", "sha256", "sha1", "md5", "imphash", "actor_sha256":
			r.UsesHash = true
		}
	}
	slices.Sort(r.Fields)
}

// madeID names a rule that has no id, which the specification allows. The name is made of what the rule
// says: comments, line ends and the other documents of its file do not change it.
func madeID(doc *yaml.Node) (string, error) {
	plain, err := yaml.Marshal(doc)
	if err != nil {
		return "", refuse(BadDocument, doc.Line, "no id, and none can be made: %v", err)
	}
	h := sha256.Sum256(append([]byte("yagura rule without id\n"), plain...))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]), nil
}

// taxonomy refuses names and values of another vocabulary: such a rule would load and never fire.
func taxonomy(doc *yaml.Node) error {
	n := get(doc, "taxonomy")
	if n == nil || n.Kind == yaml.ScalarNode && (str(n) == "" || strings.EqualFold(str(n), "sigma")) {
		return nil
	}
	name := str(n)
	if n.Kind != yaml.ScalarNode {
		name = "that is no text"
	}
	return refuse(OtherTaxonomy, n.Line, "taxonomy %s: only Sigma's own taxonomy is read here; convert the field names and log source to it", event.Cut(name, 80))
}

func level(doc *yaml.Node) (detection.Severity, error) {
	n := get(doc, "level")
	if n == nil {
		return detection.Medium, nil
	}
	s, err := detection.ParseSeverity(strings.ToLower(strings.TrimSpace(str(n))))
	if err != nil {
		return 0, refuse(BadDocument, n.Line, "%v", err)
	}
	return s, nil
}

func logSource(n *yaml.Node, line int) (LogSource, error) {
	l := LogSource{Product: strings.ToLower(str(get(n, "product"))), Category: strings.ToLower(str(get(n, "category"))), Service: strings.ToLower(str(get(n, "service")))}
	if l == (LogSource{}) {
		return l, refuse(BadDocument, line, "logsource names no product, category or service")
	}
	return l, nil
}

// attack reads ATT&CK tags: attack.t1059.004 is a technique, attack.execution a tactic.
func attack(tags []string) []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) { // some rules tag a technique twice
			out = append(out, name)
		}
	}
	for _, t := range tags {
		rest, ok := strings.CutPrefix(strings.ToLower(t), "attack.")
		if !ok || rest == "" {
			continue
		}
		switch {
		case len(rest) >= 5 && rest[0] == 't' && rest[1] >= '0' && rest[1] <= '9':
			add(strings.ToUpper(rest))
		case len(rest) >= 5 && (rest[0] == 'g' || rest[0] == 's' || rest[0] == 'c') && rest[1] >= '0' && rest[1] <= '9':
			// groups, software and campaigns are no techniques
		default:
			add("tactic:" + strings.ReplaceAll(rest, "_", "-"))
		}
	}
	return out
}

// ours reads the yagura block: title, why and todo in both languages.
func (r *Rule) ours(n *yaml.Node) error {
	if n == nil {
		return nil
	}
	said := func(key string) (detection.Said, error) {
		b := get(n, key)
		s := detection.Said{En: strings.TrimSpace(str(get(b, "en"))), Ja: strings.TrimSpace(str(get(b, "ja")))}
		if s.En == "" || s.Ja == "" {
			return s, refuse(BadDocument, n.Line, "yagura.%s lacks en or ja", key)
		}
		if len(s.En) > 2000 || len(s.Ja) > 4000 {
			return s, refuse(TooBig, n.Line, "yagura.%s is longer than 2,000 characters", key)
		}
		return s, nil
	}
	var errs [3]error
	r.Title, errs[0] = said("title")
	r.Why, errs[1] = said("why")
	r.Todo, errs[2] = said("todo")
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	r.Ours = true
	return nil
}

// readConditions reads one condition or a list of alternatives.
func readConditions(n *yaml.Node, line int, det *detections) (node, error) {
	if n == nil {
		return nil, refuse(BadCondition, line, "no condition")
	}
	texts := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		texts = n.Content
	}
	if len(texts) == 0 || len(texts) > 100 {
		return nil, refuse(BadCondition, n.Line, "%d conditions where 1 to 100 are read", len(texts))
	}
	var kids []node
	for _, t := range texts {
		c, err := parseCondition(str(t), t.Line)
		if err != nil {
			return nil, err
		}
		k, err := c.bind(det, t.Line, false)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	return anyOf(kids), nil
}

func hashOf(b ...[]byte) string {
	h := sha256.New()
	for _, p := range b {
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte("\n"))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func rejected(file string, doc *yaml.Node, err error) RejectedRule {
	r := RejectedRule{File: file, Line: 1, Class: NotYAML, Reason: err.Error()}
	if doc != nil {
		r.Line, r.ID = doc.Line, event.Cut(str(get(doc, "id")), 128)
	}
	if ref, ok := errors.AsType[*refusal](err); ok {
		r.Class, r.Reason = ref.class, ref.why
		if ref.line > 0 {
			r.Line = ref.line
		}
	}
	return r
}
