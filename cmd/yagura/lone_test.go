package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lone is a sensor that runs on its own, as on any host of a fleet: enrolled with a token, and its life does
// not hang on the server's.
type lone struct {
	t    *testing.T
	bin  string
	data string
	args []string
	cmd  *exec.Cmd
	log  *os.File
}

// enrol makes this host known to the house with a token, the way a person does, and starts its sensor.
func (h *house) enrol(data string, args ...string) *lone {
	h.t.Helper()
	var made struct {
		Token string `json:"token"`
	}
	h.json(&made, "enroll", "token", "--this-host")
	log, err := os.Create(filepath.Join(h.t.TempDir(), "sensor.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	s := &lone{t: h.t, bin: filepath.Join(h.bin, "yagura-sensor"), data: data, args: append([]string{"--data", data}, args...), log: log}
	if out, err := s.verb("enroll", made.Token); err != nil {
		h.t.Fatalf("yagura-sensor enroll: %v\n%s", err, out)
	}
	s.start()
	h.t.Cleanup(func() {
		s.stop()
		_ = log.Close()
		if h.t.Failed() {
			b, _ := os.ReadFile(log.Name())
			h.t.Logf("log of yagura-sensor:\n%s", b[max(0, len(b)-6000):])
		}
	})
	return s
}

// verb runs a verb of the sensor on its folder.
func (s *lone) verb(args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), s.bin, append(append([]string{}, s.args...), args...)...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *lone) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.bin, append(append([]string{}, s.args...), "run")...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the sensor at once.
func (s *lone) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// stop ends the sensor in order.
func (s *lone) stop() {
	if s.cmd == nil {
		return
	}
	endInOrder(s.t, "yagura-sensor", s.cmd)
	s.cmd = nil
}

func (s *lone) status() statusJSON { return readStatus(s.data) }

// says waits until the sensor's own status verb, as a person sees it, holds each text.
func (s *lone) says(within time.Duration, texts ...string) string {
	s.t.Helper()
	deadline := time.Now().Add(within)
	for {
		out, _ := s.verb("status") // exit 3 says that something is wrong
		missing := ""
		for _, text := range texts {
			if !strings.Contains(out, text) {
				missing = text
			}
		}
		if missing == "" {
			return out
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("yagura-sensor status does not say %q within %s:\n%s", missing, within, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// hostJSON is a host as `yagura hosts --json` shows it.
type hostJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	State       string `json:"state"`
	LastSeen    int64  `json:"last_seen"`
	LastCanary  int64  `json:"last_canary"`
	SilentSince int64  `json:"silent_since"`
	SpoolEvents uint64 `json:"spool_events"`
	Lost        uint64 `json:"lost_24h"`
	Coverage    []struct {
		Class  string `json:"class"`
		State  string `json:"state"`
		Since  int64  `json:"since"`
		Reason string `json:"reason"`
	} `json:"coverage"`
}

// host gives the only host of the house.
func (h *house) host() hostJSON {
	h.t.Helper()
	var all []hostJSON
	h.json(&all, "hosts", "--all")
	if len(all) != 1 {
		h.t.Fatalf("hosts: %+v; want one", all)
	}
	return all[0]
}

func (h hostJSON) class(name string) (state, reason string, since time.Time) {
	for _, c := range h.Coverage {
		if c.Class == name {
			return c.State, c.Reason, time.UnixMicro(c.Since)
		}
	}
	return "", fmt.Sprintf("no class %s", name), time.Time{}
}

// doctor gives what `yagura doctor` prints; it reads what Home reads.
func (h *house) doctor() string {
	out, _, _ := h.try("doctor")
	return out
}

// wrong gives what doctor finds not in order now, a line each; what is over is not among it.
func (h *house) wrong() string {
	h.t.Helper()
	out, _, _ := h.try("doctor", "--json")
	var checks []struct {
		Name, State string
		What        struct{ En string }
	}
	if err := json.Unmarshal([]byte(out), &checks); err != nil {
		h.t.Fatalf("doctor --json: %v: %s", err, out)
	}
	var lines strings.Builder
	for _, c := range checks {
		if c.State != "ok" {
			fmt.Fprintf(&lines, "%s %s: %s\n", c.State, c.Name, c.What.En)
		}
	}
	return lines.String()
}
