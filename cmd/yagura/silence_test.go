package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAFrozenSensorIsSeen stops the sensor without ending it, as an attacker would: within 90 s the host is
// silent, with the time since when, and it reports again once the sensor goes on.
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
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.reporting()
}
