package durable_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/durable"
)

func TestReplaceLeavesOneWholeFileForItsOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	for _, text := range []string{"first, and longer", "second"} {
		if err := durable.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("read %q, %v; want %q", b, err, text)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
}

func TestReplaceThatFailsLeavesNothingAndNamesThePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{path, filepath.Join(dir, "missing", "file")} {
		if err := durable.Replace(to, []byte("x")); err == nil || !strings.Contains(err.Error(), to) {
			t.Errorf("Replace(%s): %v; want an error that names it", to, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
