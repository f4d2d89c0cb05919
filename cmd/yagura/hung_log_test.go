package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// frozenDisk is an ext4 of its own, and what freezes and thaws it: whoever writes to it meanwhile waits.
func frozenDisk(t *testing.T, dir string) (freeze, thaw func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 256<<20), os.MkdirAll(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	must := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("no file system that can be frozen here: %s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
	}
	must("mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", image)
	must("mount", "-o", "loop", image, dir)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	_ = os.Remove(filepath.Join(dir, "lost+found"))
	must("fsfreeze", "--freeze", dir) // whether it can be: before a server hangs on it
	must("fsfreeze", "--unfreeze", dir)
	is := false
	thaw = func() {
		if is {
			is = exec.Command("fsfreeze", "--unfreeze", dir).Run() != nil
		}
	}
	t.Cleanup(thaw) // before the umount
	return func() { must("fsfreeze", "--freeze", dir); is = true }, thaw
}

// TestAServerWhoseLogHangsStartsAnew: the log waits for a disk that does not answer, and nothing in the process can end
// that. The server says so and takes its own place, with the same process number; nothing that was taken is lost.
func TestAServerWhoseLogHangsStartsAnew(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	freeze, thaw := frozenDisk(t, filepath.Join(data, "log"))
	h := startHouseIn(t, data, "--no-sensor", "--seal-interval", "2s")
	pid := h.cmd.Process.Pid
	replay := func(name string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(h.bin, "yagura"), "--data", h.data, "replay", "--now", "--host", "web-07", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"kind":"process.exec","os":"linux","boot_ns":1795000000080000000,"time":1795000000080000,"actor_key":"p-aadgbcybl7geaaaaaazaaaaabe","actor_pid":7,"actor_path":"/usr/bin/%[1]s","actor_command_line":"%[1]s"}`+"\n", name))
		return cmd
	}
	if out, err := replay("before").CombinedOutput(); err != nil {
		t.Fatalf("replay: %v: %s", err, out)
	}
	file := filepath.Join(filepath.Dir(h.data), "ready.json")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	freeze()
	begin := time.Now()
	late := replay("during")
	if err := late.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Process.Kill(); _ = late.Wait() }()
	h.eventually(50*time.Second, "the server says that its log hangs", func() error {
		if said, _ := os.ReadFile(h.log.Name()); !bytes.Contains(said, []byte("hangs and does not end")) {
			return errors.New("not yet")
		}
		return nil
	})
	t.Logf("it said so %.0f s after the disk stopped", time.Since(begin).Seconds())
	thaw()
	h.eventually(30*time.Second, "it is ready again", func() error {
		_, err := os.Stat(file)
		return err
	})
	if b, _ := os.ReadFile(filepath.Join(h.data, "pid")); strings.TrimSpace(string(b)) != fmt.Sprint(pid) {
		t.Errorf("it runs as %s; want %d", b, pid)
	}
	h.eventually(20*time.Second, "what was taken before is there", func() error {
		if out, errOut, code := h.try("events", "list", "--from", "1h"); code != exitOK || !strings.Contains(out, "before (7) started") {
			return fmt.Errorf("exit %d: %s%s", code, out, errOut)
		}
		return nil
	})
}
