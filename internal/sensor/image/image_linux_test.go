package image_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/sensor/image"
)

func wantOf(t *testing.T, pid int, path string) image.Want {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	volume := strconv.Itoa(int(st.Dev>>8&0xfff)) + ":" + strconv.Itoa(int(st.Dev&0xff|st.Dev>>12&0xfff00))
	return image.Want{PID: uint64(pid), Path: path, Volume: volume, Inode: st.Ino, Size: st.Size, Mtime: info.ModTime().UnixMicro(), Time: time.Now().UnixMicro()}
}

// hash asks and waits.
func hash(t *testing.T, h *image.Hasher, w image.Want) image.Result {
	t.Helper()
	done := make(chan image.Result, 1)
	r, ok, err := h.Ask(w, func(r image.Result) { done <- r })
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		return r
	}
	select {
	case r := <-done:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
		return r
	}
}

func running(t *testing.T, opts image.Options) *image.Hasher {
	h := image.New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return h
}

func program(t *testing.T, pad int) string {
	t.Helper()
	b, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, append(b, make([]byte, pad)...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunningProgramIsHashedThoughItsNameIsGone(t *testing.T) {
	h := running(t, image.Options{})
	path := program(t, 0)
	content, _ := os.ReadFile(path)
	cmd := exec.Command(path, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	w := wantOf(t, cmd.Process.Pid, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := hash(t, h, w); r.Err != nil || r.SHA256 != sha256.Sum256(content) {
		t.Errorf("hash = %x, %v", r.SHA256, r.Err)
	}
}

func TestEndedProgramIsHashedByPathOnlyIfItIsTheSame(t *testing.T) {
	h := running(t, image.Options{})
	path := program(t, 0)
	content, _ := os.ReadFile(path)
	w := wantOf(t, 1<<22+1, path) // no such process
	if r := hash(t, h, w); r.Err != nil || r.SHA256 != sha256.Sum256(content) {
		t.Errorf("hash of the same file = %x, %v", r.SHA256, r.Err)
	}
	// Same size, same modification time, other content: the change time tells.
	info, _ := os.Stat(path)
	// The kernel stamps files with the time of its last tick: what changed in the tick of the exec looks older.
	content[len(content)-1] ^= 1
	for st := new(syscall.Stat_t); st.Ctim.Nano()/1000 <= w.Time; {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Stat(path, st); err != nil {
			t.Fatal(err)
		}
	}
	if r := hash(t, h, w); !errors.Is(r.Err, image.ErrGone) {
		t.Errorf("hash of a changed file = %x, %v; want ErrGone", r.SHA256, r.Err)
	}
}

func TestHugeSparseFileIsRefusedAtOnce(t *testing.T) {
	h := running(t, image.Options{})
	path := program(t, 0)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skip(err)
	}
	if r := hash(t, h, wantOf(t, 1<<22+1, path)); !errors.Is(r.Err, image.ErrTooBig) {
		t.Errorf("hash = %v; want ErrTooBig", r.Err)
	}
}

func TestReadingKeepsToItsBudget(t *testing.T) {
	h := running(t, image.Options{Rate: 4 << 20, Workers: 2})
	begin := time.Now()
	for range 3 {
		path := program(t, 4<<20)
		if r := hash(t, h, wantOf(t, 1<<22+1, path)); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	// 12 MiB at 4 MiB/s with one second's worth in advance.
	if took := time.Since(begin); took < 1800*time.Millisecond {
		t.Errorf("three files of 4 MiB took %v; want about 2 s", took)
	}
}
