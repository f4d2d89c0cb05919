package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

const head = `
title: t
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux, category: process_creation}
level: low
detection:
`

func build(t testing.TB, docs ...string) *sigma.Ruleset {
	t.Helper()
	b := sigma.NewBuilder()
	for i, d := range docs {
		b.Add(fmt.Sprintf("r%d.yml", i), []byte(d))
	}
	return b.Build()
}

func one(t testing.TB, detection string) *sigma.Ruleset {
	t.Helper()
	set := build(t, head+detection)
	for _, r := range set.Rejected() {
		t.Fatalf("rejected: %s", r)
	}
	return set
}

var processCreation = []sigma.LogSource{{Product: "linux", Category: "process_creation"}}

func record(kv ...string) sigma.Record {
	m := map[string]sigma.Value{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = sigma.TextValue(kv[i+1])
	}
	return sigma.NewFields(processCreation, m)
}

func fires(set *sigma.Ruleset, r sigma.Record) bool { return len(set.Scratch().Judge(r, nil)) > 0 }

func TestValues(t *testing.T) {
	tests := []struct {
		field, value, have string
		want               bool
	}{
		// case and escapes
		{"f", `'ABC'`, "abc", true},
		{"f", `'ΑΒΓ'`, "αβγ", true},
		{"f|cased", `'ABC'`, "abc", false},
		{"f|cased|contains", `'BC'`, "aBCd", true},
		{"f", `'C:\Windows'`, `c:\windows`, true},
		{"f", `'a\*b'`, "a*b", true},
		{"f", `'a\*b'`, "axb", false},
		{"f", `'a\\*b'`, `a\xyzb`, true},
		{"f", `'a\\\*b'`, `a\*b`, true},
		{"f", `'a\\\*b'`, `a\xb`, false},
		{"f", `'a\\\\b'`, `a\\b`, true},
		{"f", `'end\'`, `end\`, true},
		{"f", `'a?c'`, "abc", true},
		{"f", `'a?c'`, "a日c", true},
		{"f", `'a?c'`, "ac", false},
		{"f", `'a*c'`, "a\n\nc", true},
		{"f", `'*'`, "", true},
		{"f", `''`, "", true},
		{"f", `''`, "x", false},
		// numbers
		{"f", `4624`, "4624", true},
		{"f", `4624`, "4624.0", true},
		{"f", `4624`, "46240", false},
		{"f", `'4624'`, "4624", true},
		{"f|gt", `10`, "11", true},
		{"f|gt", `10`, "10", false},
		{"f|gte", `10`, "10", true},
		{"f|lt", `10`, "nan", false},
		{"f|lte", `1.5`, "1.5", true},
		{"f|neq", `5`, "6", true},
		{"f|neq", `5`, "5", false},
		{"f|neq", `[5, 6]`, "6", false},
		{"f|neq", `[5, 6]`, "7", true},
		{"f|contains|neq", `bad`, "a bad thing", false},
		// parts
		{"f|contains", `'a*b'`, "xxaYYbzz", true},
		{"f|endswith", `'1????'`, "0x10210", true},
		{"f|startswith", `'ab'`, "ABc", true},
		{"f|startswith", `'ab'`, "cab", false},
		{"f|contains|all", `[a, b]`, "b a", true},
		{"f|contains|all", `[a, b]`, "a c", false},
		{"f|contains", `'*x'`, "ax", true},
		{"f|contains", `'*x'`, "axb", true},
		// regex
		{"f|re", `'^ab?c$'`, "ac", true},
		{"f|re", `'ABC'`, "abc", false},
		{"f|re|i", `'ABC'`, "xabcx", true},
		{"f|re|m", `'^b$'`, "a\nb\nc", true},
		{"f|re|s", `'a.b'`, "a\nb", true},
		{"f|re", `'a.b'`, "a\nb", false},
		// windash
		{"f|windash|contains", `' /acc'`, "x -acc y", true},
		{"f|windash|contains", `' -acc'`, "x /acc y", true},
		{"f|windash|contains", `' -acc'`, "x \u2013acc y", true},
		{"f|windash|contains", `' -acc'`, "x \u2015acc y", true},
		{"f|contains|windash", `'-param-name'`, "/param-name", true},
		{"f|contains|windash", `'-param-name'`, "/param/name", false},
		{"f|windash|contains|all", `[' -a', ' -b']`, "x /b -a", true},
		{"f|windash|contains|all", `[' -a', ' -b']`, "x /b", false},
		// encodings
		{"f|base64", `'foo'`, "Zm9v", true},
		{"f|base64|contains", `'foo'`, "xxZm9vxx", true},
		{"f|base64offset|contains", `'/bin/bash'`, "L2Jpbi9iYXNo", true},
		{"f|base64offset|contains", `'/bin/bash'`, "ID9iaW4gL2Jpbi9iYXNoIC1p", true},
		{"f|wide|base64offset|contains", `'ping'`, "xAAcABpAG4AZwB", true},
		{"f|utf16be|base64", `'a'`, "AGE=", true},
		{"f|utf16|base64", `'a'`, "//5hAA==", true},
		// addresses
		{"f|cidr", `10.0.0.0/8`, "10.1.2.3", true},
		{"f|cidr", `10.0.0.0/8`, "::ffff:10.1.2.3", true},
		{"f|cidr", `10.0.0.0/8`, "11.1.2.3", false},
		{"f|cidr", `'fe80::/10'`, "fe80::1", true},
		{"f|cidr", `10.0.0.0/8`, "not an address", false},
		// presence
		{"f|exists", `true`, "", true},
		{"f|exists", `false`, "x", false},
		{"f", `null`, "x", false},
		{"f", `[null, x]`, "x", true},
		// dates
		{"f|hour", `7`, "2025-11-27T07:40:10.165324Z", true},
		{"f|minute", `40`, "2025-11-27 07:40:10", true},
		{"f|day", `27`, "2025-11-27", true},
		{"f|month", `[1, 11]`, "2025-11-27", true},
		{"f|year", `2025`, "2025-11-27", true},
		{"f|week", `48`, "2025-11-27", true},
		{"f|hour|gte", `22`, "2025-11-27T07:40:10Z", false},
		{"f|hour", `7`, "yesterday", false},
	}
	for _, tt := range tests {
		set := one(t, "  s: {"+"'"+tt.field+"': "+tt.value+"}\n  condition: s\n")
		if got := fires(set, record("f", tt.have)); got != tt.want {
			t.Errorf("%s: %s on %q fires: %v; want %v", tt.field, tt.value, tt.have, got, tt.want)
		}
	}
}

func TestAbsentFields(t *testing.T) {
	tests := []struct {
		det  string
		want bool
	}{
		{"  s: {f: null}\n  condition: s\n", true},
		{"  s: {f: ''}\n  condition: s\n", false},
		{"  s: {f: '*'}\n  condition: s\n", false},
		{"  s: {'f|exists': false}\n  condition: s\n", true},
		{"  s: {'f|neq': 5}\n  condition: s\n", false},
		{"  s: {g: x}\n  filter_a: {f: y}\n  condition: s and not 1 of filter_*\n", true},
		{"  s: {g: x}\n  filter_a: {f: y}\n  condition: s and not all of filter_*\n", true},
	}
	for _, tt := range tests {
		if got := fires(one(t, tt.det), record("g", "x")); got != tt.want {
			t.Errorf("%q fires on absent f: %v; want %v", tt.det, got, tt.want)
		}
	}
}

func TestConditions(t *testing.T) {
	det := "  a: {f: a}\n  b1: {f: [b, ab]}\n  b2_x: {g: b}\n  _h: {f: a}\n  condition: "
	rec := record("f", "a", "g", "b")
	tests := map[string]bool{
		"a": true, "b1": false, "not b1": true, "a and b1": false, "a or b1": true, "not a or a": true, "not (a or b1)": false,
		"b1 or a and b2_x": true, "(b1 or a) and not b2_x": false, "1 of b*": true, "any of b*": true, "all of b*": false, "1 of them": true,
		"all of them": false, "1 of *_x": true, "1 of b*_x": true, "all of _*": true, "not not a": true, "1 of b* and not b1": true,
		"[a and b1, b2_x]": true,
	}
	for cond, want := range tests {
		if got := fires(one(t, det+cond+"\n"), rec); got != want {
			t.Errorf("condition %q fires: %v; want %v", cond, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct{ doc, class, says string }{
		{head + "  a: {f: x}\n  condition: 2 of a*\n", sigma.BadCondition, "only 1, any and all"},
		{head + "  a: {f: x}\n  condition: a | count() > 5\n", sigma.Obsolete, "correlation"},
		{head + "  a: {f: x}\n  timeframe: 5m\n  condition: a\n", sigma.Obsolete, "timeframe"},
		{head + "  a: {f: x}\n  condition: a near b\n", sigma.BadCondition, "near"},
		{head + "  a: {f: x}\n  condition: a AND a\n", sigma.BadCondition, "where and, or"},
		{head + "  a: {f: x}\n  condition: c\n", sigma.BadCondition, "not defined"},
		{head + "  a: {f: x}\n  condition: 1 of c*\n", sigma.BadCondition, "no identifier matches"},
		{head + "  a: {f: x}\n  condition: (a\n", sigma.BadCondition, "not closed"},
		{head + "  a: {f: x}\n  condition: ''\n", sigma.BadCondition, "empty"},
		{head + "  a: {f: x}\n", sigma.BadCondition, "no condition"},
		{head + "  a: {'f|nosuch': x}\n  condition: a\n", sigma.BadModifier, `"nosuch"`},
		{head + "  a: {'f|expand': '%x%'}\n  condition: a\n", sigma.NeedsPipeline, "pipeline"},
		{head + "  a: {'f|contains|re': x}\n  condition: a\n", sigma.BadModifier, "re after"},
		{head + "  a: {'f|i': x}\n  condition: a\n", sigma.BadModifier, "behind re"},
		{head + "  a: {'f|re': 'a(?=b)'}\n  condition: a\n", sigma.BadRegex, "RE2"},
		{head + "  a: {'f|re': '" + strings.Repeat("a", 3000) + "'}\n  condition: a\n", sigma.BadRegex, "3000"},
		{head + "  a: {'f|re': '((a{1000}){1000}){1000}'}\n  condition: a\n", sigma.BadRegex, "RE2"},
		{head + "  a: {'f|cidr': 10.0.0.1/8}\n  condition: a\n", sigma.BadValue, "10.0.0.0/8"},
		{head + "  a: {'f|gt': x}\n  condition: a\n", sigma.BadValue, "not a number"},
		{head + "  a: {'f|windash': '" + strings.Repeat(" -a", 12) + "'}\n  condition: a\n", sigma.TooBig, "windash"},
		{head + "  a: {f: x, f: y}\n  condition: a\n", sigma.BadDocument, "twice"},
		{"title: [unclosed", sigma.NotYAML, "YAML"},
		{"just text", sigma.BadDocument, "no map"},
		{"", sigma.BadDocument, "no document"},
		{"title: x\ncorrelation: {type: event_count}\n", sigma.CorrelationClass, "correlation"},
		{"action: global\ntitle: x\n", sigma.Obsolete, "action"},
		{strings.Replace(head, "level: low", "level: awful", 1) + "  a: {f: x}\n  condition: a\n", sigma.BadDocument, "awful"},
		{strings.Replace(head, "level: low", "license: DRL-1.1", 1) + "  a: {f: x}\n  condition: a\n", sigma.NoAuthor, "author"},
		{"a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]\n", sigma.TooBig, "more than"},
		{strings.Repeat("{a: ", 100) + "x" + strings.Repeat("}", 100), sigma.TooBig, "deeper"},
		{"title: x\nid: y\nlogsource: {}\ndetection: {a: {f: x}, condition: a}\n", sigma.BadDocument, "logsource"},
	}
	for _, tt := range tests {
		set := build(t, tt.doc)
		if len(set.Rules()) != 0 || len(set.Rejected()) != 1 {
			t.Errorf("%.120q: %d rules, rejected %v; want one refusal", tt.doc, len(set.Rules()), set.Rejected())
			continue
		}
		r := set.Rejected()[0]
		if r.Class != tt.class || !strings.Contains(r.Reason, tt.says) || r.Line < 1 || r.File == "" {
			t.Errorf("%.120q: %s; want class %q and %q", tt.doc, r, tt.class, tt.says)
		}
	}
}

// A second rule of the same id is refused by name of the first file; the first one stays.
func TestSecondRuleOfOneIDIsRefused(t *testing.T) {
	doc := head + "  a: {f: x}\n  condition: a\n"
	set := build(t, doc, doc)
	if len(set.Rules()) != 1 || len(set.Rejected()) != 1 || !strings.Contains(set.Rejected()[0].Reason, "r0.yml") {
		t.Errorf("rules %d, rejected %v", len(set.Rules()), set.Rejected())
	}
}

func TestListsKeywordsAndReferences(t *testing.T) {
	tests := []struct {
		det  string
		rec  sigma.Record
		want bool
	}{
		{"  a: [{f: x}, {g: y}]\n  condition: a\n", record("g", "y"), true},
		{"  a: {f: x, g: y}\n  condition: a\n", record("g", "y"), false},
		{"  a: ['needle', 'pin']\n  condition: a\n", record("h", "hay NEEDLE hay"), true},
		{"  a: ['needle']\n  condition: a\n", record("h", "hay"), false},
		{"  a: {'|all': ['x', 'y']}\n  condition: a\n", record("h", "ax", "i", "by"), true},
		{"  a: {'|all': ['x', 'y']}\n  condition: a\n", record("h", "ax"), false},
		{"  a: ['a*c']\n  condition: a\n", record("h", "zzabczz"), true},
		{"  a: {'|re': 'a[0-9]c'}\n  condition: a\n", record("h", "zza1czz"), true},
		{"  a: {'f|fieldref': g}\n  condition: a\n", record("f", "X", "g", "x"), true},
		{"  a: {'f|fieldref': g}\n  condition: a\n", record("f", "X"), false},
		{"  a: {'f|fieldref|startswith': g}\n  condition: a\n", record("f", "xyz", "g", "xy"), true},
		{"  a: {'f|fieldref|endswith': g}\n  condition: a\n", record("f", "xyz", "g", "xy"), false},
		{"  a: {'f|fieldref|neq': g}\n  condition: a\n", record("f", "xyz", "g", "xy"), true},
		{"  a: {'Threat Name': x}\n  condition: a\n", record("ThreatName", "x"), true},
		{"  a: {ThreatName: x}\n  condition: a\n", record("Threat Name", "x"), true},
		{"  a: {f: [a, b, c, d, e, F]}\n  condition: a\n", record("f", "f"), true},
		{"  a: {f: '%TEMP%'}\n  condition: a\n", record("f", "%temp%"), true},
	}
	for _, tt := range tests {
		if got := fires(one(t, tt.det), tt.rec); got != tt.want {
			t.Errorf("%q fires: %v; want %v", tt.det, got, tt.want)
		}
	}
}

// A list field matches when one of its elements does.
func TestListFieldMatchesByElement(t *testing.T) {
	set := one(t, "  a: {Ancestors: '/usr/bin/dpkg'}\n  condition: a\n")
	rec := sigma.NewFields(processCreation, map[string]sigma.Value{"Ancestors": {Kind: sigma.List, List: []string{"/usr/bin/dash", "/usr/bin/dpkg"}}})
	if !fires(set, rec) {
		t.Error("does not fire on the second element")
	}
	rec = sigma.NewFields(processCreation, map[string]sigma.Value{"Ancestors": {Kind: sigma.List, List: []string{"/usr/bin/dpkg-x"}}})
	if fires(set, rec) {
		t.Error("fires on another element")
	}
}

// A filter narrows the rules it names, as written, in its own log source, and changes their version.
func TestFilters(t *testing.T) {
	rule := head + "  selection: {f: x}\n  condition: selection\n"
	filter := "title: no root\nlogsource: {product: linux}\nfilter:\n  rules: [00000000-0000-4000-8000-000000000001]\n  selection: {User: root}\n  condition: not selection\n"
	plain, narrowed := build(t, rule), build(t, filter, rule)
	if r := narrowed.Rejected(); len(r) > 0 {
		t.Fatal(r)
	}
	if !fires(narrowed, record("f", "x", "User", "alice")) || fires(narrowed, record("f", "x", "User", "root")) {
		t.Error("the filter does not keep root out, and root alone")
	}
	if plain.Rules()[0].Version == narrowed.Rules()[0].Version {
		t.Error("version does not tell a filtered rule from a plain one")
	}
	other := build(t, rule, strings.Replace(filter, "product: linux", "product: windows", 1))
	if len(other.Rejected()) != 1 || other.Rejected()[0].Class != sigma.FilterWithoutRule || !fires(other, record("f", "x", "User", "root")) {
		t.Errorf("a filter of another log source applied, or was silent: %v", other.Rejected())
	}
}

// A detection says which fields it looked at.
func TestMatchesAreExplained(t *testing.T) {
	set := one(t, "  image: {f|endswith: /sh}\n  args: {g|contains|all: [x, y]}\n  no: {h: z}\n  condition: image and args and not no\n")
	hits := set.Scratch().Judge(record("f", "/bin/SH", "g", "x y", "h", "q"), nil)
	if len(hits) != 1 {
		t.Fatalf("%d hits", len(hits))
	}
	got := fmt.Sprint(hits[0].Matched)
	if !strings.Contains(got, "/bin/SH") || !strings.Contains(got, "args") || strings.Contains(got, "no}") {
		t.Errorf("matched %s", got)
	}
}

// The verdicts do not depend on the order in which rules were loaded.
func TestOrderOfRulesDoesNotMatter(t *testing.T) {
	var docs []string
	for i := range 8 {
		docs = append(docs, strings.Replace(head, "000000000001", fmt.Sprintf("%012d", i), 1)+fmt.Sprintf("  a: {'f|contains': '%c'}\n  condition: a\n", 'a'+i))
	}
	ids := func(docs []string) (out []string) {
		for _, h := range build(t, docs...).Scratch().Judge(record("f", "face"), nil) {
			out = append(out, h.Rule.ID)
		}
		slices.Sort(out)
		return out
	}
	forward := ids(docs)
	slices.Reverse(docs)
	if back := ids(docs); !slices.Equal(forward, back) || len(back) != 4 {
		t.Errorf("forward %v, backward %v", forward, back)
	}
}

// Hash rules wait for the hash; the event that brings it is for them alone.
func TestHashRulesWaitForTheHash(t *testing.T) {
	hash := one(t, "  a: {Hashes|contains: 'SHA256=AB'}\n  condition: a\n")
	path := one(t, "  a: {Image|endswith: /x}\n  condition: a\n")
	e := &event.Event{Kind: event.ProcessExec, OS: event.Linux, HashState: event.HashPending, Actor: event.Process{Path: "/tmp/x"}}
	judge := func(set *sigma.Ruleset) bool {
		var rec sigma.EventRecord
		rec.Set(e)
		return len(set.Scratch().Judge(&rec, sigma.SkipFor(e))) > 0
	}
	if judge(hash) || !judge(path) {
		t.Error("exec with pending hash: want the path rule alone")
	}
	e.Kind, e.HashState = event.ProcessImageHashed, event.HashKnown
	e.Actor.SHA256[0] = 0xab
	if !judge(hash) || judge(path) {
		t.Error("image_hashed: want the hash rule alone")
	}
}

// The one who opened a connection is its source.
func TestAcceptedConnectionHasTheOtherSideAsSource(t *testing.T) {
	set := build(t, strings.Replace(head, "process_creation", "network_connection", 1)+"  a: {SourceIp|cidr: 203.0.113.0/24, DestinationPort: 22, Initiated: 'false'}\n  condition: a\n")
	e := event.Event{OS: event.Linux, RemotePort: 5555, LocalPort: 22}
	e.RemoteAddr, e.LocalAddr = addr("203.0.113.9"), addr("10.0.0.1")
	for kind, want := range map[event.Kind]bool{event.NetAccept: true, event.NetConnect: false} {
		e.Kind = kind
		var rec sigma.EventRecord
		rec.Set(&e)
		if got := len(set.Scratch().Judge(&rec, nil)) > 0; got != want {
			t.Errorf("%s fires: %v; want %v", kind, got, want)
		}
	}
}

// A rule that reads what no sensor provides says so.
func TestBlindRules(t *testing.T) {
	set := build(t, head+"  a: {Image: x, NoSuchThing: y}\n  condition: a\n",
		strings.Replace(strings.Replace(head, "category: process_creation", "service: auditd", 1), "0001\n", "0002\n", 1)+"  a: {type: EXECVE}\n  condition: a\n")
	if got := sigma.Blind(set.Rules()[0], event.Linux); !slices.Equal(got, []string{"NoSuchThing"}) {
		t.Errorf("blind fields %v", got)
	}
	if got := sigma.Blind(set.Rules()[1], event.Linux); len(got) != 1 || !strings.Contains(got[0], "auditd") {
		t.Errorf("blind %v", got)
	}
}
