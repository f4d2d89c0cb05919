package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/settings"
)

func TestConfigIsPrintedAndChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(file, []byte("proxy: http://u:TOPSECRET@p.example.test:1\nproxy_password_file: /nonexistent\nforbid: [C3]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := call(t, "--config", file, "--forbid", "kill,isolate", "config", "print")
	for _, want := range []string{"proxy: …@p.example.test:1  # " + file + ":1\n", "spool_max_bytes: 512MiB  # default\n", "forbid:  # " + file + ":3, flag\n  - C3\n  - kill\n  - isolate\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("config print = %d, %s; want %q", code, out, want)
		}
	}
	var values map[string]settings.Value
	code, jsonOut, _ := call(t, "--config", file, "config", "print", "--json")
	if err := json.Unmarshal([]byte(jsonOut), &values); err != nil || code != 0 || values["log_level"] != (settings.Value{Value: "info", Source: "default"}) {
		t.Errorf("config print --json = %d, %s: %v", code, jsonOut, err)
	}
	if strings.Contains(out+jsonOut, "TOPSECRET") {
		t.Errorf("the proxy's password is shown: %s%s", out, jsonOut)
	}
	code, out, errOut := call(t, "--config", file, "config", "check")
	if code != 1 || !strings.Contains(out, "proxy_password_file ("+file+":2): cannot be read: open /nonexistent") || !strings.Contains(errOut, "problems in the configuration: 1") {
		t.Errorf("config check = %d, %s%s", code, out, errOut)
	}
}

func TestConfigWithoutProblemsIsAnEmptyList(t *testing.T) {
	if code, out, _ := call(t, "config", "check", "--json", "--config", os.DevNull); code != 0 || out != "[]\n" {
		t.Errorf("config check --json = %d, %q; want []", code, out)
	}
	if code, out, _ := call(t, "config", "check", "--config", os.DevNull); code != 0 || out != "the configuration will work\n" {
		t.Errorf("config check = %d, %q", code, out)
	}
}

// Of several mistakes the first alone was told, and of a flag's not where it stood.
func TestEveryMistakeOfTheConfigurationIsToldInTheLanguageOfTheCaller(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(file, []byte("dta: /x\nforbid: [\"FORGED\\e[2J\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for language, want := range map[string]string{
		"en_US.UTF-8": "yagura-sensor: " + file + ":1: no key is called dta: did you mean data?\n  " + file + ":2: forbid[0]: \"FORGED\\x1b[2J\" is neither a verb nor a class C0 to C4\n  --spool-max-bytes: 5 is less than 1MiB\n",
		"ja_JP.UTF-8": "yagura-sensor: " + file + ":1: dta というキーはありません。data の誤りではありませんか\n  " + file + ":2: forbid[0]: \"FORGED\\x1b[2J\" は、アクションの名前でもクラス C0〜C4 でもありません\n  --spool-max-bytes: 5 は小さすぎます（1MiB 以上）\n",
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), []string{"--config", file, "--spool-max-bytes", "5", "version"}, strings.NewReader(""), &out, &errOut, func(k string) string { return map[string]string{"LANG": language}[k] })
		if code != exitUsage || errOut.String() != want {
			t.Errorf("exit %d: %s; want %s", code, errOut.String(), want)
		}
	}
}
