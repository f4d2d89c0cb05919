package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// smallPackage is a Debian package of our own that brings a program, a cron job and a unit, and runs the program when
// it is set up, in a root of its own.
type smallPackage struct{ deb, root, pids string }

// newPackage builds it, nil where Debian's tools are missing.
func newPackage(t *testing.T) *smallPackage {
	t.Helper()
	for _, tool := range []string{"dpkg", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil
		}
	}
	dir := t.TempDir()
	p := &smallPackage{deb: filepath.Join(dir, "weather.deb"), root: filepath.Join(dir, "root"), pids: filepath.Join(dir, "pids")}
	for path, text := range map[string]string{
		"DEBIAN/control":                     "Package: weather\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a test\n",
		"DEBIAN/postinst":                    "#!/bin/sh\necho $$ >>" + p.pids + "\nsh -c 'echo $$ >>" + p.pids + "; exec id' >/dev/null\n$DPKG_ROOT/usr/bin/weather\n",
		"usr/bin/weather":                    "#!/bin/sh\necho $$ >>" + p.pids + "\nuname -a >/dev/null\n",
		"etc/cron.d/weather":                 "0 6 * * * root /usr/bin/weather\n",
		"lib/systemd/system/weather.service": "[Service]\nExecStart=/usr/bin/weather\n",
		"var/lib/weather/.keep":              "",
	} {
		file := filepath.Join(dir, "deb", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info"} {
		if err := os.MkdirAll(filepath.Join(p.root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(p.root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("dpkg-deb", "--build", filepath.Join(dir, "deb"), p.deb).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	return p
}

// install gives the processes of the installation that are known by number.
func (p *smallPackage) install(t *testing.T) (pids []uint64) {
	for range 3 { // while the attacks run
		cmd := exec.Command("dpkg", "--root="+p.root, "--force-script-chrootless", "--install", p.deb)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("dpkg: %v\n%s", err, out)
			return nil
		}
		pids = append(pids, uint64(cmd.Process.Pid))
	}
	b, err := os.ReadFile(p.pids)
	if err != nil {
		t.Errorf("the package's script did not run: %v", err)
	}
	for f := range strings.FieldsSeq(string(b)) {
		n, _ := strconv.ParseUint(f, 10, 64)
		pids = append(pids, n)
	}
	return pids
}
