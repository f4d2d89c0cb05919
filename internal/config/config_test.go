package config_test

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

	"github.com/yagura-edr/yagura/internal/config"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverFileOverDefaults(t *testing.T) {
	path := file(t, "listen: 127.0.0.1:1\nretention_days: 7\nnotify:\n  smtp:\n    to: [a@example.test, b@example.test]\n")
	c, err := config.Load(config.Input{
		Path: path, Defaults: map[string]string{"data": "/srv/yagura"},
		Flags: map[string][]string{"listen": {"127.0.0.1:2"}, "rules": {"/a", "/b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ key, got, want, source string }{
		{"listen", c.Listen, "127.0.0.1:2", "flag"},
		{"retention_days", fmt.Sprint(c.RetentionDays), "7", path + ":2"},
		{"notify.smtp.to", strings.Join(c.Notify.SMTP.To, " "), "a@example.test b@example.test", path + ":5"},
		{"rules", strings.Join(c.Rules, " "), "/a /b", "flag"},
		{"data", c.Data, "/srv/yagura", "default"},
		{"seal_interval", c.SealInterval.String(), "1m0s", "default"},
		{"stream_max_bytes", c.StreamMax.String(), "4GiB", "default"},
	} {
		if x.got != x.want || c.Sources[x.key] != x.source {
			t.Errorf("%s = %q from %q; want %q from %q", x.key, x.got, c.Sources[x.key], x.want, x.source)
		}
	}
}

// Every mistake is told with its line and with what to do, all of them at once.
func TestStrictFile(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"lisen: x", ":1: no key is called lisen: did you mean listen?"},
		{"notify:\n  smtp:\n    hots: x", ":3: no key is called notify.smtp.hots: did you mean notify.smtp.host?"},
		{"zzzzzzzzzz: 1", "the keys here are data, listen"},
		{"sensor-listen: x", "did you mean sensor_listen?"},
		{"listen: a\nlisten: b", ":2: listen stands twice"},
		{"listen: [a]", "listen wants a value"},
		{"listen:", "listen wants a value"},
		{"rules: /a", "rules wants a list"},
		{"notify: 3", "notify wants keys with values"},
		{"- a", "configuration wants keys with values"},
		{"retention_days: 0", "retention_days: 0 is outside 1 to 3650"},
		{"retention_days: yes", `"yes" is no whole number`},
		{"seal_interval: 60", `"60" is no duration`},
		{"stream_max_bytes: 1MiB", "less than 64MiB"},
		{"stream_max_bytes: 99999999999TiB", "is no size"},
		{"log_level: loud", `"loud" is none of debug, info, warn, error`},
		{"listen: &a x\nhostname: *a", "aliases are not taken"},
		{"<<: {listen: x}", "no key is called <<"},
		{"listen: a\n---\nlisten: b", "more than one YAML document"},
		{"listen: \"a\\nb\"", "holds a line end"},
		{"notify:\n  webhooks:\n    - nam: x", "did you mean notify.webhooks[0].name?"},
		{"a: b: c", "mapping values are not allowed"},
		{"lisen: x\nretention_days: 0", "retention_days: 0"},
	} {
		_, err := config.Load(config.Input{Path: file(t, c.in)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Load(%q) = %v; want it to say %q", c.in, err, c.want)
		}
	}
	_, err := config.Load(config.Input{Path: file(t, "lisen: x\nretention_days: 0"), Flags: map[string][]string{"seal_interval": {"soon"}}})
	ja := config.Explain(fmt.Errorf("usage: %w", err), "ja")
	for _, want := range []string{":1: lisen というキーはありません。listen の誤りではありませんか", ":2: retention_days: 0 は範囲外です", "--seal-interval: \"soon\" は時間として読めません"} {
		if !strings.Contains(ja, want) {
			t.Errorf("Explain(…, ja) = %s; want it to say %q", ja, want)
		}
	}
	if strings.Contains(ja, "did you") || strings.Count(ja, "\n") != 2 {
		t.Errorf("Explain(…, ja) = %s; want three Japanese lines", ja)
	}
	for _, in := range []string{"", "# only a comment\n", "---\n", "null"} {
		if _, err := config.Load(config.Input{Path: file(t, in)}); err != nil {
			t.Errorf("Load(%q) = %v; want defaults", in, err)
		}
	}
	if _, err := config.Load(config.Input{Path: "/nonexistent/server.yaml"}); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file: %v; want it to say what to do", err)
	}
	if _, err := config.Load(config.Input{Flags: map[string][]string{"lisen": {"x"}}}); err == nil || !strings.Contains(err.Error(), "did you mean listen?") {
		t.Errorf("an unknown flag key: %v", err)
	}
}

func TestEveryKeyIsAFlag(t *testing.T) {
	flags := config.NewFlags("data")
	var cli struct {
		Data string
		kong.Plugins
	}
	cli.Plugins = kong.Plugins{flags.Struct()}
	parser, err := kong.New(&cli, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{
		"--listen", "127.0.0.1:9", "--notify-smtp-to", "a@example.test, b", "--notify-smtp-to=c@example.test", "--seal-interval", "5s",
		"--notify-webhooks", "[{name: soc, url: 'https://h.example.test/x', allow_http: true}]",
	}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Input{Flags: flags.Given()})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:9" || c.SealInterval != 5*time.Second || !slices.Equal(c.Notify.SMTP.To, []string{"a@example.test, b", "c@example.test"}) {
		t.Errorf("flags gave %+v", c.Server)
	}
	if len(c.Notify.Webhooks) != 1 || c.Notify.Webhooks[0].URL != "https://h.example.test/x" || !c.Notify.Webhooks[0].AllowHTTP {
		t.Errorf("webhooks = %+v", c.Notify.Webhooks)
	}
	if c.Sources["listen"] != "flag" || c.Sources["hostname"] != "default" {
		t.Errorf("sources = %v", c.Sources)
	}
	for _, bad := range [][]string{{"--notify-webhooks", "[{nam: x}]"}, {"--notify-webhooks", "x"}, {"--retention-days", "0"}} {
		flags := config.NewFlags()
		cli.Plugins = kong.Plugins{flags.Struct()}
		var cli struct{ kong.Plugins }
		cli.Plugins = kong.Plugins{flags.Struct()}
		p, err := kong.New(&cli)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Parse(bad); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(config.Input{Flags: flags.Given()}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestKeysAreWhole(t *testing.T) {
	seen := map[string]bool{}
	var look func(keys []config.Key)
	look = func(keys []config.Key) {
		for _, k := range keys {
			if k.Path == "" || strings.HasSuffix(k.Path, ".") || k.Help.En == "" || k.Help.Ja == "" {
				t.Errorf("key %+v lacks its name or a help text", k)
			}
			if seen[k.Flag] {
				t.Errorf("flag --%s stands twice", k.Flag)
			}
			seen[k.Flag] = true
			look(k.Items)
		}
	}
	look(config.Keys())
}

func TestPrintShowsOriginsAndNoSecrets(t *testing.T) {
	path := file(t, "notify:\n  webhooks:\n    - name: soc\n      url: https://h.example.test/services/TOPSECRET\n      secret_file: /etc/yagura/hook.key\nrules: [/a]\n")
	c, err := config.Load(config.Input{Path: path, Flags: map[string][]string{"hostname": {"yagura.example.test"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Print(&b, "en"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hostname: yagura.example.test  # flag", "listen: 127.0.0.1:8443  # default", "rules:  # " + path + ":6", "  - /a", "url: https://h.example.test/…", "seal_interval: 1m  # default", "stream_max_bytes: 4GiB"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("printed configuration lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String()+fmt.Sprint(c.JSON()), "TOPSECRET") {
		t.Errorf("the path of a webhook is shown:\n%s", b.String())
	}
	// what is printed may be read again
	if _, err := config.Load(config.Input{Path: file(t, b.String())}); err != nil {
		t.Errorf("the printed configuration cannot be read: %v\n%s", err, b.String())
	}
}

func TestCheckFindsWhatWillNotWork(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, key, want string }{
		{"listen: 0.0.0.0:8443", "listen", "ssh -L"},
		{"listen: nowhere", "listen", "HOST:PORT"},
		{"sensor_listen: 127.0.0.1:notaport", "sensor_listen", "no port"},
		{"rules: [/nonexistent]", "rules", "no folder"},
		{"notify: {public_url: yagura}", "notify.public_url", "no URL"},
		{"notify: {timezone: Asia/Edo}", "notify.timezone", "no time zone"},
		{"notify: {smtp: {to: [a@example.test]}}", "notify.smtp.host", "is empty"},
		{"notify: {smtp: {host: h, from: x, to: [a@example.test]}}", "notify.smtp.from", "no mail address"},
		{"notify: {smtp: {host: h, from: a@example.test}}", "notify.smtp.to", "nobody"},
		{"notify: {smtp: {host: h, from: a@example.test, to: [a@example.test, A <a@example.test>]}}", "notify.smtp.to", "twice"},
		{"notify: {smtp: {host: h, from: a@example.test, to: [a@example.test], auth: plain}}", "notify.smtp.auth", "needs username"},
		{"notify: {smtp: {host: h, from: a@example.test, to: [a@example.test], auth: plain, tls: none, username: u, password_file: " + open + "}}", "notify.smtp.tls", "in the clear"},
		{"notify: {smtp: {host: h, from: a@example.test, to: [a@example.test], password_file: " + open + "}}", "notify.smtp.password_file", "chmod 600"},
		{"notify: {webhooks: [{name: a, url: 'http://h.example.test/'}]}", "notify.webhooks[0].url", "want https"},
		{"notify: {webhooks: [{name: a, url: 'https://127.0.0.1/'}]}", "notify.webhooks[0].url", "this machine"},
		{"notify: {webhooks: [{name: a, url: 'https://h.example.test/'}]}", "notify.webhooks[0].secret_file", "key to sign"},
		{"notify: {webhooks: [{url: 'https://h.example.test/'}]}", "notify.webhooks[0].name", "name of its own"},
	} {
		loaded, err := config.Load(config.Input{Path: file(t, c.in)})
		if err != nil {
			t.Errorf("Load(%q): %v", c.in, err)
			continue
		}
		problems := loaded.Check()
		i := slices.IndexFunc(problems, func(p config.Problem) bool { return p.Key == c.key && strings.Contains(p.What.En, c.want) })
		if i < 0 {
			t.Errorf("Check(%q) = %+v; want %s: %s", c.in, problems, c.key, c.want)
			continue
		}
		if problems[i].What.Ja == "" || problems[i].Source == "" {
			t.Errorf("Check(%q): %+v lacks its Japanese or its origin", c.in, problems[i])
		}
	}
	defaults, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if p := defaults.Check(); len(p) != 0 {
		t.Errorf("the defaults have problems: %+v", p)
	}
}

// docs/config.md cannot lie, and its example works.
func TestDocumentIsCurrent(t *testing.T) {
	b, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(b), config.Markdown()) {
		t.Errorf("docs/config.md is old: run make generate")
	}
	c, err := config.Load(config.Input{Path: file(t, config.Example)})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Check() {
		// the example's files do not exist on this machine; nothing else may be wrong with it
		if !strings.Contains(p.What.En, "cannot be read") && !strings.Contains(p.What.En, "no folder") {
			t.Errorf("the example: %+v", p)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "server.yaml")
	if got := config.Find(dir); got == want {
		t.Errorf("Find(%s) = %s before it exists", dir, got)
	}
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := config.Find(dir); got != want {
		t.Errorf("Find(%s) = %q; want %s", dir, got, want)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(config.Example))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("notify: {webhooks: [{}, {}]}"))
	f.Add([]byte("? [a]\n: b"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "server.yaml")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Input{Path: path})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := c.Print(&out, "en"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(config.Input{Path: path}); err != nil {
			t.Fatalf("printed configuration cannot be read: %v\n%s", err, out.String())
		}
	})
}

func ExampleLoad() {
	c, err := config.Load(config.Input{Flags: map[string][]string{"retention_days": {"90"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.RetentionDays, c.Sources["retention_days"], c.Listen)
	_, err = config.Load(config.Input{Flags: map[string][]string{"retention": {"90"}}})
	fmt.Println(err)
	// Output:
	// 90 flag 127.0.0.1:8443
	// no key is called retention: did you mean retention_days?
}
