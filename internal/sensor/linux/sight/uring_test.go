package sight_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe"
)

// uring is a ring of one request at a time, by the system calls alone (io_uring(7)).
type uring struct {
	fd          int
	sq, cq, sqe []byte
	offsets     [30]uint32 // struct io_uring_params: sq_off at 10, cq_off at 20, in words
}

// Requests, as uapi/linux/io_uring.h numbers them.
const (
	uringAccept    = 13
	uringOpenat    = 18
	uringWrite     = 23
	uringRenameat  = 35
	uringUnlinkat  = 36
	uringSymlinkat = 38
	uringLinkat    = 39
)

func newURing(t *testing.T) *uring {
	t.Helper()
	r := &uring{}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&r.offsets)), 0)
	if errno != 0 {
		t.Skipf("this kernel gives no io_uring: %v", errno)
	}
	r.fd = int(fd)
	t.Cleanup(func() { _ = unix.Close(r.fd) })
	for _, m := range []struct {
		at     int64 // IORING_OFF_SQ_RING, _CQ_RING, _SQES
		length int
		memory *[]byte
	}{{0, 4096, &r.sq}, {0x8000000, 4096, &r.cq}, {0x10000000, 64, &r.sqe}} {
		b, err := unix.Mmap(r.fd, m.at, m.length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Munmap(b) })
		*m.memory = b
	}
	return r
}

func word(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

// skipEnd is IOSQE_CQE_SKIP_SUCCESS: no word of a success.
const skipEnd = 1 << 6

// do makes one request and waits for its result.
func (r *uring) do(op byte, fd int32, address, offset unsafe.Pointer, length, flags uint32) (int32, error) {
	if err := r.submit(op, 0, fd, address, offset, length, flags, 1); err != nil {
		return 0, err
	}
	head := word(r.cq, r.offsets[20])
	entry := r.offsets[25] + (*head&*word(r.cq, r.offsets[22]))*16
	result := int32(*word(r.cq, entry+8))
	atomic.AddUint32(head, 1)
	if result < 0 {
		return result, unix.Errno(-result)
	}
	return result, nil
}

func (r *uring) submit(op, how byte, fd int32, address, offset unsafe.Pointer, length, flags uint32, wait uintptr) error {
	clear(r.sqe)
	r.sqe[0], r.sqe[1] = op, how
	binary.NativeEndian.PutUint32(r.sqe[4:], uint32(fd))
	binary.NativeEndian.PutUint64(r.sqe[8:], uint64(uintptr(offset)))
	binary.NativeEndian.PutUint64(r.sqe[16:], uint64(uintptr(address)))
	binary.NativeEndian.PutUint32(r.sqe[24:], length)
	binary.NativeEndian.PutUint32(r.sqe[28:], flags)
	*word(r.sq, r.offsets[16]) = 0 // the array: entry 0 is request 0
	atomic.AddUint32(word(r.sq, r.offsets[11]), 1)
	const getEvents = 1
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, wait, getEvents, 0, 0)
	runtime.KeepAlive(address)
	runtime.KeepAlive(offset)
	if errno != 0 {
		return errno
	}
	return nil
}

// What a process asks of the kernel through an io_uring makes no system call of its own, and is seen as if it did.
func TestRequestsOfAnIOURingAreSeen(t *testing.T) {
	w := watch(t)
	r := newURing(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	path := func(name string) unsafe.Pointer {
		b, err := unix.BytePtrFromString(in(name))
		if err != nil {
			t.Fatal(err)
		}
		return unsafe.Pointer(b)
	}
	if err := os.WriteFile(in("kept"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(in(".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in(".ssh/id_rsa"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Through descriptors first: the shared watcher has not seen this process change these files.
	fresh := func(op byte, name string, mode, flags uint32) int32 {
		t.Helper()
		fd, err := r.do(op, unix.AT_FDCWD, path(name), nil, mode, flags)
		if err != nil {
			t.Fatalf("openat %s: %v", name, err)
		}
		t.Cleanup(func() { _ = unix.Close(int(fd)) })
		return fd
	}
	seen := func(kind event.Kind, name string) *event.Event {
		t.Helper()
		return w.find(t, fmt.Sprintf("%s of %s", kind, name), func(e *event.Event) bool {
			return e.Kind == kind && e.File.Path == in(name) && e.Actor.PID == uint64(os.Getpid())
		})
	}
	fresh(uringOpenat, "made", 0o600, unix.O_CREAT|unix.O_WRONLY)
	seen(event.FileCreate, "made")
	fresh(uringOpenat, ".ssh/id_rsa", 0, unix.O_RDONLY)
	seen(event.FileReadCredential, ".ssh/id_rsa")

	// Written by somebody else, so that it is not this process's own making.
	other := writtenByShell(t, in("theirs"))
	fd := fresh(uringOpenat, "theirs", 0, unix.O_WRONLY)
	text := []byte("text")
	if _, err := r.do(uringWrite, fd, unsafe.Pointer(&text[0]), nil, uint32(len(text)), 0); err != nil {
		t.Fatal(err)
	}
	if e := seen(event.FileModify, "theirs"); e.Actor.PID == other {
		t.Errorf("written by %d", e.Actor.PID)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	listening, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listening.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := r.do(uringAccept, int32(listening.Fd()), nil, nil, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	port := uint64(c.LocalAddr().(*net.TCPAddr).Port)
	_ = unix.Close(int(taken))
	_ = c.Close()
	for _, kind := range []event.Kind{event.NetAccept, event.NetClose} {
		w.find(t, kind.String(), func(e *event.Event) bool { return e.Kind == kind && !e.Initiated && e.RemotePort == port })
	}

	if w.Sight.Names() == probe.NamesCaller {
		t.Skip("this kernel tells no names: renames and removals by io_uring are not seen on it")
	}
	if _, err := r.do(uringRenameat, unix.AT_FDCWD, path("kept"), path("moved"), uint32(0xffffff9c), 0); err != nil {
		t.Fatal(err)
	}
	if e := seen(event.FileRename, "moved"); e.OldFile.Path != in("kept") || e.File.FileID == "" {
		t.Errorf("renamed from %q, file %+v", e.OldFile.Path, e.File)
	}
	if _, err := r.do(uringLinkat, unix.AT_FDCWD, path("moved"), path("hard"), uint32(0xffffff9c), 0); err != nil {
		t.Fatal(err)
	}
	if e := seen(event.FileLink, "hard"); e.OldFile.Path != in("moved") {
		t.Errorf("linked from %q", e.OldFile.Path)
	}
	if _, err := r.do(uringSymlinkat, unix.AT_FDCWD, path("moved"), path("soft"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if e := seen(event.FileLink, "soft"); e.OldFile.Path != in("moved") {
		t.Errorf("symbolic link to %q", e.OldFile.Path)
	}
	if _, err := r.do(uringUnlinkat, unix.AT_FDCWD, path("hard"), nil, 0, 0); err != nil {
		t.Fatal(err)
	}
	seen(event.FileDelete, "hard")
	// One whose end is not told leaves nothing behind that the next, whose memory is the same, would be told by.
	if err := r.submit(uringUnlinkat, skipEnd, unix.AT_FDCWD, path("soft"), nil, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := os.Lstat(in("soft")); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := r.do(uringUnlinkat, unix.AT_FDCWD, path("made"), nil, 0, 0); err != nil {
		t.Fatal(err)
	}
	seen(event.FileDelete, "made")
	if w.has(func(e *event.Event) bool { return e.Kind == event.FileDelete && e.File.Path == in("soft") }) {
		t.Error("the removal of soft is told, late or twice")
	}
	// One that fails is none.
	if _, err := r.do(uringUnlinkat, unix.AT_FDCWD, path("none"), nil, 0, 0); err == nil {
		t.Error("a file that is not there was removed")
	}
}

func writtenByShell(t *testing.T, name string) uint64 {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "echo one >"+name)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return uint64(cmd.Process.Pid)
}
