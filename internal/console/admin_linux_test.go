package console

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAnotherUsersServerIsNotSpokenTo: mallory serves on a socket in a folder of hers that everybody can enter, and
// waits for somebody to take it for the server.
func TestAnotherUsersServerIsNotSpokenTo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be other users for a moment")
	}
	const mallory, alice = 64123, 64124
	dir := t.TempDir()
	for d := dir; d != "/" && d != "/tmp"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, AdminName)) // root listens
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := os.Chmod(filepath.Join(dir, AdminName), 0o666); err != nil {
		t.Fatal(err)
	}
	dial := func(as int) error {
		t.Helper()
		done := make(chan error, 1)
		go func() { // the thread is that user's alone, and ends with this function
			runtime.LockOSThread()
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(as), uintptr(as), uintptr(as)); e != 0 {
				done <- e
				return
			}
			c, err := dialAdmin(context.Background(), dir)
			if err == nil {
				err = c.Close()
			}
			done <- err
		}()
		return <-done
	}
	if err := dial(0); err != nil {
		t.Errorf("root is not spoken to in root's folder: %v", err)
	}
	if err := dial(alice); err != nil {
		t.Errorf("alice does not reach root's server: %v", err)
	}
	if err := os.Chown(dir, mallory, mallory); err != nil {
		t.Fatal(err)
	}
	if err := dial(alice); !errors.Is(err, os.ErrPermission) {
		t.Errorf("alice speaks to what is in mallory's folder: %v", err)
	}
	if err := os.Chown(dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := dial(0); !errors.Is(err, os.ErrPermission) {
		t.Errorf("root speaks to what anybody can have put there: %v", err)
	}
}
