package sight

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestNumberOfAProcessInAContainerIsNotTheHosts(t *testing.T) {
	proc := t.TempDir()
	for pid, p := range map[string]struct{ ns, numbers string }{
		"self": {"pid:[1]", "100"}, "59": {"pid:[1]", "59"}, "700": {"pid:[2]", "700\t58"}, "701": {"pid:[2]", "701\t59"}, "702": {"pid:[3]", "702\t59"},
	} {
		if err := os.MkdirAll(filepath.Join(proc, pid, "ns"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(p.ns, filepath.Join(proc, pid, "ns/pid")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "status"), []byte("Name:\tx\nNSpid:\t"+p.numbers+"\nNSpgid:\t1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ actor, n, want uint64 }{
		{700, 59, 701}, // its neighbour, not the host's 59, nor that of another container
		{702, 59, 702},
		{700, 12, 0},   // not found: no wrong one is named
		{59, 700, 700}, // of the host
		{999, 59, 59},  // has gone
	} {
		if got := hostPID(proc, c.actor, c.n); got != c.want {
			t.Errorf("hostPID(%d, %d) = %d; want %d", c.actor, c.n, got, c.want)
		}
	}
}

// Of processes in other namespaces nothing but the namespace is read: a host has thousands, and the drain waits.
func TestNumberIsLookedForInItsNamespaceOnly(t *testing.T) {
	proc := t.TempDir()
	for pid, ns := range map[string]string{"self": "pid:[1]", "58": "pid:[1]", "699": "pid:[3]", "700": "pid:[2]", "701": "pid:[2]"} {
		if err := os.MkdirAll(filepath.Join(proc, pid, "ns"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(ns, filepath.Join(proc, pid, "ns/pid")); err != nil {
			t.Fatal(err)
		}
		status := filepath.Join(proc, pid, "status")
		if ns != "pid:[2]" { // who opens it waits
			if err := syscall.Mkfifo(status, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(status, []byte("Name:\tx\nNSpid:\t"+pid+"\t"+map[string]string{"700": "58", "701": "59"}[pid]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan uint64, 1)
	go func() { got <- hostPID(proc, 700, 59) }()
	select {
	case n := <-got:
		if n != 701 {
			t.Errorf("hostPID = %d; want 701", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("it reads the status of a process in another namespace")
	}
}
