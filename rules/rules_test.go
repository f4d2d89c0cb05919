package rules_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yagura-edr/yagura/rules"
)

// Our own rules are in order, and every sample comes out as it says.
func TestOurRulesHold(t *testing.T) {
	problems, err := rules.Check(rules.Content(), banned(t)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	rep, err := rules.Test(rules.Content())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Failures {
		t.Error(f)
	}
	for _, f := range rep.Untested {
		t.Errorf("%s has no samples", f)
	}
	if rep.Rules < 41 { // 40 and the canary
		t.Errorf("%d rules; want at least 40 beside the canary", rep.Rules)
	}
	t.Logf("%d rules, %d samples", rep.Rules, rep.Samples)
}

// Rules cover every tactic that ATT&CK has for Linux.
func TestEveryTacticHasRules(t *testing.T) {
	set, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, r := range set.Rules() {
		for _, a := range r.ATTACK {
			if tactic, ok := strings.CutPrefix(a, "tactic:"); ok {
				count[tactic]++
			}
		}
	}
	for _, tactic := range []string{
		"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion",
		"credential-access", "discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact",
	} {
		if count[tactic] == 0 {
			t.Errorf("no rule for tactic %s", tactic)
		}
	}
	t.Log(count)
}

// banned takes from the attack scripts and the scenarios the names, paths, addresses and ports that only they have.
func banned(t *testing.T) []string {
	seen := map[string]bool{}
	port := regexp.MustCompile(`\b[1-9][0-9]{3,4}\b`)
	file := regexp.MustCompile(`[A-Za-z0-9_.~$-]*(?:/[A-Za-z0-9_.-]+)+`)
	name := func(p string) {
		if n := p[strings.LastIndexByte(p, '/')+1:]; len(n) >= 6 && !generic[n] {
			seen["/"+n] = true
		}
	}
	read := func(dir string, line func(string)) {
		files := 0
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			raw, err := os.ReadFile(p)
			for l := range strings.Lines(string(raw)) {
				line(l)
			}
			return err
		})
		if err != nil || files < 8 {
			t.Fatalf("%s: %d files, %v", dir, files, err)
		}
	}
	read(filepath.Join("..", "dev", "attacks"), func(line string) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			return
		}
		for _, p := range port.FindAllString(line, -1) {
			seen[p] = true
		}
		for _, p := range file.FindAllString(line, -1) {
			if strings.HasPrefix(p, "$") {
				name(p)
			}
		}
	})
	for _, n := range []string{"weak-service", "far-side", "take-over", "memory-file", "stand-in", "/dev/shm/.s.", "/tmp/story.", "planted"} {
		seen[n] = true
	}
	address := regexp.MustCompile(`\b(?:203\.0\.113|198\.51\.100|192\.0\.2|10)\.[0-9.]+\b`)
	own := regexp.MustCompile(`"(?:path|file_path|actor_path|parent_path)":"(/(?:tmp|home|dev/shm|var/tmp|opt)/[^"]+)"`)
	read(filepath.Join("..", "scenario", "testdata"), func(line string) {
		for _, a := range address.FindAllString(line, -1) {
			seen[a] = true
		}
		for _, m := range own.FindAllStringSubmatch(line, -1) {
			name(m[1])
		}
		for _, m := range regexp.MustCompile(`"(?:local|remote)_port":"?([0-9]{4,5})`).FindAllStringSubmatch(line, -1) {
			seen[m[1]] = true
		}
	})
	if len(seen) < 30 {
		t.Fatalf("only %d words are banned: the scripts or the scenarios read differently now", len(seen))
	}
	var out []string
	for w := range seen {
		out = append(out, w)
	}
	return out
}

// generic names belong to the system that is attacked, not to the script that attacks it.
var generic = map[string]bool{
	"authorized_keys": true, "ld.so.preload": true, "Login Data": true, "crontab": true, "shadow": true, "passwd": true,
	"id_ed25519": true, "id_rsa": true, "auth.log": true, "syslog": true, "wtmp": true, "btmp": true, "lastlog": true, ".bash_history": true,
	"Downloads": true, "cron.d": true, "system": true, "Cookies": true, "key4.db": true, "logins.json": true, "credentials": true, "python3": true,
	"thunderbird": true, "chromium": true, "profile": true, "firefox": true, "default": true, "Default": true, "sudoers": true, "systemd": true, ".bashrc": true, ".profile": true,
}

// A rule of ours without both languages, samples or licence is refused, in words.
func TestCheckRefusesHalfRules(t *testing.T) {
	rule := `title: Half
id: 11111111-1111-4111-8111-111111111111
logsource: {product: linux, category: process_creation}
detection: {a: {Image: /x, NoSuchField: y}, condition: a}
level: low
yagura:
  title: {en: Half, ja: 半分}
  why: {en: Because, ja: 端末を隔離する}
  todo: {en: Do, ja: する}
`
	fsys := fstest.MapFS{"a.yml": {Data: []byte(rule)}, "b.yml": {Data: []byte("title: x\nid: y\nlogsource: {product: linux}\ndetection: {a: {b: c}, condition: a}\nyagura: {title: {en: x}}\n")}}
	problems, err := rules.Check(fsys, "nosuchfield")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, p := range problems {
		all += p.String() + "\n"
	}
	for _, want := range []string{"yagura.title lacks en or ja", "no author or no license", "no ATT&CK tactic", "no sensor provides NoSuchField", "0 positive samples", "0 near-misses", "banned word", "ホスト", "隔離 is never written alone"} {
		if !strings.Contains(all, want) {
			t.Errorf("problems do not say %q:\n%s", want, all)
		}
	}
}

// Everything embedded is a rule or its samples.
func TestNothingElseIsEmbedded(t *testing.T) {
	err := fs.WalkDir(rules.Content(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(p, ".yml") {
			t.Errorf("%s is embedded", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
