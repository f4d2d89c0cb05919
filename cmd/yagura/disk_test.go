package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk mounts a small file system of the test's own.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("yagura-test", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		err := syscall.Unmount(dir, 0)
		for range 50 { // workers of a server that was killed end a moment after it
			if !errors.Is(err, syscall.EBUSY) {
				break
			}
			time.Sleep(100 * time.Millisecond)
			err = syscall.Unmount(dir, 0)
		}
		if err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill takes all but some bytes of a disk, in a file that is removed to make room again.
func fill(t *testing.T, dir string, leave uint64) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 1<<20)
	for {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		have := st.Bavail * uint64(st.Bsize)
		if have <= leave {
			break
		}
		if _, err := f.Write(block[:min(uint64(len(block)), have-leave)]); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

// TestAFullDiskOnEitherSideLosesNothingUncounted fills the server's disk, then the sensor's. A server without
// room says so and tells sensors to wait; a sensor without room sends from memory. After there is room again
// both go on by themselves.
func TestAFullDiskOnEitherSideLosesNothingUncounted(t *testing.T) {
	needRoot(t)
	serverDisk, sensorDisk := disk(t, "600m"), disk(t, "200m")
	h := startHouseIn(t, filepath.Join(serverDisk, "data"), "--no-sensor", "--seal-interval", "2s")
	s := h.enrol(filepath.Join(sensorDisk, "sensor"))
	h.reporting()
	books := booksOf(h, s.data)
	books.note()
	stop := startLoad(t)
	defer stop()

	free := fill(t, serverDisk, 32<<20)
	const full = "data folder is full"
	h.eventually(60*time.Second, "doctor says that the disk is full", func() error {
		if out := h.wrong(); !strings.Contains(out, full) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	h.eventually(30*time.Second, "events wait at the sensor", func() error {
		if st := s.status(); st.Spool.Events < 50 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	books.note()
	t.Logf("server full: %d events wait at the sensor", s.status().Spool.Events)
	free()
	h.eventually(60*time.Second, "the server takes events again and says so", func() error {
		if out := h.wrong(); strings.Contains(out, full) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})

	free = fill(t, sensorDisk, 0)
	sent := h.host().LastSeen
	time.Sleep(5 * time.Second)
	if host := h.host(); host.State != "reporting" || host.LastSeen <= sent {
		t.Errorf("a sensor with a full disk: %+v; want it to go on from memory", host)
	}
	const unused = "cannot use its disk"
	h.eventually(60*time.Second, "doctor says that the sensor's disk is full", func() error {
		if out := h.wrong(); !strings.Contains(out, unused) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	free()
	stop()
	h.eventually(60*time.Second, "the sensor uses its disk again and says so", func() error {
		if st := s.status(); time.Since(st.Since) < 0 || st.Spool.Problem != "" {
			return fmt.Errorf("%+v", st)
		}
		if out := h.wrong(); strings.Contains(out, unused) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if a := books.settle(t, 2*time.Minute); a.dropped > 0 {
		t.Errorf("%d events were dropped while the sensor's disk was full; the server was there to take them", a.dropped)
	}
}

// TestADamagedSpoolRecordCostsItsOwnEventsOnly flips bytes on the sensor's disk while the server is away: all
// other events arrive, the hole is reported, the bytes are set aside, and Home shows the loss.
func TestADamagedSpoolRecordCostsItsOwnEventsOnly(t *testing.T) {
	needRoot(t)
	h := startHouse(t, "--no-sensor", "--seal-interval", "2s")
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"))
	h.reporting()
	books := booksOf(h, s.data)
	books.note()
	h.kill()
	stop := startLoad(t)
	time.Sleep(6 * time.Second)
	stop()
	time.Sleep(time.Second)
	books.note()
	s.kill()
	lost := spoil(t, filepath.Join(s.data, "spool"), 2)
	h.start()
	s.start()
	h.reporting()
	a := books.settle(t, 2*time.Minute)
	// The kill may have cost a few events that were in memory, on top.
	if a.dropped < lost || a.dropped > lost+1000 || a.stored == 0 {
		t.Errorf("%+v; want the %d events of the damaged record reported as dropped", a, lost)
	}
	if bad, _ := filepath.Glob(filepath.Join(s.data, "spool", "quarantine", "*.bad")); len(bad) == 0 {
		t.Error("the damaged bytes were not set aside")
	}
	if host := h.host(); host.Lost < lost {
		t.Errorf("hosts says %d lost; want at least %d", host.Lost, lost)
	}
	if out := h.doctor(); !strings.Contains(out, " lost ") || !strings.Contains(out, "file events since") {
		t.Errorf("doctor does not say it:\n%s", out)
	}
}

// spoil flips a byte in the content of a record in the middle of the newest file of a lane, and says how many
// events were in it. The record is read as docs/format/spool.md describes it.
func spoil(t *testing.T, dir string, lane int) (events uint64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%d-*.spool", lane)))
	if err != nil || len(files) == 0 {
		t.Fatalf("no spool file of lane %d: %v", lane, err)
	}
	file := files[len(files)-1]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var at []int
	for i := 0; i+64 <= len(b) && string(b[i:i+4]) == "YSP1"; i += 64 + int(binary.LittleEndian.Uint32(b[i+8:])) {
		at = append(at, i)
	}
	if len(at) < 5 {
		t.Fatalf("%s has %d records: the test cannot test", file, len(at))
	}
	i := at[len(at)-2] // not yet taken by the server
	b[i+64+3] ^= 0x55
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return uint64(binary.LittleEndian.Uint32(b[i+12:]))
}

// TestARevokedHostIsRefused revokes a host with the CLI: its sensor is refused at once and says so, its events
// stay on its disk, and the server lists it as revoked.
func TestARevokedHostIsRefused(t *testing.T) {
	needRoot(t)
	t.Parallel()
	h := startHouse(t, "--no-sensor")
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"))
	host := h.reporting()
	h.cli(exitOK, "enroll", "revoke", host)
	s.says(60*time.Second, "NOT connected for", "the server refuses this host", "revoked")
	if got := h.host(); got.State != "revoked" {
		t.Errorf("hosts --all: %+v; want revoked", got)
	}
	if out := h.cli(exitOK, "hosts"); strings.Contains(out, host) {
		t.Errorf("hosts shows a revoked host:\n%s", out)
	}
	if st := s.status(); st.Spool.Dropped > 0 {
		t.Errorf("%+v: the refused sensor dropped events", st)
	}
}
