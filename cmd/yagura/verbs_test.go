package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// verbs lists every verb and group of verbs of the grammar.
func verbs(t *testing.T) [][]string {
	t.Helper()
	var c cli
	for _, v := range []*configured{&c.Up.configured, &c.Server.configured, &c.Config.Print.configured, &c.Config.Check.configured} {
		v.enable()
	}
	p, err := kong.New(&c, kong.Vars{"data": ""})
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		if len(path) > 0 {
			out = append(out, path)
		}
		for _, child := range n.Children {
			walk(child, append(append([]string(nil), path...), child.Name))
		}
	}
	walk(p.Model.Node, nil)
	return out
}

func tell(t *testing.T, lang string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	env := func(k string) string { return map[string]string{"LANG": lang, "HOME": t.TempDir()}[k] }
	code = run(t.Context(), args, strings.NewReader(""), &o, &e, env)
	return o.String(), e.String(), code
}

// What people type first is taken: --version and help were "unexpected argument", tail had a limit of another name.
func TestFirstThingsTyped(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"-V"}, {"help"}, {"help", "incidents", "show"}, {"version", "--json"}, {"worker", "--help"}, {"events", "tail", "--help"}, {}} {
		if out, errOut, code := tell(t, "C.UTF-8", args...); code != exitOK || out == "" || errOut != "" {
			t.Errorf("yagura %v: exit %d, %q, %q", args, code, out, errOut)
		}
	}
	if out, _, _ := tell(t, "C.UTF-8", "help", "incidents", "show"); !strings.Contains(out, "yagura incidents show ID") && !strings.Contains(out, "incidents show <id>") {
		t.Errorf("help VERB is not the verb's help: %s", out)
	}
	if _, errOut, code := tell(t, "C.UTF-8", "events", "tail", "--limit", "2", "--data", t.TempDir()); code != exitFailed || !strings.Contains(errOut, "no server runs") {
		t.Errorf("events tail --limit: exit %d, %s", code, errOut)
	}
	if _, errOut, _ := tell(t, "C.UTF-8", "detections", "--severity", "bad"); strings.Contains(errOut, `""`) || !strings.Contains(errOut, `"critical"`) {
		t.Errorf("the error for --severity shows how it is made: %s", errOut)
	}
}

// No example of a help text acts on something that nobody chose.
func TestHelpExamplesKillNothing(t *testing.T) {
	for _, v := range verbs(t) {
		out, _, _ := tell(t, "C.UTF-8", append(v, "--help")...)
		for line := range strings.Lines(out) {
			if strings.Contains(line, "respond") && (strings.Contains(line, "$(") || strings.Contains(line, "last")) {
				t.Errorf("yagura %s --help: this acts on whatever is there: %s", strings.Join(v, " "), line)
			}
		}
	}
}

// Every command of the READMEs and of the first hour is one that this program takes, with its flags.
func TestDocumentedCommandsAreTaken(t *testing.T) {
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	seen := 0
	for _, file := range []string{"README.md", "README.ja.md", "docs/first-hour.md", "docs/ja/first-hour.md"} {
		b, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:^|`)bin/yagura +([a-z][^`\n]*)").FindAllStringSubmatch(string(b), -1) {
			line, _, _ := strings.Cut(m[1], " #")
			var args []string
			for _, w := range word.FindAllString(line, -1) {
				args = append(args, strings.Trim(w, `'"`))
			}
			var c cli
			for _, v := range []*configured{&c.Up.configured, &c.Server.configured, &c.Config.Print.configured, &c.Config.Check.configured} {
				v.enable()
			}
			p, err := kong.New(&c, kong.Vars{"data": ""}, kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Parse(args); err != nil && args[len(args)-1] != "--help" {
				t.Errorf("%s: bin/yagura %s: %v", file, line, err)
			}
			seen++
		}
	}
	if seen < 50 {
		t.Errorf("only %d commands found", seen)
	}
}

// A list that is cut says so: what it leaves out must not look like nothing.
func TestDetectionsSayHowManyAreLeftOut(t *testing.T) {
	c := newCounter(t)
	out, errOut, code := c.in("en", nil, "detections", "--limit", "2")
	if code != exitOK || strings.Count(out, "\n") != 3 || !strings.HasPrefix(errOut, "2 of ") {
		t.Errorf("exit %d, stdout:\n%s\nstderr: %s; want a heading, two rows and how many there are", code, out, errOut)
	}
	if _, errOut, _ := c.in("en", nil, "detections", "--limit", "5000"); errOut != "" {
		t.Errorf("all were shown, and stderr says %q", errOut)
	}
}
