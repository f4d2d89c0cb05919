package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/terminal"
)

func call(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &o, &e, func(string) string { return "" })
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("spool_max_byte: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want int
		says string
	}{
		"version":               {[]string{"version"}, 0, ""},
		"--help":                {[]string{"--help"}, 0, ""},
		"unknown verb":          {[]string{"dance"}, 2, "dance"},
		"unknown key, nearest":  {[]string{"--config", bad, "version"}, 2, bad + ":1: no key is called spool_max_byte: did you mean spool_max_bytes?"},
		"config is missing":     {[]string{"--config", filepath.Join(dir, "none"), "version"}, 2, "there is no configuration "},
		"value that cannot be":  {[]string{"--log-level", "loud", "version"}, 2, "--log-level: \"loud\" is none of debug"},
		"not enrolled":          {[]string{"--data", dir, "run"}, 1, " enroll` first"},
		"no token":              {[]string{"--data", dir, "enroll"}, 1, "make one on the server"},
		"broken token":          {[]string{"--data", dir, "enroll", "yagura1.xx"}, 1, "copy it again from `yagura enroll token`\n"},
		"another word":          {[]string{"--data", dir, "enroll", "hunter2"}, 1, "copy it whole from `yagura enroll token`\n"},
		"help":                  {[]string{"help", "enroll"}, 0, ""},
		"--version":             {[]string{"--version"}, 0, ""},
		"no sensor runs":        {[]string{"--data", dir, "status"}, 1, " run`"},
		"kind that is not one":  {[]string{"watch", "--kind", "nonsense"}, 1, "docs/events.md"},
		"canary of nothing":     {[]string{"canary", "x"}, 1, "nonce"},
		"veto of an odd word":   {[]string{"--forbid", "everything", "version"}, 2, "neither a verb nor a class"},
		"canary does its thing": {[]string{"canary", "0123456789abcdef"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := call(t, c.args...)
			if code != c.want || !strings.Contains(err, c.says) {
				t.Errorf("%v = %d, %q %q; want %d and %q", c.args, code, out, err, c.want, c.says)
			}
			if c.want != 0 && strings.Count(strings.TrimSpace(err), "\n") != 0 {
				t.Errorf("more than one sentence: %q", err)
			}
		})
	}
}

// TestADamagedIdentitySaysWhatToDo: what was wrong with it was said in English only, and mostly without a way on.
func TestADamagedIdentitySaysWhatToDo(t *testing.T) {
	for name, content := range map[string]string{"cut off": "{", "emptied": "", "no JSON": "garbage", "of nobody": `{"url":"https://127.0.0.1:1"}`} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			folder := filepath.Join(data, "identity")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, "identity.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			for language, want := range map[string]string{"en_US.UTF-8": "put " + folder + " back from a backup", "ja_JP.UTF-8": folder + " をバックアップから戻すか"} {
				var out bytes.Buffer
				code := run(t.Context(), []string{"--data", data, "run"}, strings.NewReader(""), &out, &out, func(k string) string { return map[string]string{"LANG": language}[k] })
				if code != 1 || !strings.Contains(out.String(), want) || strings.Count(strings.TrimSpace(out.String()), "\n") != 0 {
					t.Errorf("%s: exit %d: %s; want one sentence with %q", language, code, out.String(), want)
				}
			}
		})
	}
}

func TestVersionAndCheckAsJSON(t *testing.T) {
	code, out, _ := call(t, "version", "--json")
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || v["version"] == nil {
		t.Errorf("version --json = %d %q, %v", code, out, err)
	}
	_, out, _ = call(t, "check", "--json", "--data", t.TempDir())
	var table []finding
	if err := json.Unmarshal([]byte(out), &table); err != nil || len(table) < 5 {
		t.Errorf("check --json = %q, %v", out, err)
	}
	for _, f := range table {
		if f.State != "ok" && f.State != "full" && f.Reason == "" {
			t.Errorf("%s is %s without a sentence that says why", f.Name, f.State)
		}
	}
}

// TestEveryKeyIsAFlag holds the command line to the configuration file.
func TestEveryKeyIsAFlag(t *testing.T) {
	_, help, _ := call(t, "run", "--help")
	for _, k := range agent.Keys() {
		if !strings.Contains(help, "--"+k.Flag) {
			t.Errorf("key %s has no flag", k.Path)
		}
	}
}

// TestDeps holds deps.txt to what is linked: its diff is reviewed, because all of it runs as root on
// customers' machines. Write it anew with: go list -deps ./cmd/yagura-sensor, without the standard library.
func TestDeps(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for l := range strings.Lines(string(want)) {
		have[strings.TrimSpace(l)] = true
	}
	for l := range strings.Lines(string(out)) {
		if l = strings.TrimSpace(l); l != "" && !have[l] {
			t.Errorf("%s is linked but not in deps.txt", l)
		}
		delete(have, l)
	}
	for l := range have {
		t.Errorf("%s is in deps.txt but not linked", l)
	}
}

// check named `yagura-sensor run` without the way to it, and a long reason ran over the edge of the screen.
func TestFindingsFitAndTheirCommandsCanBePasted(t *testing.T) {
	var out bytes.Buffer
	const program = "sudo '/opt/y x/bin/yagura-sensor' --data /srv/sensor"
	s := &shell{out: &out, tongue: terminal.NewTongue("en"), paste: terminal.Commands{Sensor: program}}
	s.findings([]finding{
		{"root", "ok", ""},
		{"names", "ok", "of files renamed, removed, linked or changed by path: from the kernel; of a file of several names (hard links) that is changed or linked, the last one is what the caller wrote, and marked so"},
		{"identity", "warn", "this host is not enrolled: run `sudo yagura-sensor enroll` first"},
	})
	if !strings.Contains(out.String(), "`"+program+" enroll`") {
		t.Errorf("the command is not as it can be pasted:\n%s", out.String())
	}
	for l := range strings.Lines(out.String()) {
		if l = strings.TrimSuffix(l, "\n"); terminal.Width(l) > 100 || strings.HasSuffix(l, " ") {
			t.Errorf("%q has %d columns, or ends in a blank", l, terminal.Width(l))
		}
	}
}
