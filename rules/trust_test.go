package rules_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/rules"
)

// An exception that rests on text the attacker writes alone is found; one with a part that he does not write is not.
func TestExceptionsThatTrustWhatTheAttackerWrites(t *testing.T) {
	tests := []struct {
		filter, says string
	}{
		{"{ParentImage|endswith: /usr/bin/rpm}", "part of the path"},
		{"{ParentImagePath|endswith: [/usr/bin/rpm, /usr/bin/dpkg]}", "part of the path"},
		{"{ParentImage|contains: dpkg}", "part of the path"},
		{"{ImagePath: '*/bin/x'}", "part of the path"},
		{"{CommandLine|contains: AnsiballZ_}", "actor writes"},
		{"{CommandLine: 'x'}", "actor writes"},
		{"{ParentCommandLine|re: '^/usr'}", "actor writes"},
		{"{Ancestors|contains: dpkg}", "actor writes"},
		{"{Script|endswith: /adduser}", "actor writes"},
		{"{Image|startswith: /home/}", "users make programs"},
		{"{ImagePath|startswith: ['/usr/', '/tmp/']}", "users make programs"},
		{"{ImagePath|startswith: '/'}", "users make programs"},
		{"{ImagePath|re: '^/home/[^/]+/x$'}", "users make programs"},
		{"{ImagePath|re: 'bin/x$'}", "names no folder"},
		{"{ImagePath|re: '^.*bin/x$'}", "names no folder"},
		{"{ImagePath|re: '^/(?:usr|tmp)/x$'}", "users make programs"},
		{"{ImagePath|re: '^(?:/usr|/.*)/x$'}", "users make programs"},
		{"{ImagePath|re: '^/(?:usr/s?bin|opt/[a-z]+)/x$'}", ""},
		{"{ImagePath|re: '^(?:/usr)?/s?bin/x$'}", ""},
		{"{ImagePath|re: '^/usr/bin/x$|^/opt/y/'}", ""},
		{"{ImagePath|re: '(?:^/usr/bin/x|^/usr/sbin/x)$'}", ""},
		{"{ImagePath|re: '^/usr/bin/x$|/opt/y/'}", "names no folder"},
		{"{ImagePath|re: '^/usr/bin/x$|^/home/u/'}", "users make programs"},
		{"{ParentImagePath|endswith: /x, CommandLine|contains: y}", "part of the path"},
		{"[{Lineage: package-manager}, {CommandLine|contains: y}]", "actor writes"},
		{"{Lineage: package-manager}", ""},
		{"{Lineage: package-manager, CommandLine|contains: y}", ""},
		{"{ParentImagePath: /usr/bin/dpkg}", ""},
		{"{ImagePath: [/usr/bin/a, /usr/bin/b, /usr/bin/c, /usr/bin/d, /usr/bin/e], CommandLine|contains: y}", ""},
		{"{ImagePath|startswith: ['/usr/', '/opt/']}", ""},
		{"{ImagePath|re: '^/usr/bin/python3[.0-9]*$'}", ""},
		{"{TargetFilename|startswith: /etc/}", ""},
		{"{Elevated: 'true'}", ""},
		{"{actor_container_id: null}", ""},
	}
	for _, tt := range tests {
		b := sigma.NewBuilder()
		b.Add("r.yml", []byte("title: t\nlogsource: {product: linux, category: process_creation}\ndetection:\n  s: {Image|endswith: /x}\n  filter: "+tt.filter+"\n  condition: s and not filter\n"))
		set := b.Build()
		if len(set.Rules()) != 1 {
			t.Fatalf("%s: %v", tt.filter, set.Rejected())
		}
		got := strings.Join(rules.Trusting(set.Rules()[0]), "; ")
		if (tt.says == "") != (got == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q; want %q", tt.filter, got, tt.says)
		}
	}
}

// Our own rules excuse nothing by a part of a parent's path alone (Check refuses it). What else rests on text is listed: an
// exception for another act ("--help") is text and may be, one for another actor may not.
func TestOurExceptionsAreListed(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range set.Rules() {
		for _, why := range rules.Trusting(r) {
			n++
			t.Logf("%s: %s", r.File, why)
		}
	}
	t.Logf("%d exceptions rest on nothing but text that the actor writes", n)
}

// A rule of ours with the exception that switched 37 rules off is refused.
func TestCheckRefusesAParentByAPartOfItsPath(t *testing.T) {
	fsys := fstest.MapFS{"a.yml": {Data: []byte("title: t\nlogsource: {product: linux, category: process_creation}\ndetection:\n  s: {Image: /x}\n  f: {ParentImage|endswith: /usr/bin/rpm}\n  condition: s and not f\n")}}
	problems, err := rules.Check(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(problems, func(p rules.Problem) bool { return strings.Contains(p.Reason, "name a proven role") }) {
		t.Errorf("not refused: %v", problems)
	}
}
