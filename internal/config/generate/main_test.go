package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/sensor/agent"
)

// TestDocumentIsCurrent: docs/config.md cannot lie, and its examples work.
func TestDocumentIsCurrent(t *testing.T) {
	b, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != page() {
		t.Error("docs/config.md is not what the structures say: run `go run ./internal/config/generate`")
	}
	file := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(file, []byte(agent.Example), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.LoadConfig(file, true, nil); err != nil {
		t.Errorf("the example of the sensor: %v", err)
	}
}

// TestEveryKeyIsDescribed wants a sentence in both languages of each key.
func TestEveryKeyIsDescribed(t *testing.T) {
	for _, k := range agent.Keys() {
		if k.Help.En == "" || k.Help.Ja == "" || strings.HasSuffix(k.Help.En, ".") {
			t.Errorf("key %s: %q, %q", k.Path, k.Help.En, k.Help.Ja)
		}
	}
}
