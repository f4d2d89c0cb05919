package registry_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

var update = flag.Bool("update", false, "add new rows to testdata/numbers.golden; rows that are there are never changed")

const golden = "testdata/numbers.golden"

var typeName = map[registry.Type]string{
	registry.Uint: "uint", registry.Int: "int", registry.Bool: "bool", registry.Text: "text",
	registry.Texts: "texts", registry.Key: "key", registry.Addr: "addr", registry.Hash: "hash", registry.Attributes: "attributes",
}

func rows() []string {
	var all []string
	for _, k := range registry.Kinds {
		all = append(all, fmt.Sprintf("kind  %4d %s", k.Number, k.Name))
	}
	for _, f := range registry.Fields() {
		all = append(all, fmt.Sprintf("field %4d %s %s", f.Number, f.Name, typeName[f.Type]))
	}
	return all
}

// Segments live for years: a number that was ever written keeps its name and type for ever.
func TestNumbersAreAppendOnly(t *testing.T) {
	b, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	have := rows()
	old := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, row := range old {
		if row != "" && !slices.Contains(have, row) {
			t.Errorf("the registry lost or changed %q: add a new field and mark this one Retired instead", row)
		}
	}
	var added []string
	for _, row := range have {
		if !slices.Contains(old, row) {
			added = append(added, row)
		}
	}
	if len(added) == 0 || t.Failed() {
		return
	}
	if !*update {
		t.Fatalf("new rows, run go test ./internal/event/registry -update once they are meant:\n%s", strings.Join(added, "\n"))
	}
	all := slices.DeleteFunc(append(old, added...), func(s string) bool { return s == "" })
	slices.Sort(all)
	if err := os.WriteFile(golden, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFieldsAreWhole(t *testing.T) {
	number, name, goName, hunt := map[int]string{}, map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, f := range registry.Fields() {
		if other, ok := number[f.Number]; ok {
			t.Errorf("field %s has the number %d of %s", f.Name, f.Number, other)
		}
		if name[f.Name] || goName[f.Go] {
			t.Errorf("field %s (%s) stands twice", f.Name, f.Go)
		}
		if other, ok := hunt[f.Hunt]; ok {
			t.Errorf("field %s has the hunt column %s of %s", f.Name, f.Hunt, other)
		}
		number[f.Number], name[f.Name], goName[f.Go], hunt[f.Hunt] = f.Name, true, true, f.Name
		if f.Number < 1 || f.Number > 4095 {
			t.Errorf("field %s has number %d; want 1..4095", f.Name, f.Number)
		}
		if typeName[f.Type] == "" {
			t.Errorf("field %s has type %d", f.Name, f.Type)
		}
		if f.OS == 0 || f.OS&^registry.AllOS != 0 || f.Source == "" || f.Hunt == "" || f.En == "" || f.Ja == "" {
			t.Errorf("field %s lacks OS, source, hunt column or a help text: %+v", f.Name, f)
		}
		if f.Since < 1 || f.Since > registry.Version || f.Retired > registry.Version {
			t.Errorf("field %s is since %d, retired %d; the registry is at %d", f.Name, f.Since, f.Retired, registry.Version)
		}
	}
}

func TestKindsAreWhole(t *testing.T) {
	classes := append(slices.Clone(registry.Classes), registry.ClassSensor, registry.ClassLog)
	number, seen, last := map[int]bool{}, map[string]bool{}, 0
	fields := map[string]bool{}
	for _, f := range registry.Fields() {
		fields[f.Name] = true
	}
	for _, k := range registry.Kinds {
		if number[k.Number] || seen[k.Name] || seen[k.Go] || k.Number <= last {
			t.Errorf("kind %s (%d) stands twice or out of order", k.Name, k.Number)
		}
		number[k.Number], seen[k.Name], seen[k.Go], last = true, true, true, k.Number
		if k.Number < 1 || k.Number > 65535 {
			t.Errorf("kind %s has number %d; want 1..65535", k.Name, k.Number)
		}
		if !slices.Contains(classes, k.Class) || !slices.Contains([]string{"process", "network", "file", "other"}, k.Group) || !slices.Contains([]string{"critical", "network", "bulk"}, k.Lane) {
			t.Errorf("kind %s has class %q, group %q, lane %q", k.Name, k.Class, k.Group, k.Lane)
		}
		if k.Hook == "" || k.Hunt == "" || k.En == "" || k.Ja == "" || k.Since < 1 || k.Since > registry.Version {
			t.Errorf("kind %s lacks hook, hunt table, help text or version: %+v", k.Name, k)
		}
		for _, f := range k.Always {
			if !fields[f] {
				t.Errorf("kind %s always has %s, which is no field", k.Name, f)
			}
		}
	}
}

func TestSigmaFieldsPointToRealFields(t *testing.T) {
	fields, categories := map[string]bool{}, map[string]bool{"": true}
	for _, f := range registry.Fields() {
		fields[f.Name] = true
	}
	for _, k := range registry.Kinds {
		categories[k.Sigma] = true
	}
	seen := map[[2]string]bool{}
	for _, s := range registry.Sigma {
		if !fields[s.Field] {
			t.Errorf("Sigma %s/%s maps to %s, which is no field", s.Category, s.Name, s.Field)
		}
		if !categories[s.Category] {
			t.Errorf("Sigma %s/%s: no kind has that category", s.Category, s.Name)
		}
		if seen[[2]string{s.Category, s.Name}] {
			t.Errorf("Sigma %s/%s stands twice", s.Category, s.Name)
		}
		seen[[2]string{s.Category, s.Name}] = true
	}
}

// japan.md J19: a word has one Japanese form, and a host is never a 端末.
func TestJapaneseWordsOfTheRegistry(t *testing.T) {
	check := func(where, ja string) {
		for _, bad := range []string{"エンドポイント", "アラート", "マシン", "イメージ"} {
			if strings.Contains(ja, bad) {
				t.Errorf("%s says %q, which docs/glossary.md does not", where, bad)
			}
		}
		if strings.Contains(strings.ReplaceAll(ja, "端末装置", ""), "端末") {
			t.Errorf("%s says 端末; a host is ホスト", where)
		}
		if strings.Contains(strings.ReplaceAll(ja, "ネットワーク隔離", ""), "隔離") {
			t.Errorf("%s says 隔離 alone", where)
		}
	}
	for _, f := range registry.Fields() {
		check(f.Name, f.Ja)
	}
	for _, k := range registry.Kinds {
		check(k.Name, k.Ja)
	}
	for _, r := range registry.Roles {
		check(r.Name, r.Ja)
	}
}

func TestRolesAreWhole(t *testing.T) {
	role, path := map[string]bool{}, map[[2]string]string{}
	for _, r := range registry.Roles {
		if role[r.Name] || r.En == "" || r.Ja == "" {
			t.Errorf("role %s stands twice or lacks a text", r.Name)
		}
		role[r.Name] = true
	}
	for _, p := range registry.Programs {
		key := [2]string{p.Path, strconv.FormatBool(p.Script)}
		if other := path[key]; other != "" {
			t.Errorf("%s has the role %s and %s", p.Path, other, p.Role)
		}
		path[key] = p.Role
		if !role[p.Role] || !strings.HasPrefix(p.Path, "/") || p.Scope != registry.Self && p.Scope != registry.Children && p.Scope != registry.Tree {
			t.Errorf("program %+v: unknown role, path that is not absolute, or unknown scope", p)
		}
	}
}
