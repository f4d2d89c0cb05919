package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// The same line as one argument of sh -c, as a script, and typed into bash: the act is the pipe, not the text.
func TestWhoReadsWhatAnotherProgramWrites(t *testing.T) {
	w := watch(t)
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	const bash = "/usr/bin/bash"
	for _, c := range []struct {
		name, line    string
		reader        string
		target        string
		upstream      []string
		notInDash     bool
		commandOfPeer string
	}{
		{name: "two programs", line: "cat payload | bash", reader: bash, target: "/usr/bin/cat", upstream: []string{"/usr/bin/cat"}, commandOfPeer: "cat payload"},
		{name: "three programs", line: "base64 payload | base64 -d | bash", reader: bash, target: "/usr/bin/base64", upstream: []string{"/usr/bin/base64", "/usr/bin/base64"}, commandOfPeer: "base64 -d"},
		{name: "a builtin writes", line: "echo true | bash", reader: bash, upstream: nil},
		{name: "a builtin begins", line: "echo dHJ1ZQo= | base64 -d | sh", reader: sh, target: "/usr/bin/base64"},
		{name: "behind a wrapper", line: "cat payload | env X=1 nice bash", reader: bash, target: "/usr/bin/cat", upstream: []string{"/usr/bin/cat"}},
		{name: "a loop writes", line: "while read l; do echo \"$l\"; done < payload | bash", reader: bash},
		{name: "a named pipe", line: "mkfifo f; cat payload > f & bash < f; wait", reader: bash, target: "/usr/bin/cat", upstream: []string{"/usr/bin/cat"}},
		{name: "a substitution", line: "bash <(cat payload)", reader: bash, target: "/usr/bin/cat", notInDash: true},
	} {
		for how, argv := range map[string][]string{"argument": {"-c", c.line}, "script": {"line"}, "input": nil} {
			shell := "/bin/sh"
			if c.notInDash || how == "input" {
				shell = bash
			}
			t.Run(c.name+" by "+how, func(t *testing.T) {
				if _, err := os.Stat("/dev/fd"); err != nil && c.notInDash {
					t.Skip(err)
				}
				dir := t.TempDir()
				for name, text := range map[string]string{"line": c.line + "\n", "payload": "true\n"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command(shell, argv...)
				cmd.Dir = dir
				if how == "input" {
					cmd.Stdin = strings.NewReader(c.line + "\n")
				}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				e := w.find(t, "pipe", func(e *event.Event) bool {
					return e.Kind == event.ProcessPipe && e.Actor.Cwd == dir && e.Actor.Path == c.reader && (c.target == "" || e.Target.Path == c.target)
				})
				if c.target == "" && e.Target.Path != sh && e.Target.Path != bash {
					t.Errorf("the writer is %q; want a shell", e.Target.Path)
				}
				if c.upstream != nil && !slices.Equal(e.Upstream, c.upstream) {
					t.Errorf("Upstream = %q; want %q", e.Upstream, c.upstream)
				}
				if len(e.Upstream) == 0 || e.Upstream[0] != e.Target.Path || e.Target.Key == (event.Key{}) || e.Target.Key == e.Actor.Key {
					t.Errorf("Upstream %q, target %q", e.Upstream, e.Target.Path)
				}
				if c.commandOfPeer != "" && e.Target.CommandLine != c.commandOfPeer {
					t.Errorf("TargetCommandLine = %q; want %q", e.Target.CommandLine, c.commandOfPeer)
				}
			})
		}
	}
}

func TestInputThatIsNoPipeline(t *testing.T) {
	w := watch(t)
	for _, line := range []string{"bash <<< true", "bash <<E\ntrue\nE", "x=$(echo 1); bash -c true", "bash < /dev/null", "echo x | cat | cat > /dev/null"} {
		cmd := exec.Command("/usr/bin/bash", "-c", line)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		end := w.find(t, "exit", func(e *event.Event) bool {
			return e.Kind == event.ProcessExit && e.Actor.PID == uint64(cmd.Process.Pid)
		})
		time.Sleep(300 * time.Millisecond) // longer than a pair waits for the rest of its pipeline
		if w.has(func(e *event.Event) bool {
			return e.Kind == event.ProcessPipe && (e.Parent.Key == end.Actor.Key || e.Actor.Key == end.Actor.Key)
		}) {
			t.Errorf("%q made a process.pipe", line)
		}
	}
}

// The input of the whole script is a pipe that nobody is seen to write, and then nothing happens any more: the pair is told all the same.
func TestPairIsToldWhenNothingFollows(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	cmd := exec.Command("/usr/bin/bash", "-c", "cat - 2>/dev/null | bash")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	w.find(t, "pipe", func(e *event.Event) bool {
		return e.Kind == event.ProcessPipe && e.Actor.Cwd == dir && e.Target.Path == "/usr/bin/cat"
	})
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("told after %v", took)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
