package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAFrozenSensorIsSeen stops the sensor without ending it, as an attacker would: within 90 s the host is
// silent, with the time since when, and once the sensor goes on it reports again, and a detection names who froze it.
func TestAFrozenSensorIsSeen(t *testing.T) {
	needRoot(t)
	t.Parallel() // it only waits
	h := startHouse(t)
	h.reporting()
	pid := sensorStatus(h).PID
	if pid == 0 {
		t.Fatal("the sensor's status names no process")
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	frozen := time.Now()
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	h.eventually(90*time.Second, "the host is silent", func() error {
		var hosts []struct {
			State       string `json:"state"`
			SilentSince int64  `json:"silent_since"`
		}
		h.json(&hosts, "hosts")
		if len(hosts) != 1 || hosts[0].State != "silent" || hosts[0].SilentSince == 0 {
			return fmt.Errorf("hosts: %+v", hosts)
		}
		return nil
	})
	t.Logf("silent %.0f s after it was frozen", time.Since(frozen).Seconds())
	if out, _, _ := h.try("doctor"); !strings.Contains(out, "✗") {
		t.Errorf("doctor sees nothing wrong:\n%s", out)
	}
	time.Sleep(time.Until(frozen.Add(65 * time.Second)))
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.reporting()
	h.eventually(time.Minute, "a detection names who froze it", func() error {
		var all []stopTold
		h.json(&all, "detections", "--limit", "200")
		for _, d := range all {
			if d.RuleID == "yagura-sensor-frozen" && d.Severity == "high" && strings.HasPrefix(d.Matched[0].Value, "SIGSTOP from ") && strings.Contains(d.Matched[0].Value, fmt.Sprintf("(pid %d, ", os.Getpid())) {
				t.Logf("%+v", d.Matched)
				return nil
			}
		}
		return fmt.Errorf("%+v", all)
	})
}
