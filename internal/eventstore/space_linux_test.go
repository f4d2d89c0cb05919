//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/eventstore"
)

// TestAMergeThatFoundNoSpaceIsTriedAgain: it rested for an hour, and so long the fault stood after there was room again.
func TestAMergeThatFoundNoSpaceIsTriedAgain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "mnt")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no small ext4 here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	s := start(t, filepath.Join(dir, "data"), func(o *eventstore.Options) { o.MergeFiles = 2 })
	a := newSender(tenantA, 1)
	for range 2 {
		s.send(a, execs(200)...)
		s.seal()
	}
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := ballast.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	_ = ballast.Close()
	now := time.Now()
	n, full := s.store.Compact(t.Context(), now)
	if n != 0 || full == nil {
		t.Fatalf("with a full disk %d merges, %v; want none", n, full)
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.store.Compact(t.Context(), now.Add(time.Second)); n != 1 || err != nil {
		t.Errorf("with room again %d merges, %v; want one (before: %v)", n, err, full)
	}
}

// TestAMergeWhoseWorkersWereKilledIsTriedAgain: what ends every worker from outside says nothing about the segments.
func TestAMergeWhoseWorkersWereKilledIsTriedAgain(t *testing.T) {
	s := start(t, t.TempDir(), func(o *eventstore.Options) { o.MergeFiles = 2 })
	a := newSender(tenantA, 1)
	for range 2 {
		s.send(a, execs(200)...)
		s.seal()
	}
	stop, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		for {
			for _, pid := range children(t) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	now := time.Now()
	n, err := s.store.Compact(t.Context(), now)
	close(stop)
	<-killed
	if n != 0 || err == nil {
		t.Skipf("the workers were faster than who kills them: %d merges, %v", n, err)
	}
	if n, again := s.store.Compact(t.Context(), now.Add(time.Second)); n != 1 || again != nil {
		t.Errorf("with workers again %d merges, %v; want one (before: %v)", n, again, err)
	}
}
