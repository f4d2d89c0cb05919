package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A worker is run from a descriptor: ps and top called each of them "3".
func TestPsTellsWhatAWorkerIs(t *testing.T) {
	h := startHouse(t, "--no-sensor")
	h.eventually(20*time.Second, "a worker has its name", func() error {
		var names []string
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", h.cmd.Process.Pid))
		for _, file := range tasks {
			kids, _ := os.ReadFile(file)
			for pid := range strings.FieldsSeq(string(kids)) {
				b, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
				names = append(names, strings.TrimSpace(string(b)))
			}
		}
		if !slices.Contains(names, "yagura-seal") || slices.Contains(names, "3") {
			return fmt.Errorf("the server's children are %q", names)
		}
		return nil
	})
}
