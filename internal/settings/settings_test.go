package settings_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/settings"
)

// program is what the program of these tests can be told: one key of each kind.
type program struct {
	settings.Origin // has no key

	Data     string         `key:"data" help:"folder" ja:"フォルダー"`
	Listen   string         `key:"listen" default:"127.0.0.1:1" help:"address" ja:"アドレス"`
	Level    string         `key:"log_level" default:"info" enum:"debug,info" help:"least level" ja:"最低レベル"`
	Tongue   string         `key:"language" enum:",en,ja" help:"language" ja:"言語"`
	Days     int            `key:"retention_days" default:"30" min:"1" max:"3650" help:"days" ja:"日数"`
	Interval time.Duration  `key:"seal_interval" default:"60s" min:"1s" max:"1h" help:"how often" ja:"間隔"`
	Log      settings.Bytes `key:"log_max_bytes" default:"4GiB" min:"64MiB" help:"size" ja:"サイズ"`
	Quiet    bool           `key:"quiet" help:"say nothing" ja:"何も言わない"`
	Rules    []string       `key:"rules" help:"folders" ja:"フォルダー"`
	Forbid   []string       `key:"forbid" form:"lower" flag:"adds" bound:"small letters" help:"vetoes" ja:"禁止事項"`
	Proxy    string         `key:"proxy" show:"no user" value:"URL" help:"proxy" ja:"プロキシ"`
	Notify   struct {
		Mail struct {
			Host string   `key:"host" help:"mail server" ja:"メールサーバー"`
			To   []string `key:"to" help:"recipients" ja:"宛先"`
		} `key:"mail"`
		Hooks []struct {
			Name  string `key:"name" help:"name" ja:"名前"`
			URL   string `key:"url" show:"host" help:"address" ja:"アドレス"`
			Plain bool   `key:"plain" help:"allow http" ja:"http を許す"`
		} `key:"hooks" help:"receivers" ja:"送信先"`
	} `key:"notify"`
}

var forms = settings.Forms{"lower": func(text string) *settings.Mistake {
	if text == strings.ToLower(text) {
		return nil
	}
	return settings.Wrong("%q has capitals", "%q に大文字があります", text)
}}

func load(in settings.Input) (*program, error) {
	in.Forms = forms
	p := &program{}
	var err error
	p.Origin, err = settings.Load(p, in)
	return p, err
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverFileOverDefaults(t *testing.T) {
	path := file(t, "listen: 127.0.0.1:2\nretention_days: 7\nnotify:\n  mail:\n    to: [a@example.test, b@example.test]\nforbid: [kill]\nrules: [/c]\n")
	c, err := load(settings.Input{
		File:  path,
		Flags: map[string][]string{"listen": {"127.0.0.1:3"}, "rules": {"/a", "/b"}, "forbid": {"isolate"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ key, got, want, source string }{
		{"listen", c.Listen, "127.0.0.1:3", "flag"},
		{"retention_days", fmt.Sprint(c.Days), "7", path + ":2"},
		{"notify.mail.to", strings.Join(c.Notify.Mail.To, " "), "a@example.test b@example.test", path + ":5"},
		{"rules", strings.Join(c.Rules, " "), "/a /b", "flag"},
		{"forbid", strings.Join(c.Forbid, " "), "kill isolate", path + ":6, flag"},
		{"data", c.Data, "", "default"},
		{"seal_interval", c.Interval.String(), "1m0s", "default"},
		{"log_max_bytes", c.Log.String(), "4GiB", "default"},
	} {
		if x.got != x.want || c.Sources[x.key] != x.source {
			t.Errorf("%s = %q from %q; want %q from %q", x.key, x.got, c.Sources[x.key], x.want, x.source)
		}
	}
	if p := c.Problem("notify.mail.to[1]", "is odd", "変です"); p.Source != path+":5" {
		t.Errorf("the problem of an entry comes from %q", p.Source)
	}
}

// Every mistake is told with its line and with what to do, all of them at once.
func TestStrictFile(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"lisen: x", ":1: no key is called lisen: did you mean listen?"},
		{"notify:\n  mail:\n    hots: x", ":3: no key is called notify.mail.hots: did you mean notify.mail.host?"},
		{"zzzzzzzzzz: 1", "the keys here are data, listen"},
		{"log-level: x", "did you mean log_level?"},
		{"listen: a\nlisten: b", ":2: listen stands twice"},
		{"listen: [a]", "listen wants a value"},
		{"listen:", "listen wants a value"},
		{"rules: /a", "rules wants a list"},
		{"notify: 3", "notify wants keys with values"},
		{"- a", "configuration wants keys with values"},
		{"retention_days: 0", "retention_days: 0 is outside 1 to 3650"},
		{"retention_days: yes", `"yes" is no whole number`},
		{"seal_interval: 60", `"60" is no duration`},
		{"seal_interval: 2h", `2h is outside 1s to 1h`},
		{"log_max_bytes: 1MiB", "less than 64MiB"},
		{"log_max_bytes: 99999999999TiB", "is no size"},
		{"log_level: loud", `"loud" is none of debug, info`},
		{"language: de", `"de" is none of en, ja`},
		{"quiet: yes", `"yes" is neither true nor false`},
		{"forbid:\n  - kill\n  - KILL", `:3: forbid[1]: "KILL" has capitals`},
		{"listen: &a x\ndata: *a", "aliases are not taken"},
		{"<<: {listen: x}", "no key is called <<"},
		{"? [a]\n: b", "no key is called"},
		{"listen: a\n---\nlisten: b", "more than one YAML document"},
		{"listen: \"a\\nb\"", "holds a line end"},
		{"notify:\n  hooks:\n    - nam: x", "did you mean notify.hooks[0].name?"},
		{"a: b: c", "mapping values are not allowed"},
		{"lisen: x\nretention_days: 0", "retention_days: 0"},
		{strings.Repeat("#", 1<<20) + "\n", "over 1048576 bytes"},
	} {
		_, err := load(settings.Input{File: file(t, c.in)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Load(%.40q) = %v; want it to say %q", c.in, err, c.want)
		}
	}
	for _, in := range []string{"", "# only a comment\n", "---\n", "null"} {
		if _, err := load(settings.Input{File: file(t, in)}); err != nil {
			t.Errorf("Load(%q) = %v; want defaults", in, err)
		}
	}
	if _, err := load(settings.Input{File: "/nonexistent/program.yaml"}); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file: %v; want it to say what to do", err)
	}
	if _, err := load(settings.Input{File: filepath.Join(file(t, ""), "x")}); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("a file below a file: %v; want it to say what to do", err)
	}
	if _, err := load(settings.Input{Flags: map[string][]string{"lisen": {"x"}}}); err == nil || !strings.Contains(err.Error(), "did you mean listen?") {
		t.Errorf("an unknown flag key: %v", err)
	}
	if _, err := load(settings.Input{Flags: map[string][]string{"forbid": {"KILL"}}}); err == nil || err.Error() != `--forbid: "KILL" has capitals` {
		t.Errorf("an entry of a flag in the wrong form: %v", err)
	}
}

func TestExplainSaysEveryMistakeInOneLanguage(t *testing.T) {
	_, err := load(settings.Input{File: file(t, "lisen: x\nretention_days: 0"), Flags: map[string][]string{"seal_interval": {"soon"}}})
	ja := settings.Explain(fmt.Errorf("usage: %w", err), "ja")
	for _, want := range []string{":1: lisen というキーはありません。listen の誤りではありませんか", ":2: retention_days: 0 は範囲外です", "--seal-interval: \"soon\" は時間として読めません"} {
		if !strings.Contains(ja, want) {
			t.Errorf("Explain(…, ja) = %s; want it to say %q", ja, want)
		}
	}
	if strings.Contains(ja, "did you") || strings.Count(ja, "\n") != 2 {
		t.Errorf("Explain(…, ja) = %s; want three Japanese lines", ja)
	}
}

// A sensor whose file holds `forbid:` above lines that are comments now starts as before.
func TestABlankKeyKeepsItsDefaultWhereThatIsAsked(t *testing.T) {
	c, err := load(settings.Input{File: file(t, "listen:\nforbid:\n#  - kill\nnotify:\n  mail:\n"), Blanks: true})
	if err != nil || c.Listen != "127.0.0.1:1" || c.Forbid != nil || c.Sources["listen"] != "default" {
		t.Errorf("Load = %+v, %v; want defaults", c, err)
	}
}

func TestEveryKeyIsAFlag(t *testing.T) {
	parse := func(args ...string) (*program, error) {
		t.Helper()
		flags := settings.NewFlags(settings.Keys(program{}), "Keys:", "data")
		var cli struct {
			Data string
			kong.Plugins
		}
		cli.Plugins = kong.Plugins{flags.Struct()}
		parser, err := kong.New(&cli, kong.Exit(func(int) {}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		return load(settings.Input{Flags: flags.Given()})
	}
	c, err := parse(
		"--listen", "127.0.0.1:9", "--notify-mail-to", "a@example.test, b", "--notify-mail-to=c@example.test", "--seal-interval", "5s", "--quiet", "--log-max-bytes=67108864",
		"--forbid", "a,b", "--forbid=c", "--proxy=", "--notify-hooks", "[{name: soc, url: 'https://h.example.test/x', plain: true}]")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:9" || c.Interval != 5*time.Second || !c.Quiet || c.Log != 64<<20 ||
		!slices.Equal(c.Notify.Mail.To, []string{"a@example.test, b", "c@example.test"}) || !slices.Equal(c.Forbid, []string{"a", "b", "c"}) {
		t.Errorf("flags gave %+v", c)
	}
	if h := c.Notify.Hooks; len(h) != 1 || h[0].URL != "https://h.example.test/x" || !h[0].Plain {
		t.Errorf("hooks = %+v", h)
	}
	if c.Sources["listen"] != "flag" || c.Sources["proxy"] != "flag" || c.Sources["log_level"] != "default" {
		t.Errorf("sources = %v", c.Sources)
	}
	for _, bad := range [][]string{{"--notify-hooks", "[{nam: x}]"}, {"--notify-hooks", "x"}, {"--retention-days", "0"}, {"--forbid", "A"}} {
		if _, err := parse(bad...); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestKeysAreDescribed(t *testing.T) {
	keys := settings.Keys(program{})
	if n := len(keys); n != 14 || keys[0].Path != "data" || keys[n-1].Path != "notify.hooks" || len(keys[n-1].Items) != 3 {
		t.Errorf("Keys = %+v", keys)
	}
	table := settings.Table(keys)
	for _, want := range []string{
		"| `log_level` | `--log-level` | debug, info | `info` |  | least level | 最低レベル |",
		"| `language` | `--language` | en, ja |  |  | language | 言語 |",
		"| `retention_days` | `--retention-days` | number | `30` | 1 to 3650 | days | 日数 |",
		"| `log_max_bytes` | `--log-max-bytes` | size | `4GiB` | 64MiB or more | size | サイズ |",
		"| `forbid` | `--forbid` | list of text |  | small letters | vetoes | 禁止事項 |",
		"| `notify.hooks[].plain` |  | true or false |  |  | allow http | http を許す |",
	} {
		if !strings.Contains(table, want+"\n") {
			t.Errorf("the table lacks %s:\n%s", want, table)
		}
	}
	if en, ja := keys[1].FlagHelp("en"), keys[1].FlagHelp("ja"); en != "address (default 127.0.0.1:1)" || ja != "アドレス(既定値 127.0.0.1:1)" {
		t.Errorf("FlagHelp = %q, %q", en, ja)
	}
}

func TestPrintShowsOriginsAndNoSecrets(t *testing.T) {
	path := file(t, "notify:\n  hooks:\n    - name: soc\n      url: https://h.example.test/services/TOPSECRET\nrules: [/a]\nproxy: http://u:TOPSECRET@p.example.test:3128\n")
	c, err := load(settings.Input{File: path, Flags: map[string][]string{"data": {"/srv/program"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Print(&b, "en", *c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# read from " + path + "\n", "data: /srv/program  # flag\n", "listen: 127.0.0.1:1  # default\n", "rules:  # " + path + ":5\n  - /a\n", "url: https://h.example.test/…\n",
		"seal_interval: 1m  # default\n", "log_max_bytes: 4GiB  # default\n", "proxy: …@p.example.test:3128  # " + path + ":6\n", "forbid: []  # default\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("printed configuration lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String()+fmt.Sprint(c.JSON(*c)), "TOPSECRET") {
		t.Errorf("a secret in an address is shown:\n%s", b.String())
	}
	// what is printed may be read again
	if _, err := load(settings.Input{File: file(t, b.String())}); err != nil {
		t.Errorf("the printed configuration cannot be read: %v\n%s", err, b.String())
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("listen: x\nforbid:\n  - a\nnotify:\n  mail: {to: [a]}\n  hooks: [{name: soc}]\n"), true)
	f.Add([]byte("a: &a [*a]"), false)
	f.Add([]byte("notify: {hooks: [{}, {}]}"), false)
	f.Add([]byte("notify: {hooks: [~, {}], mail: }"), true)
	f.Add([]byte("? [a]\n: b"), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, blanks bool) {
		path := filepath.Join(dir, "program.yaml")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := load(settings.Input{File: path, Blanks: blanks})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := c.Print(&out, "en", *c); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(settings.Input{File: path, Blanks: blanks}); err != nil {
			t.Fatalf("printed configuration cannot be read: %v\n%s", err, out.String())
		}
	})
}

func ExampleLoad() {
	var p struct {
		Days int `key:"retention_days" default:"30" min:"1" max:"3650"`
	}
	origin, err := settings.Load(&p, settings.Input{Flags: map[string][]string{"retention_days": {"90"}}})
	fmt.Println(p.Days, origin.Sources["retention_days"], err)
	_, err = settings.Load(&p, settings.Input{Flags: map[string][]string{"retention": {"90"}}})
	fmt.Println(err)
	// Output:
	// 90 flag <nil>
	// no key is called retention: did you mean retention_days?
}
