package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// steers finds what a terminal would obey, and lines that a text began by itself.
func steers(out string) string {
	if !utf8.ValidString(out) {
		return "no UTF-8"
	}
	for i, r := range out {
		if r != '\n' && !unicode.IsGraphic(r) || r == 0x3164 {
			return out[max(0, i-20):min(len(out), i+20)]
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "FORGED") {
			return line
		}
	}
	return ""
}

// TestNoTextSteersTheTerminal gives every verb hostile texts: what a sensor wrote of itself with what a server and a
// kernel told it, addresses, tokens, names of files.
func TestNoTextSteersTheTerminal(t *testing.T) {
	evil := "a\x1b]0;X\x07\x1b[2J\r\nFORGED\u0085\u009b31m\u202e\u200b\u2028\U000E0041\U0010FE9Bb"
	dir := t.TempDir()
	hour := time.Now().Add(-time.Hour)
	b, err := json.Marshal(agent.Status{
		PID: os.Getpid(), Version: evil, Started: hour, Updated: time.Now(), Host: evil, Tenant: evil, Server: evil, Since: hour, Problem: evil, Stream: evil,
		Spool: spool.Stats{Problem: evil, Tally: ""}, Capabilities: []agent.Capability{{Class: evil, State: evil, Reason: evil}},
		Isolation: sense.Isolation{Active: true, Means: evil, Until: time.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "status.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(dir, "x\x1b[31m\nFORGED\u202e\xff")
	for _, args := range [][]string{
		{"--data", dir, "status"},
		{"--data", dir, "check", "--server", "https://" + evil},
		{"--data", odd, "status"},
		{"--data", odd + "/x", "check"},
		{"--data", dir, "enroll", evil},
		{"--data", dir, "enroll", "--token-file", odd},
		{"--config", odd, "status"},
		{"--config", odd, "unit"},
		{"--data", odd, "unit"},
		{"watch", "--kind", evil},
		{evil},
		{"--" + evil},
		{"--log-level", evil, "status"},
		{"--forbid", evil, "status"},
		{"canary", evil},
		{"help", evil},
		{"--proxy", "http://" + evil, "check"},
	} {
		if testing.Short() && slices.Contains(args, "check") { // it loads probes
			continue
		}
		for _, language := range []string{"C.UTF-8", "ja_JP.UTF-8", "json"} {
			if language == "json" {
				args = append([]string{"--json"}, args...)
			}
			var o, e bytes.Buffer
			run(t.Context(), args, strings.NewReader(""), &o, &e, func(k string) string { return map[string]string{"LANG": language}[k] })
			if s := steers(o.String() + "\n" + e.String()); s != "" {
				t.Errorf("yagura-sensor %q (%s): %q", args, language, s)
			}
			if args[len(args)-1] == "status" && language == "json" && o.Len() > 0 && !json.Valid(o.Bytes()) {
				t.Errorf("yagura-sensor %q: no JSON: %s", args, o.String())
			}
		}
	}
}

// TestALogOfJSONStaysJSON: the log of a sensor that logs as JSON goes through the screen's door.
func TestALogOfJSONStaysJSON(t *testing.T) {
	evil := "a\x1b[31m\u009b\u202e\x7f\xff\n"
	var b bytes.Buffer
	logger(&b, "info", true).InfoContext(t.Context(), "said", slog.String("err", evil))
	if s := steers(b.String()); s != "" || !json.Valid(b.Bytes()) {
		t.Errorf("%q: %q", s, b.String())
	}
}

// TestASensorRefusesAFolderOfMallory: what the sensor writes as root would go where her links lead.
func TestASensorRefusesAFolderOfMallory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a folder away")
	}
	top := t.TempDir()
	secret, data := filepath.Join(top, "secret"), filepath.Join(top, "data")
	if err := errors.Join(os.Mkdir(secret, 0o700), os.Mkdir(data, 0o755), os.Symlink(secret, filepath.Join(data, "identity")), os.Chown(data, 64123, 64123)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"enroll", "yagura1.x"}, {"run", "--token", "yagura1.x"}} {
		code, out, errOut := call(t, append([]string{"--data", data}, args...)...)
		if code != exitFailed || !strings.Contains(errOut, "belongs to user 64123") {
			t.Errorf("yagura-sensor %v = %d, %s%s", args, code, out, errOut)
		}
	}
	if e, _ := os.ReadDir(secret); len(e) != 0 {
		t.Errorf("root's folder holds %v", e)
	}
}
