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

// A veto, a proxy and a folder below the current one were lost on the way to the service; of two vetoes the first was lost
// everywhere.
func TestUnitKeepsWhatWasGiven(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("s.yaml", []byte("log_level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := call(t, "--config", "s.yaml", "--data", "d", "--proxy", "http://p:1", "--spool-max-bytes", "2097152", "--forbid", "isolate", "--forbid", "kill", "unit")
	want := " --config " + dir + "/s.yaml --data " + dir + "/d --spool-max-bytes 2097152 --proxy http://p:1 --forbid isolate --forbid kill run\n"
	if code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d: %s%s; want %s", code, out, errOut, want)
	}
}
