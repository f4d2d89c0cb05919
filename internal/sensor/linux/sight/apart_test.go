package sight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

func TestMemoryOpenedInAContainerNamesTheRightProcess(t *testing.T) {
	w := watch(t)
	script := "sleep 60 & victim=$!; sleep 0.5; bash -c \"exec 3<>/proc/$victim/mem; read -t 3 < <(sleep 3)\"; kill $victim"
	if out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "bash", "-c", script).CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v\n%s", err, out)
	}
	e := w.find(t, "mem.proc_write", func(e *event.Event) bool { return e.Kind == event.MemProcWrite })
	if filepath.Base(e.Target.Path) != "sleep" {
		t.Errorf("target %d %q by %q", e.Target.PID, e.Target.Path, e.File.Path)
	}
}

// A folder that became the root of a namespace: its dpkg has the role for what lies in it, and for nothing that is mounted into it.
func TestManagerOfAFolderThatBecameARoot(t *testing.T) {
	w := watch(t)
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "r")
	script := `set -e
mkdir -p host "$0/usr/bin" "$0/etc/mounted" "$0/old" "$0/lib" "$0/lib64" "$0/usr/lib" "$0/dev"
cp -L /usr/bin/bash "$0/usr/bin/dpkg"; cp -L /usr/bin/touch "$0/usr/bin/touch"; chmod 755 "$0" "$0/usr" "$0/usr/bin"
for f in $(ldd /usr/bin/bash /usr/bin/touch | grep -o '/[^ :]*' | grep '\.so'); do mkdir -p "$0$(dirname $f)"; cp -nL $f "$0$f"; done
mount --make-rprivate /; mount --bind "$0" "$0"; mount --bind host "$0/etc/mounted"; cd "$0"; pivot_root . old
exec /usr/bin/dpkg -c 'for ((i = 0; i < 400000; i++)); do :; done; /usr/bin/touch /etc/own /etc/mounted/host; :' -i x` // it works for a while before it writes: what lives shorter than it takes to read its mounts has no role
	cmd := exec.Command("unshare", "-m", "bash", "-c", script, root)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("no root of its own here: %v\n%s", err, out)
	}
	for path, want := range map[string]int{"/etc/own": 1, "/etc/mounted/host": 0} {
		e := w.find(t, path, func(e *event.Event) bool { return e.Kind == event.FileCreate && e.File.Path == path })
		if len(e.Lineage) != want || e.Flags&event.FlagJudged == 0 {
			t.Errorf("%s: lineage %q; want %d", path, e.Lineage, want)
		}
	}
}
