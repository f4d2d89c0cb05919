package sight_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
)

// What somebody with root does to the sensor's tables from outside: by bpf(2), with nothing but their numbers.

// Commands of bpf(2).
const (
	bpfLookup = 1
	bpfUpdate = 2
	bpfDelete = 3
	bpfNext   = 4
	bpfMapFD  = 14
)

func bpf(cmd int, words ...uint64) (int, error) {
	attr := make([]uint64, 16)
	copy(attr, words)
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)*8))
	runtime.KeepAlive(words)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

func at(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// foreign is a table as an outsider sees it.
type foreign struct {
	id, fd     int
	name       string
	kind       ebpf.MapType
	key, value int
	max        int
}

// tables opens the tables that this process holds, by number.
func tables(t *testing.T) map[int]foreign {
	t.Helper()
	all := map[int]foreign{}
	entries, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", e.Name()))
		if err != nil {
			continue
		}
		id := 0
		for line := range strings.Lines(string(b)) {
			_, _ = fmt.Sscanf(line, "map_id: %d", &id)
		}
		if id == 0 || all[id].id != 0 {
			continue
		}
		fd, err := bpf(bpfMapFD, uint64(id))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ebpf.NewMapFromFD(fd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		all[id] = foreign{id, fd, info.Name, info.Type, int(info.KeySize), int(info.ValueSize), int(info.MaxEntries)}
	}
	return all
}

// first gives a key that is in the table, or one of zeros.
func (f foreign) first() []byte {
	key := make([]byte, max(f.key, 4))
	_, _ = bpf(bpfNext, uint64(f.fd), 0, at(key))
	return key
}

// bytes is how long a value is for a system call.
func (f foreign) bytes() int {
	if f.kind == ebpf.PerCPUArray {
		return (f.value + 7) / 8 * 8 * ebpf.MustPossibleCPU()
	}
	return f.value
}

// attacks are the ways of writing into a table. Each says whether it was refused.
var attacks = map[string]func(t *testing.T, f foreign) error{
	"update": func(_ *testing.T, f foreign) error {
		if f.kind == ebpf.RingBuf || f.kind == ebpf.ProgramArray {
			return unix.EPERM // it has no values
		}
		key, value := f.first(), make([]byte, f.bytes())
		for i := range value {
			value[i] = 0xa5
		}
		_, err := bpf(bpfUpdate, uint64(f.fd), at(key), at(value))
		return err
	},
	"update of another key": func(_ *testing.T, f foreign) error {
		if f.kind == ebpf.RingBuf || f.kind == ebpf.ProgramArray {
			return unix.EPERM
		}
		key, value := make([]byte, max(f.key, 4)), make([]byte, f.bytes())
		if f.key > 4 {
			key[0] = 'z'
		}
		_, err := bpf(bpfUpdate, uint64(f.fd), at(key), at(value))
		return err
	},
	"delete": func(_ *testing.T, f foreign) error {
		if f.kind == ebpf.RingBuf {
			return unix.EPERM
		}
		key := f.first()
		if f.kind == ebpf.ProgramArray {
			binary.LittleEndian.PutUint32(key, 2) // openings of files
		}
		_, err := bpf(bpfDelete, uint64(f.fd), at(key))
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return unix.EPERM // an array keeps its places
		}
		return err
	},
	"another program": func(t *testing.T, f foreign) error {
		if f.kind != ebpf.ProgramArray {
			return unix.EPERM
		}
		other, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		key, value := make([]byte, 4), make([]byte, 4)
		binary.LittleEndian.PutUint32(key, 2)
		binary.LittleEndian.PutUint32(value, uint32(other.FD()))
		if _, err = bpf(bpfUpdate, uint64(f.fd), at(key), at(value)); errors.Is(err, unix.EINVAL) {
			return unix.EPERM // the kernel takes programs of one kind only
		}
		return err
	},
	"memory": func(_ *testing.T, f foreign) error {
		page, err := unix.Mmap(f.fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return unix.EPERM
		}
		binary.LittleEndian.PutUint64(page, binary.LittleEndian.Uint64(page)+1<<20)
		return unix.Munmap(page)
	},
}

// TestNoTableCanBeChangedUnseen writes every table of the running sensor in every way that bpf(2) has. Each write is
// refused, or told as tampering within ten seconds and put right; the sensor sees as before.
func TestNoTableCanBeChangedUnseen(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	before := tables(t)
	w := open(t, sight.Options{})
	all := tables(t)
	maps.DeleteFunc(all, func(id int, _ foreign) bool { _, old := before[id]; return old })
	if len(all) < 20 {
		t.Fatalf("%d tables; the sensor has more", len(all))
	}
	written := map[string]time.Time{}
	for _, f := range slices.SortedFunc(maps.Values(all), func(a, b foreign) int { return a.id - b.id }) {
		for name, attack := range attacks {
			switch err := attack(t, f); {
			case err == nil:
				t.Logf("%s (%s): %s was possible", f.name, f.kind, name)
				written[f.name] = time.Now()
			case !errors.Is(err, unix.EPERM):
				t.Errorf("%s (%s): %s = %v; want it refused", f.name, f.kind, name, err)
			}
		}
	}
	for name, when := range written {
		told := w.find(t, "tampering with "+name, func(e *event.Event) bool {
			// The kernel cuts names at 15 bytes.
			return e.Kind == event.SensorTamper && strings.HasPrefix(e.Subject, "map "+name)
		})
		if late := time.UnixMicro(told.HostTime).Sub(when); late > 10*time.Second || told.State != "found" || !strings.Contains(told.Reason, "put right") {
			t.Errorf("%s: told %s later: %s %s", name, late, told.State, told.Reason)
		}
	}
	w.seesAll(t)
}

// TestNobodyMakesHimselfInvisible writes his own number where the sensor's stood.
func TestNobodyMakesHimselfInvisible(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	before := tables(t)
	w := open(t, sight.Options{})
	for id, f := range tables(t) {
		if _, old := before[id]; old || f.kind != ebpf.Array || f.value > 64 {
			continue
		}
		key, value := make([]byte, 4), make([]byte, f.value)
		if _, err := bpf(bpfLookup, uint64(f.fd), at(key), at(value)); err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(value, uint32(os.Getpid()))
		_, err := bpf(bpfUpdate, uint64(f.fd), at(key), at(value))
		t.Logf("%s: %v", f.name, err)
	}
	w.seesAll(t)
}

// TestAProgramThatIsNotOursIsSeenAtOurTables: what a system call may not write, a kernel program could.
func TestAProgramThatIsNotOursIsSeenAtOurTables(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	before := tables(t)
	w := open(t, sight.Options{})
	for id, f := range tables(t) {
		if _, old := before[id]; old || f.name != "buckets" && f.name != "calls" {
			continue
		}
		// It writes eight zeros into the first value that it finds.
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "stranger", Type: ebpf.RawTracepoint, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 0), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.StoreMem(asm.RFP, -16, asm.R0, asm.DWord),
			asm.LoadMapPtr(asm.R1, f.fd), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -16), asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}})
		if f.name == "calls" {
			if err == nil {
				_ = p.Close()
				t.Error("a program may write into calls")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
	}
	told := w.find(t, "a stranger", func(e *event.Event) bool { return e.Kind == event.SensorTamper && e.Subject == "map buckets" })
	if !strings.Contains(told.Reason, "stranger") {
		t.Errorf("told %q", told.Reason)
	}
}

// seesAll does one act of each kind and waits for its event.
func (w *watcher) seesAll(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	since := len(w.events)
	w.mu.Unlock()
	after := func(what string, ok func(*event.Event) bool) {
		t.Helper()
		w.find(t, what+" after the attack", func(e *event.Event) bool {
			return slices.Contains(w.events[since:], e) && ok(e)
		})
	}
	name := filepath.Join(t.TempDir(), "made")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile("/etc/shadow"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	after("an exec", func(e *event.Event) bool {
		return e.Kind == event.ProcessExec && e.Actor.PID == uint64(cmd.Process.Pid)
	})
	after("a file made", func(e *event.Event) bool { return e.Kind == event.FileCreate && e.File.Path == name })
	after("a file removed", func(e *event.Event) bool { return e.Kind == event.FileDelete && e.File.Path == name })
	after("a secret read", func(e *event.Event) bool {
		return e.Kind == event.FileReadCredential && e.File.Path == "/etc/shadow" && e.Actor.PID == uint64(os.Getpid())
	})
	after("a connection", func(e *event.Event) bool { return e.Kind == event.NetConnect && e.Actor.PID == uint64(os.Getpid()) })
}
