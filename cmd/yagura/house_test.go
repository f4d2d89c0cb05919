package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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

// house is a real `yagura up` of the built programs, on its own data and ports.
type house struct {
	t     *testing.T
	bin   string // folder of the programs
	data  string
	ready ready
	args  []string
	cmd   *exec.Cmd
	log   *os.File
}

// binaries finds bin/ of the tree; make builds it before these tests.
func binaries(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs(cmp.Or(os.Getenv("YAGURA_BIN"), "../../bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"yagura", "yagura-sensor"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Skipf("%s is not built: run these tests with `make test` or `make e2e`", name)
		}
	}
	return bin
}

func needRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end: not with -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: the sensor loads BPF programs")
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		t.Skip("needs a kernel with BTF")
	}
}

// freePort asks the kernel for a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// startHouse runs `yagura up` and waits until it can take events.
func startHouse(t *testing.T, args ...string) *house {
	t.Helper()
	return startHouseIn(t, filepath.Join(t.TempDir(), "data"), args...)
}

func startHouseIn(t *testing.T, data string, args ...string) *house {
	t.Helper()
	h := &house{t: t, bin: binaries(t), data: data}
	h.args = append([]string{"up", "--data", h.data, "--listen", freePort(t), "--sensor-listen", freePort(t)}, args...)
	log, err := os.Create(filepath.Join(t.TempDir(), "up.log"))
	if err != nil {
		t.Fatal(err)
	}
	h.log = log
	h.start()
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			if len(b) > 6000 {
				b = b[len(b)-6000:]
			}
			t.Logf("log of yagura up:\n%s", b)
		}
	})
	return h
}

func (h *house) start() {
	h.t.Helper()
	file := filepath.Join(filepath.Dir(h.data), "ready.json")
	_ = os.Remove(file)
	h.cmd = exec.Command(filepath.Join(h.bin, "yagura"), append(h.args, "--ready-file", file)...)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.eventually(3*time.Minute, "yagura up is ready", func() error {
		b, err := os.ReadFile(file)
		if err != nil {
			if h.cmd.ProcessState != nil {
				return fmt.Errorf("it ended: %v", h.cmd.ProcessState)
			}
			return err
		}
		return json.Unmarshal(b, &h.ready)
	})
}

// stop ends the house as an admin would, with SIGTERM.
func (h *house) stop() {
	if h.cmd == nil || h.cmd.Process == nil {
		return
	}
	endInOrder(h.t, "yagura up", h.cmd)
	h.cmd = nil
}

// endInOrder asks a program to end, with SIGTERM, and gives it 30 s.
func endInOrder(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s after SIGTERM: %v", name, err)
		}
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		t.Errorf("%s did not end within 30 s of SIGTERM, killed: %v", name, <-done)
	}
}

// kill ends the server at once, as a power cut would.
func (h *house) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
	h.cmd = nil
}

// cli runs a verb and gives its standard output; it fails the test on another exit code.
func (h *house) cli(code int, args ...string) string {
	h.t.Helper()
	out, errOut, got := h.try(args...)
	if got != code {
		h.t.Fatalf("yagura %s: exit %d; want %d\n%s%s", strings.Join(args, " "), got, code, out, errOut)
	}
	return out
}

func (h *house) try(args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, "yagura"), append([]string{"--data", h.data}, args...)...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=")
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		return "", err.Error(), -1
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// json runs a verb with --json and reads its answer into v.
func (h *house) json(v any, args ...string) {
	h.t.Helper()
	out := h.cli(exitOK, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		h.t.Fatalf("yagura %s --json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// eventually tries f until it gives nil or the time is over.
func (h *house) eventually(within time.Duration, what string, f func() error) {
	h.t.Helper()
	deadline := time.Now().Add(within)
	var err error
	for time.Now().Before(deadline) {
		if err = f(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	h.t.Fatalf("%s: not within %s: %v", what, within, err)
}

// reporting waits until the local host reports and a canary of it has been seen.
func (h *house) reporting() string {
	h.t.Helper()
	var host string
	h.eventually(3*time.Minute, "the local host reports and its canary arrived", func() error {
		var hosts []struct {
			ID         string `json:"id"`
			State      string `json:"state"`
			LastCanary int64  `json:"last_canary"`
		}
		h.json(&hosts, "hosts")
		for _, x := range hosts {
			if x.State == "reporting" && x.LastCanary > 0 {
				host = x.ID
				return nil
			}
		}
		return fmt.Errorf("hosts: %+v", hosts)
	})
	return host
}
