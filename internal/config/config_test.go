package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/settings"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeysAreWhole(t *testing.T) {
	seen := map[string]bool{}
	var look func(keys []settings.Key)
	look = func(keys []settings.Key) {
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
	c, err := config.Load(settings.Input{File: path, Flags: map[string][]string{"hostname": {"yagura.example.test"}}})
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
	if _, err := config.Load(settings.Input{File: file(t, b.String())}); err != nil {
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
		loaded, err := config.Load(settings.Input{File: file(t, c.in)})
		if err != nil {
			t.Errorf("Load(%q): %v", c.in, err)
			continue
		}
		problems := loaded.Check()
		i := slices.IndexFunc(problems, func(p settings.Problem) bool { return p.Key == c.key && strings.Contains(p.What.En, c.want) })
		if i < 0 {
			t.Errorf("Check(%q) = %+v; want %s: %s", c.in, problems, c.key, c.want)
			continue
		}
		if problems[i].What.Ja == "" || problems[i].Source == "" {
			t.Errorf("Check(%q): %+v lacks its Japanese or its origin", c.in, problems[i])
		}
	}
	defaults, err := config.Load(settings.Input{})
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
	c, err := config.Load(settings.Input{File: file(t, config.Example)})
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

func ExampleLoad() {
	c, err := config.Load(settings.Input{Flags: map[string][]string{"retention_days": {"90"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.RetentionDays, c.Sources["retention_days"], c.Listen)
	_, err = config.Load(settings.Input{Flags: map[string][]string{"retention": {"90"}}})
	fmt.Println(err)
	// Output:
	// 90 flag 127.0.0.1:8443
	// no key is called retention: did you mean retention_days?
}
