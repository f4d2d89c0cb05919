package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/terminal"
)

// english finds three English words in a row, which no data of the walk below is.
var english = regexp.MustCompile(`(?:^|[^A-Za-z0-9_./=-])[A-Za-z][a-z']+ [a-z][a-z']* [a-z][a-z']+`)

// data is what may stand on a Japanese screen as it is: commands, what a host said, names, values of a configuration.
var data = []*regexp.Regexp{
	regexp.MustCompile("`[^`]*`"),
	regexp.MustCompile("使い方: .*"),
	regexp.MustCompile(`\(Yagura[^)]*\)|（Yagura[^）]*）`),
	regexp.MustCompile(`T\d{4}(\.\d{3})?[^。]*`),
	regexp.MustCompile(`sh -c curl.*|curl -so.*|convert a\.png.*|/opt/app/httpd -p 8080`),
	regexp.MustCompile(`from a pipe|reason for [A-Za-z-]+|the nightly backup|patch day, announced|the user says it was not her|seen again|looking into it|reverse shell`),
	regexp.MustCompile(`[a-z_]+: [a-z0-9]+.*# (default|flag).*`),
}

// narrow is a parenthesis of Latin text that touches Japanese text, or a process of ours in such a pair.
var narrow = regexp.MustCompile(`[ぁ-んァ-ヶ一-鿿]\(|\([ぁ-んァ-ヶ一-鿿]|[ぁ-んァ-ヶ一-鿿]\)|\)[ぁ-んァ-ヶ一-鿿]|\(pid \d+\)`)

// TestNothingIsEnglishOnAJapaneseScreen walks every verb with LANG=ja_JP.UTF-8: its help, its mistakes, its errors
// without a server, and its answers on a server with an attack on it.
func TestNothingIsEnglishOnAJapaneseScreen(t *testing.T) {
	c := newCounter(t)
	look := func(args ...string) {
		t.Helper()
		out, errOut, code := c.here(t, args...)
		for line := range strings.Lines(out + "\n" + errOut) {
			if strings.Contains(line, filepath.Dir(os.Args[0])+"/yagura ") && !strings.Contains(line, "`") || strings.HasPrefix(strings.TrimSpace(line), "'"+c.program) || strings.HasPrefix(strings.TrimSpace(line), "time=") {
				if _, note, ok := strings.Cut(line, "  # "); ok {
					line = note
				} else {
					continue
				}
			}
			rest := line
			for _, d := range data {
				rest = d.ReplaceAllString(rest, "")
			}
			if m := english.FindString(rest); m != "" {
				t.Errorf("yagura %s (exit %d): %q in %s", strings.Join(args, " "), code, strings.TrimSpace(m), line)
			}
			if m := narrow.FindString(rest); m != "" {
				t.Errorf("yagura %s (exit %d): narrow parentheses beside Japanese text, %q in %s", strings.Join(args, " "), code, m, line)
			}
		}
	}
	nowhere := t.TempDir()
	process := "web-07/p-aadgbc7pzteqaaaaabsqaaaabe"
	for _, v := range helpOf(t) {
		look(append(v, "--help")...)
		look(append(v, "--no-such-flag")...)
		look(append(v, "one", "two", "three", "--data", nowhere)...)
		switch strings.Join(v, " ") {
		case "up", "server", "replay":
		default:
			look(append(v, "--data", nowhere)...)
		}
	}
	for _, args := range [][]string{
		{"incidents", "show", "last"},
		{"incidents", "--state", "bad"},
		{"incidents", "close", "last"},
		{"incidents", "close", "last", "--verdict", "bad"},
		{"incidents", "close", "last", "--verdict", "BTP"},
		{"incidents", "close", "last", "--verdict", "BTP", "--reason", "許可済み"},
		{"incidents", "claim", "last"},
		{"incidents", "--state", "closed"},
		{"incidents", "show", "last"},
		{"incidents", "reopen", "last"},
		{"incidents", "reopen", "last"},
		{"incidents", "note", "last", " "},
		{"incidents", "note", "last", strings.Repeat("あ", 5000)},
		{"incidents", "show", "i-01900000-0000-7000-8000-000000000000"},
		{"detections", "--severity", "bad"},
		{"detections", "--incident", "last"},
		{"tree", "last"},
		{"tree", "--incident", "last"},
		{"tree", process},
		{"tree", "h-1/p-2"},
		{"tree", "web-07/p-2"},
		{"events", "list", "--limit", "3"},
		{"events", "list", "--from", "yesterday"},
		{"events", "list", "no-event"},
		{"events", "list", "--host", "nobody"},
		{"events", "list", "--kind", "no.kind"},
		{"events", "tail", "--limit", "x"},
		{"hosts", "--all"},
		{"hosts", "show", "web-07"},
		{"enroll", "token"},
		{"enroll", "token", "--this-host"},
		{"enroll", "list"},
		{"enroll", "token", "--ttl", "30h"},
		{"enroll", "token", "--uses", "0"},
		{"respond", "suspend", process, "--wait", "300ms"},
		{"respond", "kill", process, "--wait", "0"},
		{"respond", "isolate", "web-07", "--for", "400h"},
		{"respond", "release", "web-07", "--wait", "0"},
		{"respond", "kill", "p-1"},
		{"actions"},
		{"actions", "show", "last"},
		{"actions", "show", "a-1"},
		{"rules", "list", "--local"},
		{"rules", "check", "--rules", "/nonexistent"},
		{"rules", "test", "/nonexistent"},
		{"doctor"},
		{"doctor", "--notify"},
		{"config", "check", "--hostname", "https://x"},
		{"config", "check", "--listen", "0.0.0.0:1"},
		{"config", "print", "--retention-days", "x"},
		{"server"},
		{"authority", "show"},
		{"authority", "renew", "--key", "/nonexistent/authority.key"},
		{"authority", "remove", "0123456789abcdef"},
		{"authority", "remove", "0123456789abcdef", "--new", "/nonexistent/x.key"},
		{"respond", "isolate", "web-07", "--operator-key", "/nonexistent/operator.key"},
		{"config", "check", "--config", "/nonexistent.yaml"},
		{"config", "check", "--config", "/proc/version/server.yaml"},
		{"sign-in"},
		{"version"},
	} {
		look(args...)
	}
	// a person gave the host by its name, and the answer spoke of an id
	if out, errOut, _ := c.here(t, "respond", "suspend", process, "--wait", "300ms", "--reason", "確認中"); !strings.Contains(out, process) || !strings.Contains(errOut, "web-07") || strings.Contains(out+errOut, "h-") {
		t.Errorf("respond suspend %s: %s%s", process, out, errOut)
	}
	// an order to a recording was said to wait for an answer that nothing will give
	if out, errOut, code := c.here(t, "respond", "isolate", "web-07", "--wait", "300ms"); code != exitPartial || !strings.Contains(errOut, "再生した記録") {
		t.Errorf("an order to a recording: exit %d, %s%s", code, out, errOut)
	}
	// a folder that is not there, two levels deep: its advice was cut off from its error and stayed English
	if out, errOut, _ := c.here(t, "authority", "move", nowhere+"/no/usb"); !strings.Contains(errOut, "フォルダーを作るか、ディスクをマウント") {
		t.Errorf("authority move into nothing: %s%s", out, errOut)
	}
	// doctor --notify said nothing at all of notices when no channel is set up
	if out, _, _ := c.here(t, "doctor", "--notify"); !strings.Contains(out, "誰にも通知されません") {
		t.Errorf("doctor --notify without a channel: %s", out)
	}
	out, _, _ := c.here(t, "hosts", "show", "web-07")
	facts, _, _ := strings.Cut(out, "\n\n")
	at := map[int]string{} // where the values begin, by column of the screen
	for line := range strings.Lines(facts) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "  "), "  "); ok && strings.HasPrefix(line, "  ") {
			at[terminal.Width(name)+2+len(value)-len(strings.TrimLeft(value, " "))] = line
		}
	}
	if len(at) != 1 {
		t.Errorf("the values of hosts show stand in %d columns: %v\n%s", len(at), at, out)
	}
}
