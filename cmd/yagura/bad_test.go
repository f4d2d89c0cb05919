package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOneClearSentence is what a person reads when something is wrong: what, where, what to do, and the
// exit code that scripts read.
func TestOneClearSentence(t *testing.T) {
	needRoot(t)
	h := startHouse(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	fresh := filepath.Join(t.TempDir(), "other")
	notRules := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a second server on the same data", []string{"up", "--data", h.data}, exitFailed, "is in use by process"},
		{"the console's port is taken", []string{"up", "--data", fresh, "--listen", taken.Addr().String()}, exitFailed, "choose one with --listen"},
		{"the sensors' port is taken", []string{"up", "--data", fresh, "--listen", freePort(t), "--sensor-listen", taken.Addr().String()}, exitFailed, "choose one with --sensor-listen"},
		{"a console for the whole network", []string{"up", "--data", fresh, "--listen", "0.0.0.0:0"}, exitFailed, "loopback"},
		{"a folder of rules that is not there", []string{"up", "--data", fresh, "--listen", freePort(t), "--sensor-listen", freePort(t), "--rules", notRules}, exitFailed, "missing"},
		{"no server", []string{"--data", filepath.Join(t.TempDir(), "nothing"), "incidents"}, exitFailed, " up`, or name its folder"},
		{"an unknown verb", []string{"incident"}, exitUsage, "incidents"},
		{"an unknown incident", []string{"--data", h.data, "incidents", "show", "i-01900000-0000-7000-8000-000000000000"}, exitFailed, "no such incident"},
		{"what is no process", []string{"--data", h.data, "respond", "kill", "4711"}, exitUsage, "HOST/p-"},
		{"what is no process, for the tree", []string{"--data", h.data, "tree", "4711"}, exitUsage, "HOST/p-"},
		{"what is no incident", []string{"--data", h.data, "incidents", "show", "i-1"}, exitUsage, "incidents` lists them"},
		{"detections of what is no incident", []string{"--data", h.data, "detections", "--incident", "4711"}, exitUsage, "incidents` lists them"},
		{"detections of an unknown incident", []string{"--data", h.data, "detections", "--incident", "i-01900000-0000-7000-8000-000000000000"}, exitFailed, "no such incident"},
		{"what is no event", []string{"--data", h.data, "events", "list", "4711"}, exitUsage, "4711"},
		{"a host that is not there", []string{"--data", h.data, "respond", "isolate", "nobody"}, exitUsage, "hosts` lists them"},
		{"a recording that is none", []string{"--data", h.data, "replay", "/proc/version"}, exitFailed, "text that is no JSON is not taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(h.bin, "yagura"), c.args...)
			cmd.Env = append(os.Environ(), "LANG=C.UTF-8")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d; want %d", got, c.code)
			}
			if !strings.Contains(out.String(), c.says) {
				t.Errorf("said %q; want %q in it", out.String(), c.says)
			}
			if strings.Contains(out.String(), "panic") || strings.Contains(out.String(), "goroutine") {
				t.Errorf("a stack instead of a sentence:\n%s", out.String())
			}
		})
	}
}

// TestWithoutRootTheServerSaysThatNothingIsWatched runs up as an ordinary user without sudo.
func TestWithoutRootTheServerSaysThatNothingIsWatched(t *testing.T) {
	needRoot(t)
	bin := binaries(t)
	dir, err := os.MkdirTemp("", "yagura-user-") //nolint:usetesting // t.TempDir lies in a folder that the other user may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// The programs must be reachable for that user, and the folder be theirs.
	for _, name := range []string{"yagura", "yagura-sensor"} {
		b, err := os.ReadFile(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "yagura"), "up", "--data", filepath.Join(dir, "data"), "--listen", freePort(t), "--sensor-listen", freePort(t), "--ready-file", filepath.Join(dir, "ready"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Env = []string{"PATH=" + dir, "LANG=C.UTF-8"} // no sudo on this path
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	h := &house{t: t, bin: dir, data: filepath.Join(dir, "data")}
	h.eventually(30*time.Second, "the server is ready and says that it watches nothing", func() error {
		if _, err := os.Stat(filepath.Join(dir, "ready")); err != nil {
			return fmt.Errorf("%w: %s", err, out.String())
		}
		if !strings.Contains(out.String(), "NOT watched") {
			return fmt.Errorf("said %q", out.String())
		}
		return nil
	})
	if out := h.cli(exitFailed, "doctor"); !strings.Contains(out, "not watched") {
		t.Errorf("doctor says %q; want that this host is not watched", out)
	}
}

// TestHostileNames sends names of any bytes through the whole path: unharmed in the store, harmless on screen.
func TestHostileNames(t *testing.T) {
	needRoot(t)
	h := startHouse(t)
	h.reporting()
	dir := t.TempDir()
	names := []string{
		"\xff\xfe", "line\nfeed", "\x1b[31mred", "\u202egnp.exe", "\xc6\xfc\xcb\xdc\xb8\xec", // EUC-JP
		"\x93\xfa\x96\x7b\x8c\xea\x5c", // CP932 with 0x5C as a second byte
		"<img src=x onerror=alert(1)>", strings.Repeat("n", 255),
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = exec.Command("/bin/true", name).Run()
	}
	for _, name := range names {
		h.eventually(20*time.Second, fmt.Sprintf("the exec with argument %q is found again", name), func() error {
			out := h.cli(exitOK, "events", "list", "--kind", "process.exec", "--limit", "5000", "--json")
			if !strings.Contains(out, jsonText("/bin/true "+name)) {
				return fmt.Errorf("not among %d bytes of answer", len(out))
			}
			return nil
		})
	}
	text := h.cli(exitOK, "events", "list", "--kind", "process.exec", "--limit", "5000")
	for _, bad := range []string{"\x1b", "\u202e", "\xff"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q reaches the terminal", bad)
		}
	}
}
