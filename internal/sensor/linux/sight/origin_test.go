package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// Brought, then run: whoever wrote the bytes stands beside the exec, however they are started.
func TestExecSaysWhoWroteWhatItRuns(t *testing.T) {
	w := watch(t)
	for _, c := range []struct {
		name, line   string
		run          string // path or command line of the exec that is meant ends so
		writer, with string
	}{
		{"copied", "cp /usr/bin/true prog; ./prog", "/prog", "/usr/bin/cp", "cp /usr/bin/true prog"},
		{"redirected", "cat /usr/bin/true > prog; chmod +x prog; ./prog", "/prog", "/usr/bin/cat", "cat /usr/bin/true"},
		{"redirected by a shell that becomes it", "(exec cat /usr/bin/true > prog); chmod +x prog; ./prog", "/prog", "/usr/bin/cat", "cat /usr/bin/true"},
		{"decoded", "base64 /usr/bin/true > t; base64 -d t > prog; chmod +x prog; ./prog", "/prog", "/usr/bin/base64", "base64 -d t"},
		{"written by dd", "dd if=/usr/bin/true of=prog 2>/dev/null; chmod +x prog; ./prog", "/prog", "/usr/bin/dd", "dd if=/usr/bin/true of=prog"},
		{"moved into place", "cat /usr/bin/true > part; mv part prog; chmod +x prog; ./prog", "/prog", "/usr/bin/cat", "cat /usr/bin/true"},
		{"a script by its name", "printf '#!/bin/sh\\ntrue\\n' | tee job > /dev/null; chmod +x job; ./job", "/job", "/usr/bin/tee", "tee job"},
		{"a script as an argument", "echo true | tee job > /dev/null; sh job", "sh job", "/usr/bin/tee", "tee job"},
		{"a script as an argument behind options", "echo true | tee job > /dev/null; sh -e ./job now", "sh -e ./job now", "/usr/bin/tee", "tee job"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command("/usr/bin/bash", "-c", c.line)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			e := w.find(t, "exec", func(e *event.Event) bool {
				return e.Kind == event.ProcessExec && e.Actor.Cwd == dir && (strings.HasSuffix(e.Actor.Path, c.run) || strings.HasSuffix(e.Actor.Invoked, c.run) || e.Actor.CommandLine == c.run)
			})
			if e.WriterPath != c.writer || e.WriterCommandLine != c.with || e.WriterAge == 0 || e.WriterAge > 20e9 {
				t.Errorf("written by %q (%q) %d ns ago; want %q (%q)", e.WriterPath, e.WriterCommandLine, e.WriterAge, c.writer, c.with)
			}
		})
	}
}

func TestExecOfAnOldProgramHasNoWriter(t *testing.T) {
	w := watch(t)
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if e := w.exec(t, cmd.Process.Pid); e.WriterPath != "" || e.WriterAge != 0 {
		t.Errorf("written by %q", e.WriterPath)
	}
}

// dpkg really installs a package here, into a database of its own that lies over the host's.
func TestPackageManagerIsKnownByIdentity(t *testing.T) {
	w := watch(t)
	for _, need := range []string{"dpkg", "dpkg-deb", "unshare", "mount"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	for _, d := range []string{"p/DEBIAN", "base"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	control := "Package: yagura-lineage-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.test>\nDescription: test\n"
	script := "#!/bin/sh\ntouch " + dir + "/by-script\n(sleep 1; touch " + dir + "/by-orphan) > /dev/null 2>&1 < /dev/null &\n"
	for name, content := range map[string]string{"p/DEBIAN/control": control, "p/DEBIAN/postinst": script} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	line := "mount -t tmpfs none base && mkdir base/up base/work && mount -t overlay overlay -o lowerdir=/var/lib/dpkg,upperdir=base/up,workdir=base/work /var/lib/dpkg && " +
		"dpkg-deb -b p p.deb && dpkg -i p.deb && while [ ! -e by-orphan ]; do sleep 0.1; done"
	cmd := exec.Command("unshare", "-m", "sh", "-c", line)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("dpkg cannot install here: %v\n%s", err, out)
	}
	for name, want := range map[string]bool{"by-script": true, "by-orphan": false} {
		e := w.find(t, name, func(e *event.Event) bool { return e.Kind == event.FileCreate && e.File.Path == dir+"/"+name })
		if slices.Contains(e.Lineage, "package-manager") != want || e.Flags&event.FlagJudged == 0 {
			t.Errorf("%s: lineage %q, flags %x, parent %q", name, e.Lineage, e.Flags, e.Parent.Path)
		}
	}

	// A copy of a shell in the manager's place of another folder, the trick that turned off 37 rules.
	place := filepath.Join(dir, "usr", "bin")
	if err := os.MkdirAll(place, 0o755); err != nil {
		t.Fatal(err)
	}
	shell, err := os.ReadFile("/usr/bin/dash")
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(place, "rpm"), shell, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(place, "rpm"), "-c", "touch "+dir+"/by-imitator; :").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e := w.find(t, "by-imitator", func(e *event.Event) bool { return e.Kind == event.FileCreate && e.File.Path == dir+"/by-imitator" })
	if len(e.Lineage) != 0 || e.Parent.Path != filepath.Join(place, "rpm") {
		t.Errorf("imitator: lineage %q, parent %q", e.Lineage, e.Parent.Path)
	}
}
