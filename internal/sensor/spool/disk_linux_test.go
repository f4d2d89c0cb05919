package spool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

func TestFullDiskLosesNothingUncountedAndRecovers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s := open(t, filepath.Join(dir, "spool"), func(o *spool.Options) { o.MaxMemory = 128 << 10 })
	defer s.Close()
	ballast := filepath.Join(dir, "ballast")
	for round := range 6 {
		if round == 2 {
			if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 1000<<10), 0o600); err == nil {
				t.Log("the disk took the whole ballast")
			}
		}
		if round == 4 {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			s.Put(ev(event.FileCreate, noise(1000)))
			s.Put(ev(event.ProcessExec, noise(200)))
		}
		_ = s.Flush() // says that the disk is full; the spool goes on
		t.Logf("round %d: %+v", round, s.Stats())
	}
	if err := s.Flush(); err != nil {
		t.Errorf("Flush with place again: %v", err)
	}
	st := s.Stats()
	if st.Problem != "" || st.Memory != 0 {
		t.Errorf("with place again: problem %q, %d bytes in memory", st.Problem, st.Memory)
	}
	spooled, dropped, _ := drain(t, s, true)
	for _, lane := range []event.Lane{event.Critical, event.Bulk} {
		equation(t, id{s.Stream(), lane}, st.Produced[lane], nil, spooled, dropped)
	}
	if len(dropped[id{s.Stream(), event.Bulk}]) == 0 {
		t.Error("disk and memory were never full at once: the test does not test")
	}
	if n := len(dropped[id{s.Stream(), event.Critical}]); n > 0 {
		t.Errorf("%d critical events dropped while bulk was kept", n)
	}
}

func TestReadOnlyFolderIsNoReasonToStop(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a read-only mount needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, "size=64k"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s := open(t, filepath.Join(dir, "spool"), func(o *spool.Options) { o.MaxMemory = 64 << 10 })
	for range 500 {
		s.Put(ev(event.FileCreate, noise(1000)))
	}
	_ = s.Flush()
	for range 20 {
		s.Put(ev(event.ProcessExec, "x"))
		_ = s.Flush()
	}
	st := s.Stats()
	spooled, dropped, _ := drain(t, s, true)
	for _, lane := range []event.Lane{event.Critical, event.Bulk} {
		equation(t, id{s.Stream(), lane}, st.Produced[lane], nil, spooled, dropped)
	}
	if st.Problem == "" || len(dropped[id{s.Stream(), event.Bulk}]) == 0 {
		t.Errorf("stats %+v; want the problem named and bulk dropped", st)
	}
	_ = s.Close()
}
