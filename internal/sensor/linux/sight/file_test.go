package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestLifeOfAFile(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "not\xffe.txt")
	other := filepath.Join(dir, "renamed.txt")
	// A shell does each step, so that each has a process of its own.
	sh := func(script string) uint64 {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return uint64(cmd.Process.Pid)
	}
	find := func(kind event.Kind, path string, fits func(*event.Event) bool) *event.Event {
		t.Helper()
		return w.find(t, kind.String()+" of "+path, func(e *event.Event) bool {
			return e.Kind == kind && e.File.Path == path && (fits == nil || fits(e))
		})
	}
	quoted := "'not\xffe.txt'"

	pid := sh("echo one >" + quoted)
	made := find(event.FileCreate, name, nil)
	if made.Actor.PID != pid || made.Flags&event.FlagCreated == 0 || made.Flags&event.FlagUserPointer != 0 || made.File.FileID == "" {
		t.Errorf("create by %d, flags %x, id %q", made.Actor.PID, made.Flags, made.File.FileID)
	}
	pid = sh("echo two >>" + quoted)
	changed := find(event.FileModify, name, func(e *event.Event) bool { return e.Actor.PID == pid })
	if changed.File.FileID != made.File.FileID || changed.File.VolumeID != made.File.VolumeID {
		t.Errorf("ids of the same file: %s and %s", changed.File.FileID, made.File.FileID)
	}
	pid = sh("echo three >" + quoted)
	find(event.FileModify, name, func(e *event.Event) bool { return e.Actor.PID == pid })

	sh("chmod 4755 " + quoted)
	if e := find(event.FileChmod, name, nil); e.File.Mode&0o7777 != 0o4755 {
		t.Errorf("chmod: mode %o", e.File.Mode)
	}
	sh("mv " + quoted + " renamed.txt")
	if e := find(event.FileRename, other, nil); e.OldFile.Path != name {
		t.Errorf("rename from %q, flags %x", e.OldFile.Path, e.Flags)
	}
	sh("ln renamed.txt hard && ln -s ../x/renamed.txt soft")
	if e := find(event.FileLink, filepath.Join(dir, "hard"), nil); e.OldFile.Path != other {
		t.Errorf("hard link to %q", e.OldFile.Path)
	}
	if e := find(event.FileLink, filepath.Join(dir, "soft"), nil); e.OldFile.Path != filepath.Join(filepath.Dir(dir), "x/renamed.txt") {
		t.Errorf("symbolic link to %q", e.OldFile.Path)
	}
	sh("rm renamed.txt")
	find(event.FileDelete, other, nil)
}

func TestReadingASecretIsSeen(t *testing.T) {
	w := watch(t)
	dir := t.TempDir()
	for _, c := range []struct {
		path string
		want bool
	}{
		{"home/.ssh/id_ed25519", true},
		{"home/.kube/config", true},
		{"home/.git/config", false},
		{"home/profile/Login Data", true},
		{"home/id_ed25519.pub", false},
		// Where the links of a pod's token end.
		{"secrets/kubernetes.io/serviceaccount/..2026_11_30_01_02_03.4/token", true},
		{"pods/1/volumes/kubernetes.io~projected/kube-api-access-x/..2026_11_30_01_02_03.4/token", true},
		{"home/serviceaccount/token", false},
	} {
		path := filepath.Join(dir, c.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/cat", path)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		pid := uint64(cmd.Process.Pid)
		// The exit comes behind the read.
		w.find(t, "exit of cat", func(e *event.Event) bool { return e.Kind == event.ProcessExit && e.Actor.PID == pid })
		got := w.has(func(e *event.Event) bool {
			return e.Kind == event.FileReadCredential && e.Actor.PID == pid && e.File.Path == path
		})
		if got != c.want {
			t.Errorf("read of %s seen: %v; want %v", c.path, got, c.want)
		}
	}
}
