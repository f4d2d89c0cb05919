package image_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/image"
	"github.com/yagura-edr/yagura/internal/sensor/linux/asidetest"
)

const (
	fuse    = 0x65735546
	ext4    = 0xef53
	overlay = 0x794c7630
)

func TestMain(m *testing.M) {
	asidetest.Daemon()
	os.Exit(m.Run())
}

// identified adds what the kernel says of the file.
func identified(t *testing.T, w image.Want, magic uint64) image.Want {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(w.Path, &st); err != nil {
		t.Fatal(err)
	}
	w.Kernel = image.Identity{Dev: unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), Inode: st.Ino, Size: uint64(st.Size), Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Magic: magic}
	return w
}

// TestHungFileSystemHoldsNobodyElsesHash: whatever kind of file system hangs, Ask returns at once, others are hashed in their
// usual time, what hangs is given up and not asked again, and all is well when it is unmounted.
func TestHungFileSystemHoldsNobodyElsesHash(t *testing.T) {
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	for name, magic := range map[string]uint64{"a server's": fuse, "a disk": ext4, "below an overlay": overlay} {
		t.Run(name, func(t *testing.T) {
			f := asidetest.Mount(t, map[string][]byte{"prog": sleep})
			cmd := exec.Command(f.Path("prog"), "300")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			w := identified(t, wantOf(t, cmd.Process.Pid, f.Path("prog")), magic)
			h := running(t, image.Options{Patience: 200 * time.Millisecond})
			f.Hang(os.Getpid())
			answers := make(chan image.Result, 64)
			for range 20 {
				begin := time.Now()
				r, ok, err := h.Ask(w, func(r image.Result) { answers <- r })
				if took := time.Since(begin); took > 50*time.Millisecond || err != nil || ok && !errors.Is(r.Err, image.ErrHung) {
					t.Fatalf("Ask = %v, %v, %v after %s", r.Err, ok, err, took)
				}
				if ok {
					answers <- r
				}
			}
			local := program(t, 77)
			begin := time.Now()
			other := exec.Command(local, "300")
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
			b, _ := os.ReadFile(local)
			if r := hash(t, h, identified(t, wantOf(t, other.Process.Pid, local), 0x01021994)); r.SHA256 != sha256.Sum256(b) || time.Since(begin) > 2*time.Second {
				t.Errorf("a file elsewhere: %+v after %s", r, time.Since(begin))
			}
			for range 20 {
				select {
				case r := <-answers:
					if !errors.Is(r.Err, image.ErrHung) {
						t.Errorf("answer = %v; want %v", r.Err, image.ErrHung)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("no answer for a file that hangs")
				}
			}
			if n, since := h.Hung(); n < 1 || n > 2 || since.IsZero() {
				t.Errorf("Hung = %d since %s; want the workers that were at it", n, since)
			}
			f.Unmount()
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				n, _ := h.Hung()
				if n == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("Hung = %d after it was unmounted", n)
				}
			}
		})
	}
}

// TestPathThatLeadsToAHungMountIsNotFollowed: a program of another mount namespace is gone, and in the sensor's own its path lies
// on a file system that hangs.
func TestPathThatLeadsToAHungMountIsNotFollowed(t *testing.T) {
	f := asidetest.Mount(t, map[string][]byte{"prog": []byte("x")})
	w := identified(t, wantOf(t, 0x7ffffff0, f.Path("prog")), ext4)
	h := running(t, image.Options{Patience: 300 * time.Millisecond})
	f.Hang(0)
	begin := time.Now()
	if r := hash(t, h, w); !errors.Is(r.Err, image.ErrGone) || time.Since(begin) > 200*time.Millisecond {
		t.Errorf("hash = %v after %s; want %v at once", r.Err, time.Since(begin), image.ErrGone)
	}
}
