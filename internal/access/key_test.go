package access_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/access"
)

func TestKeyFileIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	made, err := access.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := access.LoadKey(path)
	if err != nil || again != made {
		t.Errorf("second LoadKey gave another key or %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.LoadKey(path); err == nil {
		t.Error("a damaged key file was taken")
	}
}
