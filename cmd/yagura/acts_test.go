package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
)

type actionJSON struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Detail      string `json:"detail"`
	Proof       string `json:"proof"`
	ProofSigned bool   `json:"proof_signed"`
}

// childCgroup makes a cgroup2 folder for the test, so that isolation cuts nothing else off.
func childCgroup(t *testing.T) string {
	t.Helper()
	f, err := os.Open("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		part := strings.Fields(sc.Text())
		if len(part) > 2 && part[2] == "cgroup2" {
			dir := filepath.Join(part[1], "yagura-test-"+strconv.Itoa(os.Getpid()))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Skipf("needs a cgroup2 that can be written: %v", err)
			}
			t.Cleanup(func() { _ = os.Remove(dir) })
			return dir
		}
	}
	t.Skip("needs a mounted cgroup2")
	return ""
}

// TestActs orders a kill, an isolation and a release with the operator key of the CLI and reads the host's
// signed proof.
func TestActs(t *testing.T) {
	needRoot(t)
	config := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(config, []byte("cgroup: "+childCgroup(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHouse(t, "--sensor-config", config)
	host := h.reporting()

	victim := exec.Command("/bin/sleep", "300")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	died := make(chan struct{})
	go func() { _ = victim.Wait(); close(died) }()
	t.Cleanup(func() { _ = victim.Process.Kill() })
	var process string
	h.eventually(20*time.Second, "the victim's exec is stored", func() error {
		out := h.cli(exitOK, "events", "list", "--kind", "process.exec", "--limit", "2000", "--json")
		for line := range strings.Lines(out) {
			if strings.Contains(line, fmt.Sprintf(`"actor_pid":"%d"`, victim.Process.Pid)) {
				_, rest, _ := strings.Cut(line, `"process":"`)
				process, _, _ = strings.Cut(rest, `"`)
				return nil
			}
		}
		return fmt.Errorf("not among %d bytes", len(out))
	})
	var a actionJSON
	h.json(&a, "respond", "kill", process, "--reason", "test")
	if a.State != "done" || !a.ProofSigned {
		t.Errorf("kill: %+v; want done with a signed proof", a)
	}
	select {
	case <-died:
	case <-time.After(5 * time.Second):
		t.Error("the process is alive 5 s after a kill that was reported done")
	}
	// The process is gone: the same order again must not hit whoever has its pid now.
	if out, _, code := h.try("respond", "kill", process, "--json"); code == exitOK {
		t.Errorf("killing a process that is gone: exit 0: %s", out)
	}

	// The authority key is not needed for it, and need not be anywhere near.
	h.cli(exitOK, "authority", "move", t.TempDir())
	for _, verb := range []string{"isolate", "release"} {
		h.json(&a, "respond", verb, host, "--reason", "test")
		if a.State != "done" || !a.ProofSigned || a.Proof == "" {
			t.Errorf("%s: %+v; want done with a signed proof", verb, a)
		}
		var hosts []struct {
			Isolated bool `json:"isolated"`
		}
		h.json(&hosts, "hosts")
		if len(hosts) != 1 || hosts[0].Isolated != (verb == "isolate") {
			t.Errorf("after %s hosts says %+v", verb, hosts)
		}
	}
}

// TestServerNeverOpensTheAuthority takes the folder away after the first start: the server must not notice,
// and the CLI must say that it cannot sign.
func TestServerNeverOpensTheAuthority(t *testing.T) {
	needRoot(t)
	h := startHouse(t, "--no-sensor")
	folder := filepath.Join(h.data, "authority")
	if _, err := command.LoadAuthority(folder); err != nil {
		t.Fatalf("the first start made no authority: %v", err)
	}
	h.stop()
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.cli(exitOK, "hosts")
	if _, errOut, code := h.try("respond", "isolate", "h-01900000-0000-7000-8000-000000000000"); code != exitFailed || !strings.Contains(errOut, "operator key") {
		t.Errorf("without its key the CLI says %q, exit %d", errOut, code)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("the server made the authority again")
	}
}

// Who pressed Ctrl+C while an order waited for a silent host read "context canceled", and the order was carried out
// when the host came back.
func TestWhoStopsWaitingIsToldThatTheOrderStands(t *testing.T) {
	c := newSiege(t, "")
	host := c.intrude(t, "asleep").host.String()
	for _, signal := range []string{"INT", "TERM"} {
		said, code := c.shell(fmt.Sprintf("timeout --preserve-status -s %s 4 %s --data %s respond isolate %s --reason drill", signal, c.program, c.data, host))
		if code != exitPartial || strings.Contains(said, "context") || !strings.Contains(said, "the order stands") || !strings.Contains(said, "actions show a-") {
			t.Errorf("SIG%s: exit %d: %s", signal, code, said)
		}
	}
	if listed, _, _ := c.in("en", nil, "actions"); strings.Count(listed, "queued") != 2 {
		t.Errorf("the orders are not listed:\n%s", listed)
	}
}
