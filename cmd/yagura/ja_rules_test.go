package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/say"
)

// TestEveryRefusalOfARuleIsJapanese reads the refusals of package sigma out of its source: each has its sentence. They
// were English on Japanese screens, and the next one that is added would be.
func TestEveryRefusalOfARuleIsJapanese(t *testing.T) {
	files, err := filepath.Glob("../../internal/sigma/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("files of package sigma: %v, %v", files, err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if fn, ok := c.Fun.(*ast.Ident); !ok || fn.Name != "refuse" || len(c.Args) < 3 {
				return true
			}
			text, ok := c.Args[2].(*ast.BasicLit)
			if !ok {
				return true
			}
			en, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			switch en {
			case "%v", "the regular expression %s": // words of another place, in TestRefusedRulesReadAsJapanese
				return true
			}
			en = strings.TrimSuffix(en, "%q%s") + strings.Repeat("%q", strings.Count(en, "%q%s")) // the hint behind it is a part of its own
			seen++
			if _, ok := say.Rules[en]; !ok {
				if _, ok := say.Elsewhere[en]; !ok {
					t.Errorf("%s refuses a rule with %q, which has no Japanese sentence in jaRules", filepath.Base(name), en)
				}
			}
			return true
		})
	}
	if seen < 60 {
		t.Errorf("only %d refusals were found in package sigma: does this test still read them?", seen)
	}
}

// TestRefusedRulesReadAsJapanese checks a folder of rules that are wrong in every usual way: nothing that is said of them
// is English but what the rule itself writes.
func TestRefusedRulesReadAsJapanese(t *testing.T) {
	rule := func(detection, rest string) string {
		return "title: t\nlogsource: {category: process_creation, product: linux}\ndetection:\n" + detection + rest
	}
	sel := "  sel: {Image|endswith: /x}\n  condition: sel"
	files := map[string]string{
		"01.yml": "title: c\ncorrelation: {type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}}\n",
		"02.yml": rule(sel+" | count() > 5\n", ""),
		"03.yml": rule("  sel: {Image|re: '(?<=a)b'}\n  condition: sel\n", ""),
		"04.yml": rule("  sel: {Image|re: 'a('}\n  condition: sel\n", ""),
		"05.yml": rule("  sel: {Image|re: '(a)\\1'}\n  condition: sel\n", ""),
		"06.yml": rule("  sel: {Image|re: '[z-a]'}\n  condition: sel\n", ""),
		"07.yml": rule("  sel: {Image|re: '((a{500}){500})'}\n  condition: sel\n", ""),
		"08.yml": rule(sel+"\n", "level: highest\n"),
		"09.yml": rule(sel+" and (sel\n", ""),
		"10.yml": rule(sel+" and nothing\n", ""),
		"11.yml": rule("  sel: {Image|ne: x}\n  condition: sel\n", ""),
		"12.yml": rule("  sel: {Image|in: x}\n  condition: sel\n", ""),
		"13.yml": rule("  sel: {Image|foo: x}\n  condition: sel\n", ""),
		"14.yml": rule("  sel: {Image|contains|re: x}\n  condition: sel\n", ""),
		"15.yml": rule(sel+"\n", "license: DRL-1.1\n"),
		"16.yml": rule("  sel: {Image|cidr: x}\n  condition: sel\n", ""),
		"17.yml": rule("  sel: []\n  condition: sel\n", ""),
		"18.yml": "logsource: {product: linux}\n",
		"19.yml": "title: t\ndetection: {a: {Image: x}, condition: a}\n",
		"20.yml": rule(sel+"\n", "taxonomy: mine\n"),
		"21.yml": rule("  sel: {Image: x, Image: y}\n  condition: sel\n", ""),
		"22.yml": "- a\n",
		"23.yml": "title: f\nlogsource: {product: linux}\nfilter: {rules: [none], selection: {User: x}, condition: not selection}\n",
	}
	out, _, code := tell(t, "ja_JP.UTF-8", "rules", "check", "--rules", ruleFolder(t, files))
	if code != exitPartial {
		t.Fatalf("exit %d: %s", code, out)
	}
	own := regexp.MustCompile(`^\S+\.yml:\d+: |"(?:[^"\\]|\\.)*"|RE2|YAML|DRL|Detection Rule License|Sigma|（linux）|taxonomy mine|\bre\b|endswith|contains|startswith|neq|condition|\b(and|or|any|all|of|sel|count|detection|title|author|logsource|product|category|service|level|informational|low|medium|high|critical|taxonomy|json)\b`)
	latin := regexp.MustCompile(`[A-Za-z]{2,}`)
	refused := 0
	for line := range strings.Lines(out) {
		if strings.Contains(line, ".yml:") {
			refused++
		}
		if left := latin.FindString(own.ReplaceAllString(line, "")); left != "" {
			t.Errorf("%q is English in %s", left, line)
		}
	}
	if refused != len(files) {
		t.Errorf("%d of %d wrong rules were refused:\n%s", refused, len(files), out)
	}
	for _, r := range []string{"correlation rules are not judged yet; only single-event rules are"} {
		if ja := said(say.One(r)).Ja; latin.MatchString(ja) {
			t.Errorf("the console says %q in Japanese", ja)
		}
	}
}
