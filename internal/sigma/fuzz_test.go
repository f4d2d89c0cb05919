package sigma_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

// FuzzRuleFile: whatever a rule file holds, it loads or is refused with a reason, and judging with what
// loaded never panics.
func FuzzRuleFile(f *testing.F) {
	f.Add(head + "  a: {f: x}\n  condition: a\n")
	f.Add(head + "  a: [{f|re: x}, {g|windash|contains: ' -a'}]\n  b: ['k', 'w*d']\n  condition: 1 of a* and not b\n")
	f.Add("title: x\nfilter: {rules: any, a: {f: x}, condition: not a}\nlogsource: {product: linux}\n---\n" + head + "  a: {f|fieldref: g}\n  condition: a\n")
	f.Add("a: &a [*a]\n")
	f.Add("a: &a {x: y}\nb: {<<: *a}\n")
	f.Add(strings.Repeat("[", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		set := build(t, text)
		if len(set.Rules())+len(set.Rejected()) == 0 {
			// only filters can be neither, and one that applies to nothing is refused
			t.Fatalf("%q: neither a rule nor a reason", text)
		}
		for _, r := range set.Rejected() {
			if r.Reason == "" || r.Class == "" || r.Line < 1 {
				t.Fatalf("refusal without a reason: %+v", r)
			}
		}
		set.Scratch().Judge(record("f", "x", "g", "y -a"), nil)
	})
}

// FuzzCondition: a condition is parsed or refused; the verdict is the same each time.
func FuzzCondition(f *testing.F) {
	for _, c := range []string{"a", "a and not (b or c)", "1 of them", "all of b*", "not not a", "((((a))))", "a | count() > 1", "2 of a", "any of _*", "a or"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, cond string) {
		if strings.ContainsAny(cond, "'\n\r\x00") || !utf8.ValidString(cond) {
			return
		}
		set := build(t, head+"  a: {f: a}\n  b: {f: b}\n  c: {g: c}\n  condition: '"+cond+"'\n")
		r := record("f", "a")
		if first, again := fires(set, r), fires(set, r); first != again {
			t.Fatalf("condition %q: two verdicts", cond)
		}
	})
}

// FuzzEscape: a literal written with every special character escaped matches itself and nothing that is
// one character longer.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", `a`, `\`, `\\`, `*`, `\*`, `C:\Windows\`, "日本", "İı", "a\nb", "\U0010FEFF"} {
		f.Add(s)
	}
	escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > 4096 {
			return
		}
		set := build(t, head+"  a: {f: "+yamlText(escape.Replace(s))+"}\n  condition: a\n")
		if len(set.Rejected()) > 0 {
			t.Skip(set.Rejected()[0])
		}
		if !fires(set, record("f", s)) {
			t.Fatalf("%q does not match itself", s)
		}
		if fires(set, record("f", s+"x")) {
			t.Fatalf("%q matches more than itself", s)
		}
	})
}

// yamlText writes s as a double-quoted YAML scalar.
func yamlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		const digits = "0123456789ABCDEF"
		b.WriteString(`\U`)
		for shift := 28; shift >= 0; shift -= 4 {
			b.WriteByte(digits[r>>shift&15])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// FuzzBase64Offset: the value is found wherever it stands inside a longer encoded text.
func FuzzBase64Offset(f *testing.F) {
	f.Add("/bin/bash", "x", "y")
	f.Add("http", "", "")
	f.Add("日本語", "ab", "abc")
	f.Fuzz(func(t *testing.T, value, before, after string) {
		if len(value) < 4 || len(value)+len(before)+len(after) > 2048 || !utf8.ValidString(value) || strings.ContainsAny(value, `*?\`) {
			return
		}
		set := build(t, head+"  a: {f|base64offset|contains: "+yamlText(value)+"}\n  condition: a\n")
		if len(set.Rejected()) > 0 {
			t.Skip(set.Rejected()[0])
		}
		if !fires(set, record("f", base64.StdEncoding.EncodeToString([]byte(before+value+after)))) {
			t.Fatalf("%q between %q and %q is not found", value, before, after)
		}
	})
}

// FuzzWindash: every spelling of the dash matches every other.
func FuzzWindash(f *testing.F) {
	f.Add("param", uint8(0), uint8(3))
	f.Add("a-b", uint8(1), uint8(4))
	dash := []string{"-", "/", "\u2013", "\u2014", "\u2015"}
	f.Fuzz(func(t *testing.T, word string, _, have uint8) {
		if word == "" || len(word) > 100 || !utf8.ValidString(word) || strings.ContainsAny(word, `*?\-/`) {
			return
		}
		r, _ := utf8.DecodeRuneInString(word)
		if r < 'a' || r > 'z' {
			return
		}
		set := build(t, head+"  a: {f|windash|contains: "+yamlText(" -"+word)+"}\n  condition: a\n")
		if len(set.Rejected()) > 0 {
			t.Skip(set.Rejected()[0])
		}
		if !fires(set, record("f", "x "+dash[int(have)%len(dash)]+word)) {
			t.Fatalf("%q with dash %d is not found", word, have)
		}
	})
}

// FuzzJudge: any rule of ours against any event that decodes; no panic, and the same verdict twice.
func FuzzJudge(f *testing.F) {
	for _, e := range ordinary()[:6] {
		f.Add("*s?h*", `(a|b)+\d`, e.Append(nil))
	}
	f.Add("a*b?c", "^$", (&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{CommandLine: event.Text("\xff\x00\n"), Path: "/İ/ı"}}).Append(nil))
	f.Fuzz(func(t *testing.T, glob, re string, wire []byte) {
		var e event.Event
		if e.Decode(wire) != nil || !utf8.ValidString(glob) || !utf8.ValidString(re) || len(glob)+len(re) > 1000 {
			return
		}
		e.Textify()
		set := build(t, head+"  a: {CommandLine: "+yamlText(glob)+"}\n  b: {Image|contains: "+yamlText(glob)+"}\n  c: {ParentImage|fieldref|endswith: Image}\n  k: ["+yamlText("k"+glob)+"]\n  condition: 1 of them\n",
			strings.Replace(head, "0001\n", "0002\n", 1)+"  a: {CommandLine|re: "+yamlText(re)+"}\n  n: {ProcessId|gt: 5}\n  condition: a or n\n")
		var rec sigma.EventRecord
		rec.Set(&e)
		s := set.Scratch()
		first := len(s.Judge(&rec, nil))
		if again := len(s.Judge(&rec, nil)); again != first || first != len(set.Scratch().Judge(&rec, nil)) {
			t.Fatalf("verdicts differ: %d and %d hits", first, again)
		}
	})
}

// FuzzRegex: what is looked for before a regular expression never hides a match of it.
func FuzzRegex(f *testing.F) {
	f.Add(`(?i)secret_?key|token`, "aSECRET\u212aey")
	f.Add(`(?i)pas[s]word`, "pa\u017f\u017fword")
	f.Add(`a(?:bc|de)+f?`, "xabcdebc")
	f.Add(`^(?:kworker|ksoftirqd)[/a-z]*`, "kworker/0")
	f.Add(`(?:ab){2,3}|É`, "é É")
	f.Add(`x*`, "")
	f.Add(`\bfoo\B.|^$|(?m)^b$|(?s).\z`, "a foox\nb\n")
	f.Add(`(?i)[k-s]\b`, "\u212a \u017f\xff")
	f.Add(`a{3,}[^b]\W`, "aaaa日 ")
	f.Fuzz(func(t *testing.T, expr, value string) {
		if len(expr) > 200 || len(value) > 1000 || !utf8.ValidString(expr) {
			return
		}
		re, err := regexp.Compile(expr)
		if err != nil {
			return
		}
		set := build(t, head+"  a: {f|re: "+yamlText(expr)+"}\n  condition: a\n")
		if len(set.Rejected()) > 0 {
			t.Skip(set.Rejected()[0])
		}
		if got, want := fires(set, record("f", value)), re.MatchString(value); got != want {
			t.Fatalf("%q on %q: %v; want %v", expr, value, got, want)
		}
		if got, ok := sigma.AutomatonMatches(expr, value); ok && got != re.MatchString(value) {
			t.Fatalf("automaton of %q on %q: %v", expr, value, got)
		}
	})
}
