package sigma_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// The oracle judges generated rules the slow and plain way: it shares nothing with the engine but the text of the rule
// and the record. The engine's index, memory, folding and reading of conditions must come out the same.

type oracleItem struct {
	field, mods string
	values      []string // as written; "null" in the mods "" stands for null
	null        bool
}

type oracleRule struct {
	names []string
	sels  map[string][]oracleItem // a map of items, all of which must hold
	cond  *oracleCond
}

type oracleCond struct {
	op   string // id, and, or, not, any, all
	name string
	kids []*oracleCond
}

type oracleRecord map[string][]string // absent: no key; a list has several

var (
	oracleWords = []string{
		"a", "b", "ab", "Ab", "abc", "xyzzy", "plugh", "Plugh", "xyz", "a*c", "*b?", "?", "?b", "x*y", `a\*`, `\\x`, `c:\w`, "Σας", "kK", "pl*gh", "*", "ab ab",
		"longer than thirty-two bytes, which once cost an allocation", "5", "10", "007",
	}
	oracleValues = []string{
		"", "a", "b", "AB", "abc", "xabc", "xyzzy plugh", "xxyzzyx", "PLUGH", "a*", `\x`, `C:\W`, "ΣΑΣ", "xσασ", "K\u212a", "plxgh", "ab ab ab", "5", "7", "10", "xy", "azzc",
		"Longer Than thirty-two bytes, which once cost an allocation", "it is longer than thirty-two bytes, which once cost an allocation or two", "/usr/bin/ab", "/tmp/xyzzy",
	}
	oracleRegexes = []string{"ab", "^a", "b$", "x[xy]+z", "(ab|plugh)", "(?:xyzzy|a.c)", "^$", ".", "[0-9]+", "pl.?gh"}
	oracleFields  = []string{"f", "g", "h", "Image"}
)

func orbit(s string) string {
	var b strings.Builder
	for _, r := range s {
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		b.WriteRune(least)
	}
	return b.String()
}

// oracleMatch matches by trying everything.
func oracleMatch(p, v string) bool {
	switch {
	case p == "":
		return v == ""
	case len(p) > 1 && p[0] == '\\' && (p[1] == '*' || p[1] == '?' || p[1] == '\\'):
		return v != "" && v[0] == p[1] && oracleMatch(p[2:], v[1:])
	case p[0] == '*':
		for i := 0; i <= len(v); i++ {
			if oracleMatch(p[1:], v[i:]) {
				return true
			}
		}
		return false
	case v == "":
		return false
	case p[0] == '?':
		return oracleMatch(p[1:], string([]rune(v)[1:]))
	}
	pr, vr := []rune(p)[0], []rune(v)[0]
	return pr == vr && oracleMatch(p[len(string(pr)):], v[len(string(vr)):])
}

func (it oracleItem) one(w string, values []string) bool {
	has := func(m string) bool { return slices.Contains(strings.Split(it.mods, "|"), m) }
	for _, v := range values {
		switch {
		case has("re"):
			re := regexp.MustCompile(w)
			if has("i") {
				re = regexp.MustCompile("(?i)" + w)
			}
			if re.MatchString(v) {
				return true
			}
		case has("gt"):
			n, err := strconv.Atoi(v)
			m, err2 := strconv.Atoi(w)
			if err == nil && err2 == nil && n > m {
				return true
			}
		default:
			p := w
			if has("contains") || has("endswith") {
				p = "*" + p
			}
			if has("contains") || has("startswith") {
				p += "*"
			}
			if !has("cased") {
				p, v = orbit(p), orbit(v)
			}
			if oracleMatch(p, v) {
				return true
			}
		}
	}
	return false
}

func (it oracleItem) holds(r oracleRecord, field string) bool {
	values, there := r[field]
	if it.null {
		return !there
	}
	all := strings.Contains(it.mods, "all")
	for _, w := range it.values {
		if hit := it.one(w, values); hit != all {
			return hit
		}
	}
	return all
}

// judge follows the two readings of Image: the name that was asked for counts below an even number of "not".
func (it oracleItem) judge(r oracleRecord, negated bool) bool {
	neq := strings.Contains(it.mods, "neq")
	hit := it.holds(r, it.field)
	if _, asked := r["actor_invoked"]; it.field == "Image" && asked && negated == neq {
		hit = hit || it.holds(r, "actor_invoked")
	}
	if neq {
		_, there := r[it.field]
		return there && !hit
	}
	return hit
}

func (o *oracleRule) eval(c *oracleCond, r oracleRecord, negated bool) bool {
	sel := func(name string) bool {
		for _, it := range o.sels[name] {
			if !it.judge(r, negated) {
				return false
			}
		}
		return true
	}
	switch c.op {
	case "id":
		return sel(c.name)
	case "not":
		return !o.eval(c.kids[0], r, !negated)
	case "and":
		return o.eval(c.kids[0], r, negated) && o.eval(c.kids[1], r, negated)
	case "or":
		return o.eval(c.kids[0], r, negated) || o.eval(c.kids[1], r, negated)
	}
	n := 0
	for _, name := range o.names {
		if sel(name) {
			n++
		}
	}
	return n == len(o.names) || c.op == "any" && n > 0
}

func (c *oracleCond) String() string {
	switch c.op {
	case "id":
		return c.name
	case "not":
		return "not (" + c.kids[0].String() + ")"
	case "any":
		return "1 of s*"
	case "all":
		return "all of them"
	}
	return "(" + c.kids[0].String() + ") " + c.op + " (" + c.kids[1].String() + ")"
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func oracleMake(r *rand.Rand) *oracleRule {
	o := &oracleRule{sels: map[string][]oracleItem{}}
	for i := range 1 + r.IntN(3) {
		name := "s" + strconv.Itoa(i)
		o.names = append(o.names, name)
		taken := map[string]bool{}
		for range 1 + r.IntN(2) {
			it := oracleItem{field: pick(r, oracleFields), mods: pick(r, []string{"", "", "contains", "contains", "startswith", "endswith", "contains|all", "cased", "cased|contains", "re", "re|i", "neq", "contains|neq", "contains|all|neq", "gt"})}
			if taken[it.field+it.mods] {
				continue
			}
			taken[it.field+it.mods] = true
			for range 1 + r.IntN(6)*r.IntN(2) {
				switch {
				case strings.HasPrefix(it.mods, "re"):
					it.values = append(it.values, pick(r, oracleRegexes))
				case it.mods == "gt":
					it.values = append(it.values, pick(r, []string{"4", "5", "9"}))
				default:
					it.values = append(it.values, pick(r, oracleWords))
				}
			}
			it.null = it.mods == "" && r.IntN(8) == 0
			o.sels[name] = append(o.sels[name], it)
		}
	}
	var cond func(depth int) *oracleCond
	cond = func(depth int) *oracleCond {
		switch k := r.IntN(8); {
		case depth > 2 || k < 3:
			return &oracleCond{op: "id", name: pick(r, o.names)}
		case k == 3:
			return &oracleCond{op: "not", kids: []*oracleCond{cond(depth + 1)}}
		case k == 4:
			return &oracleCond{op: "any"}
		case k == 5:
			return &oracleCond{op: "all"}
		default:
			return &oracleCond{op: pick(r, []string{"and", "or"}), kids: []*oracleCond{cond(depth + 1), cond(depth + 1)}}
		}
	}
	o.cond = cond(0)
	return o
}

func (o *oracleRule) yaml(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "title: t\nid: r%d\nlogsource: {product: linux}\ndetection:\n", n)
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	for _, name := range o.names {
		fmt.Fprintf(&b, "  %s:\n", name)
		for _, it := range o.sels[name] {
			key := it.field
			if it.mods != "" {
				key += "|" + it.mods
			}
			if it.null {
				fmt.Fprintf(&b, "    %s: null\n", key)
				continue
			}
			fmt.Fprintf(&b, "    %s:\n", key)
			for _, v := range it.values {
				fmt.Fprintf(&b, "      - %s\n", quote(v))
			}
		}
	}
	return b.String() + "  condition: " + o.cond.String() + "\n"
}

func oracleRound(t *testing.T, seed uint64, rules, records int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	var list []*oracleRule
	var docs []string
	for i := range rules {
		o := oracleMake(r)
		list, docs = append(list, o), append(docs, o.yaml(i))
	}
	set := build(t, docs...)
	if len(set.Rejected()) > 0 {
		t.Fatalf("seed %d: %s\n%s", seed, set.Rejected()[0], docs)
	}
	s := set.Scratch()
	for range records {
		rec, values := oracleRecord{}, map[string]sigma.Value{}
		for _, f := range append([]string{"actor_invoked"}, oracleFields...) {
			switch r.IntN(4) {
			case 0:
				continue
			case 1:
				if f != "Image" && f != "actor_invoked" {
					rec[f] = []string{pick(r, oracleValues), pick(r, oracleValues)}
					values[f] = sigma.Value{Kind: sigma.List, List: rec[f]}
					continue
				}
			}
			rec[f] = []string{pick(r, oracleValues)}
			values[f] = sigma.TextValue(rec[f][0])
			if n, err := strconv.Atoi(rec[f][0]); err == nil && r.IntN(2) == 0 {
				values[f] = sigma.Value{Kind: sigma.Int, Int: int64(n)}
			}
		}
		fired := map[string]bool{}
		for _, h := range s.Judge(sigma.NewFields(processCreation, values), nil) {
			fired[h.Rule.ID] = true
		}
		for i, o := range list {
			if want := o.eval(o.cond, rec, false); fired[fmt.Sprintf("r%d", i)] != want {
				t.Fatalf("seed %d: rule fires: %v; the oracle says %v\n%s%q", seed, !want, want, docs[i], rec)
			}
		}
	}
}

// The engine and the oracle agree on generated rules and records.
func TestEngineAgreesWithTheOracle(t *testing.T) {
	for seed := range uint64(150) {
		oracleRound(t, seed, 24, 24)
	}
}

func FuzzEngineAgainstOracle(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed*977+1, uint8(seed*5))
	}
	f.Fuzz(func(t *testing.T, seed uint64, rules uint8) {
		oracleRound(t, seed, 1+int(rules%48), 12)
	})
}

// On SigmaHQ's rules and recorded events the index leaves out nothing that fires.
func TestTheIndexHidesNoHit(t *testing.T) {
	set := loadSigmaHQ(t, dataDir(t))
	records := append(otrfProcesses(t, 100), atomicCommands(t)...)
	if testing.Short() {
		records = records[:300]
	}
	s, plain := set.Scratch(), set.Scratch()
	hits := 0
	for i, r := range records {
		got, want := s.Judge(r, nil), plain.JudgeAll(r)
		hits += len(want)
		if len(got) != len(want) {
			t.Fatalf("record %d: %d hits with the index, %d without", i, len(got), len(want))
		}
	}
	t.Logf("%d records, %d hits", len(records), hits)
}
