package rules_test

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

// What takes events out of a rule of ours does not go by a name that the attacker chooses: neither by the name that was asked
// for (Image: a link bears any name), nor by the end of a parent's or an ancestor's path (a copy of a shell called
// /tmp/a/usr/bin/rpm once silenced 37 rules), nor by words of an argument alone.
func TestExceptionsDoNotTrustNamesThatAttackersChoose(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, r := range set.Rules() {
		for _, e := range r.Exceptions() {
			checked++
			if why := chosen(e); why != "" {
				t.Errorf("%s: %s: %s", r.File, e.Name, why)
			}
		}
	}
	if len(set.Rules()) < 180 || checked < 300 {
		t.Errorf("%d rules with %d exceptions were read", len(set.Rules()), checked)
	}
}

// chosen says what an exception believes that an attacker chooses; "" is nothing.
func chosen(e sigma.Exception) string {
	for _, p := range e.Parts {
		part := p.How == "suffix" || p.How == "contains" || p.How == "pattern"
		switch p.Field {
		case "Image", "ParentImage", "TargetImage", "SourceImage":
			return p.Field + " is also the name that was asked for: ImagePath is the file"
		case "ParentImagePath", "Ancestors", "parent_interpreter":
			if part {
				return p.Field + " by a part of the path holds for a copy in any folder: name the whole path or ask for Lineage"
			}
		}
	}
	if p := e.Parts[0]; len(e.Parts) == 1 && strings.HasSuffix(p.Field, "CommandLine") && p.How == "contains" {
		return "a word in an argument is the attacker's: say what the whole line is, or what runs"
	}
	return ""
}
