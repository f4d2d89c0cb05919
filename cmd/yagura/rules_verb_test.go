package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/rules"
)

const adminFilter = `title: Filter Administrator account
logsource: {product: linux}
filter:
  rules: RULES
  selection: {User|startswith: adm_}
  condition: CONDITION
`

func ruleFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A filter that would silence every rule is told of in words and by the exit code; it was silent.
func TestRulesCheckWarnsOfAFilterThatHidesTooMuch(t *testing.T) {
	for _, c := range []struct {
		rules, condition, says string
		code                   int
	}{
		{"any", "selection", "is not applied", exitPartial},
		{"any", "not selection", "name the rules it is for", exitPartial},
		{"[5b6b2f34-7d5d-4d0b-9f0d-8a2b0f4a9a11, Sensor canary, 6f0f2a52-6a0b-4a0e-9d6d-5f9a3c1e7b01]", "not selection", "no filter narrows those", exitPartial},
	} {
		dir := ruleFolder(t, map[string]string{"f.yml": strings.NewReplacer("RULES", c.rules, "CONDITION", c.condition).Replace(adminFilter)})
		out, errOut, code := tell(t, "C.UTF-8", "rules", "check", "--rules", dir)
		if code != c.code || !strings.Contains(out, "warning: ") || !strings.Contains(out, c.says) {
			t.Errorf("rules: %s, condition: %s: exit %d\n%s%s; want %d and %q", c.rules, c.condition, code, out, errOut, c.code, c.says)
		}
		out, _, _ = tell(t, "ja_JP.UTF-8", "rules", "check", "--rules", dir)
		if !strings.Contains(out, "警告:") || strings.Contains(out, "hides") || strings.Contains(out, "narrows") {
			t.Errorf("in Japanese: %s", out)
		}
		out, _, _ = tell(t, "C.UTF-8", "rules", "list", "--rules", dir)
		if !strings.Contains(out, "warning: ") {
			t.Errorf("rules list does not warn: %s", out)
		}
	}
}

// A rule that was not loaded had a ✓ in doctor, and rules list gave only its number.
func TestARuleThatWasNotLoadedIsNamed(t *testing.T) {
	dir := ruleFolder(t, map[string]string{"broken.yml": "title: b\nlogsource: {product: linux, category: process_creation}\ndetection: {a: {Image: x}, condition: b}\n"})
	for lang, want := range map[string]string{"C.UTF-8": "not loaded: ", "ja_JP.UTF-8": "読み込めません: "} {
		out, _, _ := tell(t, lang, "rules", "list", "--rules", dir)
		if !strings.Contains(out, want) || !strings.Contains(out, "broken.yml:") {
			t.Errorf("%s: rules list does not name it: %s", lang, out)
		}
	}
	set, err := rules.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c := checkRules(set); c.State != "warn" || !strings.Contains(c.Fix.GetEn(), "yagura rules list") {
		t.Errorf("doctor says %v", c)
	}
}

// What loads is not what can fire: the count is told, by reason, in text and JSON; lists are never null.
func TestRulesCheckCountsWhatCanFire(t *testing.T) {
	dir := ruleFolder(t, map[string]string{
		"w.yml": "title: w\nlogsource: {product: windows, category: process_creation}\ndetection: {a: {Image: x}, condition: a}\n",
		"a.yml": "title: a\nlogsource: {product: linux, service: auditd}\ndetection: {a: {type: x}, condition: a}\n",
		"h.yml": "title: h\nlogsource: {product: linux, category: process_creation}\ndetection: {a: {Hashes|contains: 'IMPHASH=0123'}, condition: a}\n",
		"f.yml": "title: f\nlogsource: {product: linux, category: process_creation}\ndetection: {a: {NoSuchField: 'x'}, condition: a}\n",
	})
	out, _, code := tell(t, "C.UTF-8", "rules", "check", "--rules", dir)
	for _, want := range []string{"can fire on this fleet (linux)", "no sensor for the product: 1", "log source not collected: 1", "hash not computed: 1", "field not there: 1"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q:\n%s", code, want, out)
		}
	}
	read := func(args ...string) map[string]json.RawMessage {
		t.Helper()
		out, errOut, _ := tell(t, "C.UTF-8", args...)
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &m); err != nil {
			t.Fatalf("%v: %v: %s%s", args, err, out, errOut)
		}
		for k, v := range m {
			if k != strings.ToLower(k) || string(v) == "null" {
				t.Errorf("%v: key %q is %s", args, k, v)
			}
		}
		return m
	}
	m := read("rules", "check", "--rules", dir, "--json")
	if string(m["rejected"]) != "[]" || string(m["problems"]) != "[]" || string(m["warnings"]) != "[]" {
		t.Errorf("rejected %s, problems %s, warnings %s; want empty lists", m["rejected"], m["problems"], m["warnings"])
	}
	var loaded, fire int
	if json.Unmarshal(m["loaded"], &loaded) != nil || json.Unmarshal(m["can_fire"], &fire) != nil || loaded-fire != 4 {
		t.Errorf("loaded %s, can fire %s; want 4 fewer", m["loaded"], m["can_fire"])
	}
	m = read("rules", "check", "--rules", dir, "--json", "--os", "linux,windows")
	if json.Unmarshal(m["can_fire"], &fire) != nil || loaded-fire != 3 {
		t.Errorf("with Windows %s of %d can fire; want 3 fewer", m["can_fire"], loaded)
	}
	read("rules", "test", "--json")
}

// The list for scripts names the filters of every rule and the documents that were not loaded.
func TestRulesListTellsScriptsOfFiltersAndRejectedRules(t *testing.T) {
	dir := ruleFolder(t, map[string]string{
		"r.yml": "title: r\nid: 0b5b2f34-7d5d-4d0b-9f0d-8a2b0f4a9a11\nlogsource: {product: linux, category: process_creation}\ntags: [attack.t1053.003, attack.t1053.003, attack.execution]\ndetection: {a: {Image: x}, condition: a}\n",
		"f.yml": strings.NewReplacer("RULES", "[0b5b2f34-7d5d-4d0b-9f0d-8a2b0f4a9a11]", "CONDITION", "selection").Replace(adminFilter),
		"b.yml": "title: b\ntaxonomy: ecs\nlogsource: {product: linux}\ndetection: {a: {b: c}, condition: a}\n",
	})
	out, errOut, _ := tell(t, "C.UTF-8", "rules", "list", "--rules", dir, "--json")
	var list []struct {
		ID, File, Rejected, Class string
		CanFire                   *bool `json:"can_fire"`
		Filters                   []struct {
			Title string
			Wide  bool
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v: %s%s", err, out, errOut)
	}
	filtered, rejected := 0, 0
	for _, r := range list {
		switch {
		case r.Rejected != "":
			rejected++
			if !strings.HasSuffix(r.File, "b.yml") || r.Class == "" {
				t.Errorf("rejected %+v", r)
			}
		case r.CanFire == nil || r.Filters == nil:
			t.Errorf("rule %s has no can_fire or no filters", r.ID)
		case len(r.Filters) == 1 && r.Filters[0].Wide && r.Filters[0].Title == "Filter Administrator account":
			filtered++
		}
	}
	if filtered != 1 || rejected != 1 {
		t.Errorf("%d rules name the filter, %d are rejected; want one each", filtered, rejected)
	}
	out, _, _ = tell(t, "C.UTF-8", "rules", "list", "--rules", dir)
	if strings.Contains(out, "T1053.003 T1053.003") {
		t.Error("a technique that is tagged twice is printed twice")
	}
	if !strings.Contains(out, "!Filter Administrator account") {
		t.Error("the text does not name the filter")
	}
}
