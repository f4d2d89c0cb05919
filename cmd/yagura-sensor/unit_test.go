package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Home advised systemctl status of a unit that no file of the project made.
func TestUnitRunsThisFile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "a %b $c")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := call(t, "--data", data, "unit")
	self, _ := os.Executable()
	if code != 0 || !strings.Contains(out, "ExecStart="+self) || !strings.Contains(out, ` --data "`+strings.NewReplacer("%", "%%", "$", "$$").Replace(data)+`" run`) {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here to read the unit")
	}
	file := filepath.Join(t.TempDir(), "yagura-sensor.service")
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(verify, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(b), file) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, b)
	}
}
