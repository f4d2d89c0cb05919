package sigma_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/sigma"
)

func item(t *testing.T, key, value string, v sigma.Value) bool {
	t.Helper()
	return fires(one(t, "  a: {'"+key+"': "+value+"}\n  condition: a\n"), sigma.NewFields(processCreation, map[string]sigma.Value{"f": v}))
}

// Numbers are compared as they are written, not as the nearest float64.
func TestNumbersAreExact(t *testing.T) {
	i := func(n int64) sigma.Value { return sigma.Value{Kind: sigma.Int, Int: n} }
	s := sigma.TextValue
	tests := []struct {
		key, value string
		have       sigma.Value
		want       bool
	}{
		{"f", "9007199254740993", i(9007199254740992), false},
		{"f", "9007199254740993", i(9007199254740993), true},
		{"f", "9007199254740993", s("9007199254740992"), false},
		{"f|gt", "9007199254740992", i(9007199254740993), true},
		{"f|gt", "9007199254740993", i(9007199254740993), false},
		{"f|lt", "9007199254740993", s("9007199254740992"), true},
		{"f|gte", "-9007199254740993", i(-9007199254740993), true},
		{"f|lt", "-9007199254740992", i(-9007199254740993), true},
		{"f", "9223372036854775807", i(9223372036854775807), true},
		{"f", "9223372036854775807", i(9223372036854775806), false},
		{"f", "-9223372036854775808", i(-9223372036854775808), true},
		{"f", "18446744073709551615", s("18446744073709551615"), true}, // an unsigned value of an event
		{"f", "18446744073709551615", s("18446744073709551614"), false},
		{"f|lt", "18446744073709551615", i(9223372036854775807), true},
		{"f", "18446744073709551616", s("18446744073709551617"), false},
		{"f|neq", "9007199254740993", i(9007199254740992), true},
		{"f|neq", "9007199254740993", i(9007199254740993), false},
		{"f", "0x7fffffffffffffff", i(9223372036854775807), true},
		{"f|gt", "0x10", i(17), true},
		{"f", "1_000", i(1000), true},
		{"f|lte", "0.1", s("0.10"), true},
		{"f|lt", "0.1", s("0.09999999999999999999999"), true},
		{"f", "1e3", i(1000), true},
		{"f", "1000", s("1e3"), true},
		{"f|lt", "1.5", i(1), true},
		{"f|gt", "1.5", i(1), false},
		{"f|gt", "-1.5", i(-1), true},
		{"f", "0", s("-0"), true},
		{"f", "10", s("010"), true},
		{"f", "100", s("10"), false},
		{"f|gt", "9", i(10), true},
		{"f|gt", "-9", i(-10), false},
		{"f|lt", "10", s("inf"), false},
		{"f|gt", "10", s("0x1f"), false},
		{"f|gt", "10", s("12_3"), false},
		{"f|gt", "1", s(strings.Repeat("9", 64)), true},
		{"f", "1", s("1" + strings.Repeat("0", 70)), false},
		{"f", ".nan", s(".NaN"), true}, // a word
		{"f", "5", sigma.Value{Kind: sigma.Null}, false},
	}
	for _, tt := range tests {
		if got := item(t, tt.key, tt.value, tt.have); got != tt.want {
			t.Errorf("%s: %s on %+v: %v; want %v", tt.key, tt.value, tt.have, got, tt.want)
		}
	}
}

// exists asks for presence alone; a field can be there with null.
func TestExistsAsksForPresenceAlone(t *testing.T) {
	null := sigma.Value{Kind: sigma.Null}
	tests := []struct {
		key, value string
		have       sigma.Value
		want       bool
	}{
		{"f|exists", "true", null, true},
		{"f|exists", "false", null, false},
		{"f|exists", "true", sigma.TextValue(""), true},
		{"f|exists", "true", sigma.Value{}, false},
		{"f|exists", "false", sigma.Value{}, true},
		{"f|exists", "yes", null, true},
		{"f", "null", null, true},
		{"f", "''", null, false},
		{"f", "'*'", null, false},
	}
	for _, tt := range tests {
		if got := item(t, tt.key, tt.value, tt.have); got != tt.want {
			t.Errorf("%s: %s on %+v: %v; want %v", tt.key, tt.value, tt.have, got, tt.want)
		}
	}
}

// A v4 address is the same in v6 clothes, in the rule and in the event.
func TestNetworksInV6Clothes(t *testing.T) {
	tests := []struct {
		net, ip string
		want    bool
	}{
		{"'::ffff:0:0/96'", "::ffff:1.2.3.4", true},
		{"'::ffff:0:0/96'", "1.2.3.4", true},
		{"'::ffff:10.0.0.0/104'", "10.9.8.7", true},
		{"'::ffff:10.0.0.0/104'", "::ffff:11.0.0.1", false},
		{"'::ffff:10.0.0.1'", "10.0.0.1", true},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"'::/0'", "::ffff:1.2.3.4", true},
		{"'::/0'", "2001:db8::1", true},
		{"'::/64'", "::ffff:1.2.3.4", true},
		{"'fe80::/10'", "fe80::1%eth0", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"'::/0'", "1.2.3.4", false},
	}
	for _, tt := range tests {
		if got := item(t, "f|cidr", tt.net, sigma.TextValue(tt.ip)); got != tt.want {
			t.Errorf("cidr %s on text %s: %v; want %v", tt.net, tt.ip, got, tt.want)
		}
		if got := item(t, "f|cidr", tt.net, sigma.Value{Kind: sigma.Addr, Addr: netip.MustParseAddr(tt.ip)}); got != tt.want {
			t.Errorf("cidr %s on address %s: %v; want %v", tt.net, tt.ip, got, tt.want)
		}
	}
}

// Case is Unicode's: letters with several lower-case forms, and İ, whose lower case is two characters.
func TestCaseIsUnicodes(t *testing.T) {
	tests := []struct {
		key, value, have string
		want             bool
	}{
		{"f", "'ΣΑΣ'", "σας", true},
		{"f", "'σας'", "ΣΑΣ", true},
		{"f", "'σας'", "σασ", true},
		{"f|endswith", "'ας'", "xΑΣ", true},
		{"f|contains", "'Σ'", "xςx", true},
		{"f|cased", "'σας'", "σασ", false},
		{"f", "'İ'", "i\u0307", true},
		{"f", "'i\u0307'", "İ", true},
		{"f", "'İ'", "İ", true},
		{"f|startswith", "'İstanbul'", "i\u0307STANBUL x", true},
		{"f|endswith", "'/İ'", "/tmp/i\u0307", true},
		{"f|contains|all", "['İ', z]", "xi\u0307z", true},
		{"f", "'İ*x?'", "i\u0307abcxİ", true},
		{"f", "'a?c'", "aİc", true}, // one character, though its folded form is two
		{"f", "'a?c'", "ai\u0307c", true},
		{"f", "'a??c'", "ai\u0307c", true},
		{"f", "'a??c'", "aİc", true},
		{"f", "'a???c'", "aİc", false},
		{"f", "'?'", "İ", true},
		{"f|startswith", "'?x'", "İxy", true},
		{"f|endswith", "'x?'", "yxİ", true},
		{"f|contains", "'x?y*z?'", "__xİy__zİ__", true},
		{"f|contains", "'x?y'", "__xİİy", false},
		{"f", "'i'", "İ", false},
		{"f", "'ı'", "I", false},
		{"f", "'K'", "\u212a", true}, // Kelvin
		{"f", "'s'", "\u017f", true},
		{"f|re|i", "'secret_?key'", "\u017fECRET\u212aey", true},
		{"f", "'ß'", "ẞ", true},
		{"f", "'ß'", "ss", false},
		{"f", "'Ångström'", "ÅNGSTRÖM", true},
		{"f", "'ДА'", "да", true},
		{"f", "'ꭰ'", "Ꭰ", true},
		{"f", "'𐐀'", "𐐨", true},
	}
	for _, tt := range tests {
		if got := item(t, tt.key, tt.value, sigma.TextValue(tt.have)); got != tt.want {
			t.Errorf("%s: %s on %q: %v; want %v", tt.key, tt.value, tt.have, got, tt.want)
		}
	}
}

// RE2 counts to a thousand; rules may count further.
func TestLongRepeats(t *testing.T) {
	r := strings.Repeat
	tests := []struct {
		expr, have string
		want       bool
	}{
		{"a{1001}", r("a", 1001), true},
		{"a{1001}", r("a", 1000), false},
		{"^(ab){1500}$", r("ab", 1500), true},
		{"^(ab){1500}$", r("ab", 1499), false},
		{"^[a-f{}0-9]{1024,}$", r("0", 5000), true},
		{"^[a-f0-9]{1024,}$", r("0", 1023), false},
		{"^x{3,1200}$", r("x", 1200), true},
		{"^x{3,1200}$", r("x", 1201), false},
		{"^x{3,1200}$", "xx", false},
		{`^\d{1001}z$`, r("7", 1001) + "z", true},
		{`^\x41{1001}$`, r("A", 1001), true},
		{`^\p{Greek}{2001}?$`, r("σ", 2001), true},
		{"^日{1001}$", r("日", 1001), true},
		{"^(?:a|(b)){1001}$", r("ab", 500) + "a", true},
		{"^ab{1001}$|^c", "a" + r("b", 1001), true},
	}
	for _, tt := range tests {
		if got := item(t, "f|re", "'"+tt.expr+"'", sigma.TextValue(tt.have)); got != tt.want {
			t.Errorf("re %s on %d characters: %v; want %v", tt.expr, len(tt.have), got, tt.want)
		}
	}
}

// A rule that cannot be judged says which of its words, and what to write instead.
func TestRefusalsSayWhatToDo(t *testing.T) {
	tests := []struct{ doc, class, says string }{
		{head + "  a: {'f|re': '(a{1000}){1000}'}\n  condition: a\n", sigma.BadRegex, "repeats more than RE2"},
		{head + "  a: {'f|re': 'a{20000}'}\n  condition: a\n", sigma.BadRegex, "repeats more than RE2"},
		{head + "  a: {'f|re': 'a(?!b)'}\n  condition: a\n", sigma.BadRegex, "look-around"},
		{head + "  a: {'f|re': '(a)\\1'}\n  condition: a\n", sigma.BadRegex, "back-reference"},
		{head + "  a: {'f|re': 'a++'}\n  condition: a\n", sigma.BadRegex, "possessive"},
		{head + "  a: {'f|re': '(a'}\n  condition: a\n", sigma.BadRegex, "missing closing"},
		{head + "  a: {'f|fieldref': 'g*'}\n  condition: a\n", sigma.BadValue, "without wildcards"},
		{head + "  a: {'f|fieldref|endswith': '?g'}\n  condition: a\n", sigma.BadValue, "without wildcards"},
		{head + "  a: {'f|fieldref': ' '}\n  condition: a\n", sigma.BadValue, "without a field"},
		{head + "  a: {'f|not': x}\n  condition: a\n", sigma.BadModifier, "in the condition"},
		{head + "  a: {'f|regex': x}\n  condition: a\n", sigma.BadModifier, "write re"},
		{strings.Replace(head, "level:", "taxonomy: ecs\nlevel:", 1) + "  a: {f: x}\n  condition: a\n", sigma.OtherTaxonomy, "taxonomy ecs"},
		{strings.Replace(head, "level:", "taxonomy: [a]\nlevel:", 1) + "  a: {f: x}\n  condition: a\n", sigma.OtherTaxonomy, "taxonomy"},
		{"title: x\ntaxonomy: ecs\nlogsource: {product: linux}\nfilter: {rules: [y], a: {f: x}, condition: not a}\n", sigma.OtherTaxonomy, "taxonomy ecs"},
		{strings.Replace(head, "id: 00000000-0000-4000-8000-000000000001", "id: [a]", 1) + "  a: {f: x}\n  condition: a\n", sigma.BadDocument, "id is no text"},
	}
	for _, tt := range tests {
		set := build(t, tt.doc)
		if len(set.Rules()) != 0 || len(set.Rejected()) != 1 {
			t.Errorf("%.160q: %d rules, rejected %v; want one refusal", tt.doc, len(set.Rules()), set.Rejected())
			continue
		}
		if r := set.Rejected()[0]; r.Class != tt.class || !strings.Contains(r.Reason, tt.says) {
			t.Errorf("%.160q: %s; want class %q and %q", tt.doc, r, tt.class, tt.says)
		}
	}
}

// A rule without an id gets one made of what it says; a comment or another line end does not change it.
func TestARuleWithoutIDIsNamedByItsContent(t *testing.T) {
	plain := strings.Replace(head, "id: 00000000-0000-4000-8000-000000000001\n", "", 1) + "  a: {f: x}\n  condition: a\n"
	id := func(doc string) string {
		t.Helper()
		set := build(t, doc)
		if len(set.Rules()) != 1 {
			t.Fatalf("%q: %d rules, rejected %v", doc, len(set.Rules()), set.Rejected())
		}
		return set.Rules()[0].ID
	}
	first := id(plain)
	if len(first) != 36 || first[14] != '8' {
		t.Errorf("id %q; want a UUID of version 8", first)
	}
	for _, same := range []string{plain, "# a comment\n" + plain, strings.ReplaceAll(plain, "\n", "\r\n"), plain + "---\ntitle: not a rule\ncorrelation: {}\n"} {
		if got := id(same); got != first {
			t.Errorf("%q: id %s; want %s", same, got, first)
		}
	}
	if other := id(strings.Replace(plain, "f: x", "f: y", 1)); other == first {
		t.Error("another rule has the same id")
	}
	set := build(t, plain, plain)
	if len(set.Rules()) != 1 || len(set.Rejected()) != 1 || set.Rejected()[0].Class != sigma.Duplicate {
		t.Errorf("the same rule twice: %d rules, %v", len(set.Rules()), set.Rejected())
	}
}

// What the specification leaves open and docs/format/rule.md decides.
func TestDecisionsWhereTheSpecificationIsSilent(t *testing.T) {
	tests := []struct {
		det  string
		have sigma.Record
		want bool
	}{
		{"  a: {f: yes}\n  condition: a\n", record("f", "true"), true},
		{"  a: {f: yes}\n  condition: a\n", record("f", "yes"), true},
		{"  a: {f: Off}\n  condition: a\n", record("f", "false"), true},
		{"  a: {f: 'yes'}\n  condition: a\n", record("f", "true"), false},
		{"  a: {f|contains: no}\n  condition: a\n", record("f", "false"), false},
		{"  a: [yes]\n  condition: a\n", record("f", "true"), false},
		{"  a: {f|contains|all|neq: [a, b]}\n  condition: a\n", record("f", "xa"), true},
		{"  a: {f|contains|all|neq: [a, b]}\n  condition: a\n", record("f", "ab"), false},
		{"  a: {f|contains|neq: [a, b]}\n  condition: a\n", record("f", "xa"), false},
		{"  a: {f|neq: [a, b]}\n  condition: a\n", record("g", "a"), false},
	}
	for _, tt := range tests {
		if got := fires(one(t, tt.det), tt.have); got != tt.want {
			t.Errorf("%q: %v; want %v", tt.det, got, tt.want)
		}
	}
	set := build(t, strings.Replace(head, "level: low", "level: HIGH", 1)+"  a: {f: x}\n  condition: a\n")
	if len(set.Rules()) != 1 || set.Rules()[0].Severity.String() != "high" {
		t.Errorf("level HIGH: %v", set.Rejected())
	}
	set = build(t, strings.Replace(head, "category: process_creation", "category: process_creation, service: sysmon", 1)+"  a: {f: x}\n  condition: a\n")
	if !fires(set, record("f", "x")) {
		t.Error("a rule of service sysmon with a category does not read that category")
	}
}
