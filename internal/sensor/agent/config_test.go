package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/settings"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigIsStrict(t *testing.T) {
	for text, says := range map[string]string{
		"":                                "",
		"data: /x\nforbid: [C3, kill]\n":  "",
		"spool_max_bytes: 1048576\n":      "",
		"spool_max_bytes: 1GiB\n":         "",
		"proxy:\nforbid:\n#  - C3\n":      "", // such files are on hosts
		"dta: /x\n":                       ":1: no key is called dta: did you mean data?",
		"data: /x\ndata: /y\n":            ":2: data stands twice",
		"data: \"\"\n":                    ":1: data: is empty: name the sensor's folder",
		"- a\n":                           "wants keys with values",
		"spool_max_bytes: many\n":         ":1: spool_max_bytes: \"many\" is no size",
		"spool_max_bytes: 5\n":            "5 is less than 1MiB",
		"forbid:\n- kill\n- everything\n": ":3: forbid[1]: \"everything\" is neither a verb nor a class C0 to C4",
		"forbid: C3\n":                    ":1: forbid wants a list",
		"data: [\n":                       "sensor.yaml: ",
		"log_level: loud\n":               "none of debug, info, warn, error",
		"proxy_pasword_file: x\n":         "did you mean proxy_password_file?",
		strings.Repeat("#", 1<<20) + "\n": "this is no configuration file",
	} {
		_, err := LoadConfig(configFile(t, text), true, nil)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("LoadConfig(%.30q) = %v; want %q", text, err, says)
		}
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := LoadConfig(missing, true, nil); err == nil {
		t.Error("a file that was named may be missing")
	}
	if c, err := LoadConfig(missing, false, nil); err != nil || c.File != "" || c.Data != "/var/lib/yagura-sensor" || c.SpoolMaxBytes != 512<<20 || c.LogLevel != "info" {
		t.Errorf("without a file: %+v, %v", c, err)
	}
}

// A flag takes the place of what the file says; a veto of the file stays.
func TestFlagsWinButVetoesStay(t *testing.T) {
	path := configFile(t, "log_level: warn\nproxy: http://p:1\nforbid: [C3]\n")
	c, err := LoadConfig(path, true, map[string][]string{"log_level": {"debug"}, "proxy": {""}, "forbid": {"kill"}})
	if err != nil || c.LogLevel != "debug" || c.Proxy != "" || !slices.Equal(c.Forbid, []string{"C3", "kill"}) {
		t.Errorf("LoadConfig = %+v, %v", c, err)
	}
	_, err = LoadConfig(path, true, map[string][]string{"forbid": {"dance"}, "data": {""}})
	want := "--data: 空です。センサーのフォルダーを指定してください\n--forbid: \"dance\" は、アクションの名前でもクラス C0〜C4 でもありません"
	if err == nil || settings.Explain(err, "ja") != want {
		t.Errorf("LoadConfig = %v; want in Japanese %s", err, want)
	}
}

func TestCheckOfConfigFindsWhatWillNotWork(t *testing.T) {
	for _, c := range []struct{ in, key, want string }{
		{"proxy: ftp://u:TOPSECRET@h\n", "proxy", "http://HOST:PORT"},
		{"proxy_user: u\n", "proxy", "is empty"},
		{"proxy: p:1\nproxy_password_file: /nonexistent\n", "proxy_password_file", "cannot be read"},
		{"cgroup: /nonexistent\n", "cgroup", "no folder"},
	} {
		conf, err := LoadConfig(configFile(t, c.in), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		problems := conf.Check()
		if len(problems) != 1 || problems[0].Key != c.key || !strings.Contains(problems[0].What.En, c.want) || problems[0].What.Ja == "" || problems[0].Source == "" || strings.Contains(problems[0].What.En, "TOPSECRET") {
			t.Errorf("Check(%q) = %+v; want %s: %s", c.in, problems, c.key, c.want)
		}
	}
	c := Defaults()
	if p := c.Check(); len(p) != 0 {
		t.Errorf("the defaults have problems: %+v", p)
	}
}
