package stream_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/stream"
)

// fillBytes writes a file until nothing more fits, and gives what removes it.
func fillBytes(t *testing.T, dir string) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// fullLog is a log of a thousand small records on a disk without a byte. To purge some of them JetStream writes a line
// for each.
func fullLog(t *testing.T, dir string, reserve int64) (l *stream.Log, faults *fault.Board, free func()) {
	t.Helper()
	faults = fault.NewBoard(nil)
	l, err := stream.Open(t.Context(), stream.Options{Dir: filepath.Join(dir, "log"), MaxBytes: 1 << 30, Reserve: reserve, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(1000) {
		if _, err := l.Append(t.Context(), 3, oneRecord(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	return l, faults, fillBytes(t, dir)
}

// TestAFullDiskIsNotPurged: a purge writes, and JetStream waits for itself for ever when that fails.
func TestAFullDiskIsNotPurged(t *testing.T) {
	dir := smallDisk(t)
	l, faults, free := fullLog(t, dir, 8<<20)
	defer func() { _ = l.Close() }()
	l.SetPatience(2 * time.Second)
	if err := l.Purge(t.Context(), 3, 400); !errors.Is(err, stream.ErrFull) {
		t.Errorf("with a full disk Purge gives %v; want ErrFull", err)
	}
	if err := l.Advance(t.Context(), 3, 2000); !errors.Is(err, stream.ErrFull) {
		t.Errorf("with a full disk Advance gives %v; want ErrFull", err)
	}
	if err := l.Heal(t.Context()); err != nil || !stands(faults, fault.DiskFull) {
		t.Errorf("with a full disk Heal gives %v, faults %v", err, faults.Standing())
	}
	free()
	if err := l.Purge(t.Context(), 3, 400); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if _, err := l.Append(t.Context(), 3, oneRecord(1001)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if first, last, _ := l.State(3); first != 401 || last != 1001 {
		t.Errorf("records %d to %d; want 401 to 1001", first, last)
	}
	if got := faults.Standing(); len(got) != 0 {
		t.Errorf("stands: %v", got)
	}
}

// TestAPurgeNeedsLessThanAnAppend: what the seals write may go below the reserve of the appends; then the log, which is
// sealed, must still be freed, or it would stay full.
func TestAPurgeNeedsLessThanAnAppend(t *testing.T) {
	dir := smallDisk(t)
	l, _, free := fullLog(t, dir, 40<<20)
	defer func() { _ = l.Close() }()
	free()
	if err := os.WriteFile(filepath.Join(dir, "segment"), bytes.Repeat([]byte{1}, 25<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), 3, oneRecord(1001)); !errors.Is(err, stream.ErrFull) {
		t.Fatalf("below the reserve Append gives %v; want ErrFull", err)
	}
	if err := l.Purge(t.Context(), 3, 400); err != nil {
		t.Errorf("above a quarter of it: %v", err)
	}
}

// TestALogThatHangsIsTold: a disk that fills between the look at it and the write makes JetStream wait for itself. The
// log says so within its patience instead of waiting too, and closes.
func TestALogThatHangsIsTold(t *testing.T) {
	dir := smallDisk(t)
	l, _, free := fullLog(t, dir, 1)
	l.SetPatience(2 * time.Second)
	purged := l.Purge(t.Context(), 3, 400)
	free()
	if purged == nil {
		t.Fatal("the purge found room: the test proves nothing")
	}
	t.Logf("the purge: %v", purged)
	begin := time.Now()
	if err := l.Heal(t.Context()); !errors.Is(err, stream.ErrHung) {
		t.Errorf("Heal gives %v; want ErrHung", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close gives %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
