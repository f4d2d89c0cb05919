// Package asidetest is a file system that hangs: a FUSE daemon of a few files, which answers whom the test likes. Tests of the
// sensor mount it where a dead server or a dead disk would be. The daemon is a process of its own, the test's program once more: one that
// executes what it serves itself waits for itself. Needs root and /dev/fuse.
package asidetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// FS is one mount, as the test sees it.
type FS struct {
	Dir string

	cmd *exec.Cmd
	ask io.WriteCloser
	say *bufio.Reader
	end sync.Once
}

const daemonArgument = "asidetest-daemon"

// Daemon must be the first thing that TestMain does: it does not come back in a process that Mount started.
func Daemon() {
	if len(os.Args) == 3 && os.Args[1] == daemonArgument {
		serve(os.Args[2])
		os.Exit(0)
	}
}

// Mount makes a file system of executable files in a new folder. It answers everybody until Hang. The test's end takes it down.
func Mount(t *testing.T, files map[string][]byte) *FS {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: mounts")
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	defer fuse.Close()
	dir := t.TempDir()
	f := &FS{Dir: filepath.Join(dir, "m")}
	if err := os.Mkdir(f.Dir, 0o750); err != nil {
		t.Fatal(err)
	}
	content := filepath.Join(dir, "content")
	if err := os.Mkdir(content, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(content, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts := fmt.Sprintf("fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse.Fd())
	if err := unix.Mount("yagura", f.Dir, "fuse", 0, opts); err != nil {
		t.Skipf("mount FUSE: %v", err)
	}
	t.Cleanup(f.Unmount)
	f.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "/proc/self/exe", daemonArgument, content) //nolint:gosec // ourselves
	f.cmd.ExtraFiles, f.cmd.Stderr = []*os.File{fuse}, os.Stderr
	if f.ask, err = f.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	say, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.say = bufio.NewReader(say)
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.tell("heal")
	return f
}

// Path gives the path of a file.
func (f *FS) Path(name string) string { return filepath.Join(f.Dir, name) }

// tell asks the daemon for something, and waits until it is so.
func (f *FS) tell(what string) (n int) {
	if _, err := fmt.Fprintln(f.ask, what); err != nil {
		return 0
	}
	line, err := f.say.ReadString('\n')
	if err != nil {
		return 0
	}
	n, _ = strconv.Atoi(strings.TrimSpace(line))
	return n
}

// Hang leaves a process without an answer; 0 everybody, as a daemon that was stopped does.
func (f *FS) Hang(pid int) { f.tell("hang " + strconv.Itoa(pid)) }

// Heal answers everybody again, those who wait first.
func (f *FS) Heal() { f.tell("heal") }

// Waiting gives how many requests were left without an answer, ever.
func (f *FS) Waiting() int { return f.tell("count") }

// Unmount takes it down by force: whoever waits gets an error.
func (f *FS) Unmount() {
	f.end.Do(func() {
		_ = unix.Unmount(f.Dir, unix.MNT_FORCE|unix.MNT_DETACH)
		if f.cmd != nil {
			_ = f.ask.Close()
			_ = f.cmd.Wait()
		}
	})
}

// daemon serves one mount.
type daemon struct {
	fd    int
	names []string
	files map[string][]byte

	mu    sync.Mutex // guards all below
	hangs bool
	deaf  int // the process that gets no answer; 0 all
	kept  [][]byte
	asked int
}

// Operations of the protocol, as linux/fuse.h numbers them.
const (
	opLookup  = 1
	opForget  = 2
	opGetattr = 3
	opOpen    = 14
	opRead    = 15
	opStatfs  = 17
	opRelease = 18
	opFlush   = 25
	opInit    = 26
	opOpendir = 27
	opReaddir = 28
	opClosdir = 29
	opIntr    = 36
	opBForget = 42
)

func serve(content string) {
	f := &daemon{fd: 3, files: map[string][]byte{}}
	entries, _ := os.ReadDir(content)
	for _, e := range entries {
		f.names = append(f.names, e.Name())
		f.files[e.Name()], _ = os.ReadFile(filepath.Join(content, e.Name())) //nolint:gosec // of the test
	}
	go f.work()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		what, who, _ := strings.Cut(in.Text(), " ")
		f.mu.Lock()
		switch what {
		case "hang":
			f.hangs = true
			f.deaf, _ = strconv.Atoi(who)
		case "heal":
			f.hangs = false
			for _, b := range f.kept {
				f.answer(b)
			}
			f.kept = nil
		}
		_, _ = fmt.Fprintln(os.Stdout, f.asked)
		f.mu.Unlock()
	}
}

// isDeafTo says whether a thread gets no answer. It needs mu.
func (f *daemon) isDeafTo(tid uint32) bool {
	if !f.hangs || f.deaf == 0 {
		return f.hangs
	}
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", f.deaf, tid))
	return err == nil
}

func (f *daemon) work() {
	b := make([]byte, 256<<10)
	for {
		n, err := unix.Read(f.fd, b)
		if err == unix.EINTR || err == unix.EAGAIN || err == unix.ENOENT {
			continue
		}
		if err != nil || n < 40 {
			return // unmounted
		}
		op := binary.LittleEndian.Uint32(b[4:])
		f.mu.Lock()
		if op != opInit && op != opForget && op != opBForget && op != opIntr && f.isDeafTo(binary.LittleEndian.Uint32(b[32:])) {
			f.kept = append(f.kept, bytes.Clone(b[:n]))
			f.asked++
		} else {
			f.answer(b[:n])
		}
		f.mu.Unlock()
	}
}

const rootNode = 1 // the files are numbered after it, as in names

func (f *daemon) answer(b []byte) {
	le := binary.LittleEndian
	op, unique, node, in := le.Uint32(b[4:]), le.Uint64(b[8:]), le.Uint64(b[16:]), b[40:]
	var out []byte
	errno := unix.Errno(0)
	switch op {
	case opInit:
		out = make([]byte, 64)
		le.PutUint32(out, 7)
		le.PutUint32(out[4:], 31)
		le.PutUint32(out[8:], le.Uint32(in[8:])) // readahead
		le.PutUint32(out[20:], 128<<10)          // max_write
		le.PutUint32(out[24:], 1)                // time granularity
	case opForget, opBForget, opIntr:
		return
	case opLookup:
		errno = unix.ENOENT
		for i, name := range f.names {
			if name == string(bytes.TrimRight(in, "\x00")) {
				errno = 0
				out = make([]byte, 40)
				le.PutUint64(out, uint64(i)+rootNode+1)
				out = append(out, f.attr(uint64(i)+rootNode+1)...)
			}
		}
	case opGetattr:
		out = append(make([]byte, 16), f.attr(node)...)
	case opOpen, opOpendir:
		out = make([]byte, 16)
	case opRead:
		content := f.files[f.names[node-rootNode-1]]
		from, size := min(int(le.Uint64(in[8:])), len(content)), int(le.Uint32(in[16:]))
		out = content[from:min(from+size, len(content))]
	case opReaddir, opRelease, opClosdir, opFlush:
	case opStatfs:
		out = make([]byte, 80)
	default:
		errno = unix.ENOSYS
	}
	head := make([]byte, 16, 16+len(out))
	if errno != 0 {
		out = nil
	}
	le.PutUint32(head, uint32(16+len(out)))
	le.PutUint32(head[4:], uint32(-int32(errno)))
	le.PutUint64(head[8:], unique)
	_, _ = unix.Write(f.fd, append(head, out...)) // who asked may have gone
}

// attr writes a struct fuse_attr.
func (f *daemon) attr(node uint64) []byte {
	le, out := binary.LittleEndian, make([]byte, 88)
	le.PutUint64(out, node)
	mode, links := uint32(unix.S_IFDIR|0o755), uint32(2)
	if node != rootNode {
		mode, links = unix.S_IFREG|0o755, 1
		le.PutUint64(out[8:], uint64(len(f.files[f.names[node-rootNode-1]])))
	}
	le.PutUint32(out[60:], mode)
	le.PutUint32(out[64:], links)
	le.PutUint32(out[80:], 4096)
	return out
}
