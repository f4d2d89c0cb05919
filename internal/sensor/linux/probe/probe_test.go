package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The test binary opens the probes when it is told so, as whoever it runs as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "open-probes" {
		p, err := Open(context.Background(), Options{})
		if err == nil {
			err = p.Close()
		}
		fmt.Println(errors.Is(err, ErrNotRoot), err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestWithoutRightsItSaysSoInOneSentence(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: becomes somebody else")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary lies in a folder that only its owner may enter.
	copied := t.TempDir() + "/probes"
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, b, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/proc/self/fd/3", "open-probes")
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("cannot start as somebody else: %v %s", err, out)
	}
	if got := string(out); !strings.HasPrefix(got, "true ") || !strings.Contains(got, "run it as root") || strings.Count(got, "\n") != 1 {
		t.Errorf("Open as nobody says: %q", got)
	}
}

func TestPlaceOfASecretCountsWithItsName(t *testing.T) {
	for _, c := range DefaultCredentials {
		if len(c.Name) >= secretName || len(c.Under) >= secretUnder || c.Name == "" {
			t.Errorf("credential %+v does not fit the kernel's table", c)
		}
	}
}
