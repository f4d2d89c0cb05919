package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// A rule that can never fire on the fleet says why; one that has another way to be true can.
func TestSightSaysWhyARuleCannotFire(t *testing.T) {
	tests := []struct {
		source, det, reason, missing string
	}{
		{"product: linux, category: process_creation", "s: {Image: x}\n  condition: s", "", ""},
		{"category: process_creation", "s: {Image: x}\n  condition: s", "", ""},
		{"product: windows, category: process_creation", "s: {Image: x}\n  condition: s", sigma.NoSensor, "windows"},
		{"product: aws, service: cloudtrail", "s: {eventName: x}\n  condition: s", sigma.NoSensor, "aws"},
		{"product: linux, service: auditd", "s: {type: EXECVE}\n  condition: s", sigma.NoLogSource, "auditd"},
		{"category: webserver", "s: {cs-method: GET}\n  condition: s", sigma.NoLogSource, "webserver"},
		{"product: linux, category: process_creation", "s: {Image: x, NoSuch: y}\n  condition: s", sigma.NoField, "NoSuch"},
		{"product: linux, category: process_creation", "s: {Image: x}\n  t: {NoSuch: y}\n  condition: 1 of them", "", ""},
		{"product: linux, category: process_creation", "s: {Image: x}\n  t: {NoSuch: y}\n  condition: s and not t", "", ""},
		{"product: linux, category: process_creation", "s: {Image: x}\n  t: {NoSuch: null}\n  condition: s and t", "", ""},
		{"product: linux, category: process_creation", "s: {Image: x}\n  t: {NoSuch: null}\n  condition: s and not t", sigma.NoField, "NoSuch"},
		{"product: linux, category: process_creation", "s: {Image|fieldref: NoSuch}\n  condition: s", sigma.NoField, "NoSuch"},
		{"product: linux, category: process_creation", "s: {NoSuch|neq: x}\n  condition: s", sigma.NoField, "NoSuch"},
		{"product: linux, category: process_creation", "s: [a word]\n  condition: s", "", ""},
		{"product: linux, category: process_creation", "s: {Hashes|contains: 'IMPHASH=0123456789ABCDEF0123456789ABCDEF'}\n  condition: s", sigma.NoHash, "SHA256"},
		{"product: linux, category: process_creation", "s: {Hashes|contains: ['MD5=0123', 'SHA1=0123']}\n  condition: s", sigma.NoHash, "SHA256"},
		{"product: linux, category: process_creation", "s: {Hashes|contains: ['MD5=0123', 'SHA256=0123']}\n  condition: s", "", ""},
		{"product: linux, category: process_creation", "s: {Hashes|contains|all: ['MD5=0123', 'SHA256=0123']}\n  condition: s", sigma.NoHash, "SHA256"},
		{"product: linux, category: process_creation", "s: {Hashes: '*MD5=0123*'}\n  condition: s", sigma.NoHash, "SHA256"},
		{"product: linux, category: process_creation", "s: {Hashes|contains: '0123456789abcdef0123456789abcdef'}\n  condition: s", sigma.NoHash, "SHA256"},
		{"product: linux, category: process_creation", "s: {Hashes|contains: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\n  condition: s", "", ""},
		{"product: linux, category: process_creation", "s: {md5: '0123456789abcdef0123456789abcdef'}\n  condition: s", sigma.NoField, "md5"},
		{"product: linux, category: process_creation", "s: {Image: x}\n  f: {Hashes|contains: 'MD5=0123'}\n  condition: s and not f", "", ""},
	}
	for _, tt := range tests {
		set := build(t, fmt.Sprintf("title: t\nlogsource: {%s}\ndetection:\n  %s\n", tt.source, tt.det))
		if len(set.Rules()) != 1 {
			t.Fatalf("%s: %v", tt.det, set.Rejected())
		}
		got := set.Sights(event.Linux)[0]
		if got.CanFire != (tt.reason == "") || got.Reason != tt.reason || !strings.Contains(strings.Join(got.Missing, " "), tt.missing) {
			t.Errorf("{%s} %q: %+v; want %q, missing %q", tt.source, tt.det, got, tt.reason, tt.missing)
		}
	}
	set := build(t, "title: t\nlogsource: {product: windows, category: process_creation}\ndetection:\n  s: {Image: x}\n  condition: s\n")
	if !set.Sights(event.Linux, event.Windows)[0].CanFire {
		t.Error("a Windows rule cannot fire on a fleet with Windows")
	}
}

// The count of rules that can fire on Linux, of all that SigmaHQ has.
func TestSigmaHQRulesThatCanFireOnLinux(t *testing.T) {
	set := loadSigmaHQ(t, dataDir(t))
	count := map[string]int{}
	for i, s := range set.Sights(event.Linux) {
		r := set.Rules()[i]
		if s.CanFire {
			count["can fire"]++
		} else {
			count[s.Reason]++
			if r.Source.Product == "linux" {
				count["linux, "+s.Reason]++
			}
		}
	}
	t.Log(count)
	if count["can fire"] != 183 || count["linux, "+sigma.NoLogSource] != 65 || count[sigma.NoLogSource] != 65+168 {
		t.Errorf("%v; want 183 that can fire, 65 of Linux and 168 of no product whose log source is not collected", count)
	}
}

const ruleA = head + "  selection: {f: x}\n  condition: selection\n"

func filterOf(rules, body string) string {
	return "title: odd\nid: f1\nlogsource: {product: linux}\nfilter:\n  rules: " + rules + "\n  " + body + "\n"
}

// A filter that hides what it does not name warns, and never narrows every rule at once.
func TestFiltersThatHideTooMuch(t *testing.T) {
	const byID = "[00000000-0000-4000-8000-000000000001]"
	tests := []struct {
		rules, body string
		class       string // of the warning; empty: none
		refused     bool
		bob, root   bool // fires for the user
	}{
		{byID, "selection: {User: root}\n  condition: not selection", "", false, true, false},
		{byID, "selection: {User: root}\n  condition: selection", sigma.WideFilter, false, false, true},
		{byID, "selection: {User: root}\n  condition: not not selection", sigma.WideFilter, false, false, true},
		{byID, "a: {User: root}\n  b: {User: x}\n  condition: a and not b", sigma.WideFilter, false, false, true},
		{byID, "a: {User: root}\n  condition: 1 of them", sigma.WideFilter, false, false, true},
		{byID, "a: {User|neq: root}\n  condition: not a", sigma.WideFilter, false, false, true},
		{byID, "a: {User: '*'}\n  condition: not a", sigma.WideFilter, false, false, false},
		{byID, "a: {User|contains: ''}\n  condition: not a", sigma.WideFilter, false, false, false},
		{byID, "a: {User|re: '.*'}\n  condition: not a", sigma.WideFilter, false, false, false},
		{byID, "a: {User|exists: true}\n  condition: not a", sigma.WideFilter, false, false, false},
		{byID, "a: {Image|startswith: '/'}\n  condition: not a", sigma.WideFilter, false, true, true},
		{byID, "a: {DestinationIp|cidr: 0.0.0.0/0}\n  condition: not a", sigma.WideFilter, false, true, true},
		{byID, "a: {User|exists: false}\n  condition: not a", "", false, true, true},
		{byID, "a: {ProcessId|gt: 1024}\n  condition: not a", "", false, true, true},
		{byID, "a: {ProcessId|gt: 0}\n  condition: not a", sigma.WideFilter, false, true, true},
		{byID, "a: {ProcessId|lt: 1000000000000}\n  condition: not a", sigma.WideFilter, false, true, true},
		{byID, "a: {NoSuchField: null}\n  condition: not a", sigma.WideFilter, false, false, false},
		{"any", "a: {ProcessId|gte: 0}\n  condition: not a", sigma.WideFilter, true, true, true},
		{"any", "a: {NoSuchField: null}\n  condition: not a", sigma.WideFilter, true, true, true},
		{"any", "a: {NoSuchField|exists: false}\n  b: {User: x}\n  condition: not 1 of them", sigma.WideFilter, true, true, true},
		{"any", "a: {NoSuchField: x}\n  condition: not a", sigma.FilterOnAll, false, true, true},
		{"any", "selection: {User: root}\n  condition: selection", sigma.WideFilter, true, true, true},
		{"[]", "selection: {User: root}\n  condition: selection", sigma.WideFilter, true, true, true},
		{"any", "selection: {User: '*'}\n  condition: not selection", sigma.WideFilter, true, true, true},
		{"any", "selection: {User: root}\n  condition: not selection", sigma.FilterOnAll, false, true, false},
		{"[]", "selection: {User: root}\n  condition: not selection", sigma.FilterOnAll, false, true, false},
	}
	for _, tt := range tests {
		set := build(t, ruleA, filterOf(tt.rules, tt.body))
		w := set.Warnings()
		if tt.class == "" && len(w) > 0 || tt.class != "" && (len(w) != 1 || w[0].Class != tt.class || w[0].Line < 1 || w[0].File == "" || w[0].ID != "f1") {
			t.Errorf("%s, %q: warnings %v; want %q", tt.rules, tt.body, w, tt.class)
		}
		if tt.refused != (len(set.Rejected()) == 1) {
			t.Errorf("%s, %q: rejected %v; want refused: %v", tt.rules, tt.body, set.Rejected(), tt.refused)
		}
		if n := len(set.Rules()[0].Filters); n != 1 && !tt.refused || n != 0 && tt.refused {
			t.Errorf("%s, %q: the rule names %d filters", tt.rules, tt.body, n)
		}
		for user, want := range map[string]bool{"bob": tt.bob, "root": tt.root} {
			if got := fires(set, record("f", "x", "User", user)); got != want {
				t.Errorf("%s, %q: fires for %s: %v; want %v", tt.rules, tt.body, user, got, want)
			}
		}
	}
}

// Rules that are kept whole are narrowed by no filter, whatever it names.
func TestNoFilterNarrowsARuleThatIsKeptWhole(t *testing.T) {
	for _, rules := range []string{"any", "[]", "00000000-0000-4000-8000-000000000001", "[00000000-0000-4000-8000-000000000001]"} {
		for _, cond := range []string{"selection", "not selection"} {
			b := sigma.NewBuilder()
			b.Add("ours/health/a.yml", []byte(ruleA))
			b.Add("ours/other/b.yml", []byte(strings.Replace(ruleA, "0001\n", "0002\n", 1)))
			b.KeepWhole(func(file string) bool { return strings.Contains(file, "/health/") })
			b.Add("theirs/health/f.yml", []byte(filterOf(rules, "selection: {User: [root, bob]}\n  condition: "+cond)))
			set := b.Build()
			if len(set.Warnings()) == 0 {
				t.Errorf("%s, %s: no warning", rules, cond)
			}
			for _, user := range []string{"root", "bob", "eve"} {
				hits := set.Scratch().Judge(record("f", "x", "User", user), nil)
				if !slices.ContainsFunc(hits, func(h sigma.Hit) bool { return h.Rule.File == "ours/health/a.yml" }) {
					t.Errorf("%s, %s: the health rule is silent for %s", rules, cond, user)
				}
			}
		}
	}
}
