package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stops gives the detections of a sensor that was stopped, newest first.
func (h *house) stops() (out []stopTold) {
	h.t.Helper()
	var all []stopTold
	h.json(&all, "detections", "--limit", "200")
	for _, d := range all {
		if d.RuleID == "yagura-sensor-stopped" {
			out = append(out, d)
		}
	}
	return out
}

// onOneLine undoes the folding of lines.
func onOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

type stopTold struct {
	RuleID      string `json:"rule_id"`
	Severity    string `json:"severity"`
	Image       string `json:"image"`
	CommandLine string `json:"command_line"`
	Matched     []struct{ Field, Value string }
}

// A sensor that root asked politely to go was gone in silence: severity low, no detection, no notice.
func TestWhoStopsTheSensorIsNamed(t *testing.T) {
	needRoot(t)
	t.Parallel()
	h := startHouse(t, "--no-sensor", "--seal-interval", "2s")
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"))
	h.reporting()
	end := func(name string) {
		t.Helper()
		if out, err := exec.Command("sh", "-c", fmt.Sprintf("kill -TERM %d; : %s", s.cmd.Process.Pid, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		_ = s.cmd.Wait()
		s.cmd = nil
	}

	end("as-an-upgrade-does")
	s.start()
	h.eventually(time.Minute, "the restart is kept as a low detection", func() error {
		if d := h.stops(); len(d) != 1 || d[0].Severity != "low" || !strings.Contains(d[0].Matched[0].Value, "SIGTERM from") || !strings.Contains(d[0].CommandLine, "as-an-upgrade-does") {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	h.reporting()
	if out := onOneLine(h.doctor()); strings.Contains(out, "nobody had ordered it") {
		t.Errorf("a restart is an alarm:\n%s", out)
	}

	if out := h.cli(exitOK, "respond", "maintenance", h.host().Name, "--for", "10m"); !strings.Contains(out, "may be stopped until") {
		t.Errorf("maintenance: %s", out)
	}
	end("ordered")
	time.Sleep(65 * time.Second)
	if out := onOneLine(h.doctor()); strings.Contains(out, "nobody had ordered it") || !strings.Contains(out, "in a maintenance that") {
		t.Errorf("a stop that was ordered:\n%s", out)
	}
	s.start()
	h.eventually(time.Minute, "it reports again", func() error {
		if x := h.host(); x.State != "reporting" && x.State != "degraded" {
			return fmt.Errorf("%s", x.State)
		}
		return nil
	})
	h.cli(exitOK, "respond", "maintenance", h.host().Name, "--for", "1s")
	time.Sleep(2 * time.Second)

	end("as-an-attacker-does")
	h.eventually(90*time.Second, "the stop is a high detection", func() error {
		if d := h.stops(); len(d) != 2 || d[0].Severity != "high" || !strings.Contains(d[0].CommandLine, "as-an-attacker-does") {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	if out := onOneLine(h.doctor()); !strings.Contains(out, "nobody had ordered it") || !strings.Contains(out, "SIGTERM from") {
		t.Errorf("doctor:\n%s", out)
	}
}
