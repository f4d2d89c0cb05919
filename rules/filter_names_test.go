package rules_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/yagura-edr/yagura/rules"
)

// What takes events out of a rule of ours does not go by a name that the attacker chooses: neither by the name that was asked
// for (Image: a link bears any name), nor by the end of a parent's or an ancestor's path (a copy of a shell called
// /tmp/a/usr/bin/rpm once silenced 37 rules), nor by words of an argument alone.
func TestExceptionsDoNotTrustNamesThatAttackersChoose(t *testing.T) {
	rules.Content()
	files, checked := 0, 0
	err := fs.WalkDir(rules.Content(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, ".test.yml") {
			return err
		}
		raw, err := fs.ReadFile(rules.Content(), p)
		if err != nil {
			return err
		}
		var doc struct {
			Detection map[string]yaml.Node `yaml:"detection"`
		}
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			return err
		}
		files++
		condition := doc.Detection["condition"]
		except, also := excepted(condition.Value)
		for name, node := range doc.Detection {
			if name == "condition" || also[name] || !slices.ContainsFunc(except, func(e string) bool {
				prefix, star := strings.CutSuffix(e, "*")
				return e == name || star && strings.HasPrefix(name, prefix)
			}) {
				continue
			}
			checked++
			maps := []*yaml.Node{&node}
			if node.Kind == yaml.SequenceNode {
				maps = node.Content
			}
			for _, m := range maps {
				if why := trusts(m); why != "" {
					t.Errorf("%s:%d: %s: %s", p, m.Line, name, why)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 180 || checked < 300 {
		t.Errorf("%d rules with %d exceptions were read: the conditions read differently now", files, checked)
	}
}

// trusts says what one map of an exception believes that an attacker chooses; "" is none.
func trusts(m *yaml.Node) string {
	for i := 0; i+1 < len(m.Content); i += 2 {
		field, modifier, _ := strings.Cut(m.Content[i].Value, "|")
		switch {
		case field == "Image" || field == "ParentImage" || field == "TargetImage" || field == "SourceImage":
			return field + " is also the name that was asked for: ImagePath is the file"
		case (field == "ParentImagePath" || field == "Ancestors" || field == "parent_interpreter") && (modifier == "endswith" || modifier == "contains"):
			return field + "|" + modifier + " holds for a copy in any folder: name the whole path or ask for Lineage"
		case field == "CommandLine" && modifier == "contains" && len(m.Content) == 2:
			return "a word in an argument is the attacker's: say what the whole line is, or what runs"
		}
	}
	return ""
}

var negated = regexp.MustCompile(`not\s+(?:1 of\s+)?(\(|[\w*]+)`)

// excepted gives the blocks that a condition takes out, and those that it also asks for.
func excepted(condition string) (out []string, also map[string]bool) {
	also = map[string]bool{}
	rest := condition
	for {
		at := negated.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		asked(rest[:at[0]], also)
		word := rest[at[2]:at[3]]
		if word != "(" {
			out = append(out, word)
			rest = rest[at[1]:]
			continue
		}
		depth, i := 1, at[1]
		for ; i < len(rest) && depth > 0; i++ {
			switch rest[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		inner, in := excepted(rest[at[1]:i]) // what is taken out of an exception is asked for
		for w := range in {
			out = append(out, w)
		}
		for _, w := range inner {
			also[w] = true
		}
		rest = rest[i:]
	}
	asked(rest, also)
	return out, also
}

func asked(part string, into map[string]bool) {
	for _, w := range regexp.MustCompile(`\w+`).FindAllString(part, -1) {
		into[w] = true
	}
}
