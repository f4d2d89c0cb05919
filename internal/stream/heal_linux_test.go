package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/stream"
)

// smallDisk mounts an ext4 file system of 64 MiB with few inodes.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "mnt")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"mkfs.ext4", "-q", "-F", "-b", "4096", "-N", "512", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no small ext4 here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fillInodes makes empty files until so many inodes are free, and gives what frees them.
func fillInodes(t *testing.T, dir string, left uint64) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	if err := os.MkdirAll(ballast, 0o700); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if st.Ffree <= left {
			break
		}
		if err := os.WriteFile(filepath.Join(ballast, fmt.Sprint(n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.RemoveAll(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

func oneRecord(n uint64) []stream.Batch {
	return []stream.Batch{{Host: event.HostID{1}, Stream: 7, First: n, Count: 1, Content: bytes.Repeat([]byte{byte(n)}, 500)}}
}

func stands(b *fault.Board, cause fault.Cause) bool {
	for _, f := range b.Standing() {
		if f.Cause == cause {
			return true
		}
	}
	return false
}

func TestTheLogKeepsAReserveOfInodes(t *testing.T) {
	dir := smallDisk(t)
	faults := fault.NewBoard(nil)
	l, err := stream.Open(t.Context(), stream.Options{Dir: filepath.Join(dir, "log"), MaxBytes: 1 << 30, Reserve: 1 << 20, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := l.Append(t.Context(), 2, oneRecord(1)); err != nil {
		t.Fatal(err)
	}
	free := fillInodes(t, dir, 20)
	if _, err := l.Append(t.Context(), 2, oneRecord(2)); !errors.Is(err, stream.ErrFull) {
		t.Errorf("with 20 inodes left Append gives %v; want ErrFull", err)
	}
	if !stands(faults, fault.InodesFull) {
		t.Errorf("faults: %v", faults.Standing())
	}
	free()
	if _, err := l.Append(t.Context(), 2, oneRecord(2)); err != nil {
		t.Errorf("with inodes again: %v", err)
	}
	if len(faults.Standing()) != 0 {
		t.Errorf("with inodes again stands %v", faults.Standing())
	}
}

// TestAShardThatFoundNoInodeComesBack: JetStream keeps the error of a write for good. Once there is room the shard
// must take records again without a restart, and everything it acknowledged must still be there.
func TestAShardThatFoundNoInodeComesBack(t *testing.T) {
	dir := smallDisk(t)
	faults := fault.NewBoard(nil)
	l, err := stream.Open(t.Context(), stream.Options{Dir: filepath.Join(dir, "log"), MaxBytes: 1 << 30, Reserve: 1 << 20, ReserveInodes: 1, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var next [stream.Shards]uint64
	write := func(shard int) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		batches := oneRecord(next[shard] + 1)
		batches[0].Content = bytes.Repeat(batches[0].Content, 600)
		_, err := l.Append(ctx, shard, batches)
		if err == nil {
			next[shard]++
		}
		return err
	}
	const shards = 4
	for shard := range shards {
		for range 12 {
			if err := write(shard); err != nil {
				t.Fatal(err)
			}
		}
	}
	free := fillInodes(t, dir, 0)
	failed := 0
	for shard := range shards { // a purge writes the rest of a block anew, which takes an inode
		if err := l.Purge(t.Context(), shard, 9); err != nil {
			failed++
		}
		if err := write(shard); !errors.Is(err, stream.ErrFull) {
			t.Errorf("without inodes Append gives %v", err)
		}
	}
	free()
	dead := 0
	for shard := range shards {
		if write(shard) != nil {
			dead++
		}
	}
	t.Logf("%d purges failed; with inodes again %d shards still refuse", failed, dead)
	if dead == 0 {
		t.Fatal("no shard is broken: the test proves nothing")
	}
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if err := l.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused := 0
		for shard := range shards {
			if err := write(shard); err != nil {
				refused++
			}
		}
		if refused == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%d shards are dead 30 s after there were inodes again: %v", refused, faults.Standing())
		}
	}
	if got := faults.Standing(); len(got) != 0 {
		t.Errorf("stands: %v", got)
	}
	for shard := range shards {
		_, last, _ := l.State(shard)
		seen := map[uint64]int{}
		r := l.Reader(shard, 1)
		for {
			_, batches, err := r.NextThrough(t.Context(), last)
			if err != nil {
				break
			}
			for _, b := range batches {
				seen[b.First]++
			}
		}
		for n := uint64(10); n <= next[shard]; n++ {
			if seen[n] == 0 {
				t.Errorf("shard %d: record %d was acknowledged and is gone", shard, n)
			}
		}
	}
}
