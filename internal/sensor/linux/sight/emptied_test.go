package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
)

// A history or a log is emptied without any tool that says so: the act is the size.
func TestFileThatIsEmptiedIsToldAsSuch(t *testing.T) {
	w := watch(t)
	for _, c := range []struct {
		name, line string
		content    string
		want       bool
	}{
		{"redirected to nothing", "> f", "x", true},
		{"by a builtin", ": > f", "x", true},
		{"by cat", "cat /dev/null > f", "x", true},
		{"by cp", "cp /dev/null f", "x", true},
		{"by tee", "true | tee f", "x", true},
		{"by truncate", "truncate -s 0 f", "x", true},
		{"by truncate of the path", "perl -e 'truncate(\"f\", 0) or die'", "x", true},
		{"written anew", "echo y > f", "x", true},
		{"the second time in a row", "echo a >> f; > f", "x", true},
		{"appended", "echo y >> f", "x", false},
		{"cut to a length", "truncate -s 1 f", "xyz", false},
		{"made by it", "> g; mv g f", "x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if program, _, _ := strings.Cut(c.line, " "); program == "perl" {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(err)
				}
			}
			dir := t.TempDir()
			f := filepath.Join(dir, "f")
			if err := os.WriteFile(f, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/usr/bin/bash", "-c", c.line+"\ntouch end")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			w.find(t, "end", func(e *event.Event) bool {
				return e.Kind == event.FileCreate && e.File.Path == filepath.Join(dir, "end")
			})
			told := func(e *event.Event) bool {
				return e.Kind == event.FileModify && e.File.Path == f && e.Flags&event.FlagEmptied != 0
			}
			if c.want { // what a new program does leaves behind its exec, and that waits for its hash
				w.find(t, "emptying by "+c.line, told)
			} else if w.has(told) {
				t.Errorf("%q is told as emptied", c.line)
			}
		})
	}
	if w.Sight.Names() == probe.NamesKernel { // without trampolines nobody knows what was in a file
		dir := t.TempDir()
		cmd := exec.Command("/usr/bin/bash", "-c", "> "+dir+"/f; > "+dir+"/f; touch "+dir+"/end")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		w.find(t, "end", func(e *event.Event) bool { return e.Kind == event.FileCreate && e.File.Path == dir+"/end" })
		if w.has(func(e *event.Event) bool { return e.File.Path == dir+"/f" && e.Flags&event.FlagEmptied != 0 }) {
			t.Error("a file that was empty is told as emptied")
		}
	}
}

// Who makes more files than his budget allows must not be able to hide what he empties then.
func TestNoiseDoesNotHideAnEmptiedFile(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	f := filepath.Join(dir, "auth.log")
	if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/bash", "-c", "for i in {1..6000}; do echo >n$i; done; > auth.log")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.find(t, "the emptied log", func(e *event.Event) bool {
		return e.Kind == event.FileModify && e.File.Path == f && e.Flags&event.FlagEmptied != 0
	})
}
