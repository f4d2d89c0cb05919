package contain

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// What somebody with root does to an isolation from outside of the sensor. Each is refused, or the host is isolated
// again within seconds and it is told.

const (
	bpfUpdate     = 2
	bpfDelete     = 3
	bpfLinkUpdate = 29
	bpfLinkDetach = 34
)

func call(cmd int, words ...uint64) error {
	attr := make([]uint64, 16)
	copy(attr, words)
	if _, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)*8)); errno != 0 {
		return errno
	}
	return nil
}

// pinned opens both links of an isolation.
func pinned(t *testing.T, h *child) []link.Link {
	t.Helper()
	var all []link.Link
	for _, w := range ways {
		l, err := link.LoadPinnedLink(filepath.Join(h.dir, "bpf", w.name), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		all = append(all, l)
	}
	return all
}

func fdOf(t *testing.T, l link.Link) uint64 {
	t.Helper()
	raw, ok := l.(interface{ FD() int })
	if !ok {
		t.Fatalf("%T has no descriptor", l)
	}
	return uint64(raw.FD())
}

// healed waits until the isolation was told to be broken and holds again.
func healed(t *testing.T, h *child, cause string) {
	t.Helper()
	start := time.Now()
	var told []sense.Tamper
	for deadline := start.Add(15 * time.Second); ; {
		h.say("told", &told)
		if slices.ContainsFunc(told, func(x sense.Tamper) bool { return strings.Contains(x.Reason, cause) && x.From <= x.To && x.From > 0 }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q was not told: %+v", cause, told)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%s: told after %s", cause, took)
	}
	var st sense.Isolation
	h.say("state", &st)
	if !st.Active || !st.Due || !st.Proven || st.Problem != "" {
		t.Errorf("%s: state %+v; want active and proven again", cause, st)
	}
	if s := h.text("dial " + otherAddr); s == "<nil>" {
		t.Errorf("%s: the host is open", cause)
	}
	if s := h.text("dial " + serverAddr); s != "<nil>" {
		t.Errorf("%s: the server cannot be reached: %s", cause, s)
	}
}

func TestTablesOfAnIsolationCannotBeWritten(t *testing.T) {
	h, _ := bed(t, "cgroup")
	if a := h.act("isolate 60"); a.Err != "<nil>" || !a.Proof.Proven {
		t.Fatalf("Isolate = %+v", a)
	}
	info, err := pinned(t, h)[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pi, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := pi.MapIDs()
	if len(ids) != 4 {
		t.Fatalf("%d tables; want until, allow4, allow6 and counts", len(ids))
	}
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		mi, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		key, value := make([]byte, 32), make([]byte, 4096)
		value[0] = 1
		if mi.Type == ebpf.LPMTrie { // everything
			value[0] = 0
		}
		for _, cmd := range []int{bpfUpdate, bpfDelete} {
			err := call(cmd, uint64(m.FD()), uint64(uintptr(unsafe.Pointer(&key[0]))), uint64(uintptr(unsafe.Pointer(&value[0]))))
			if !errors.Is(err, unix.EPERM) && (cmd != bpfDelete || !errors.Is(err, unix.EINVAL)) {
				t.Errorf("bpf(%d) on %s = %v; want it refused", cmd, mi.Name, err)
			}
		}
		// Nor may a program of somebody else's.
		if mi.Name == "until" {
			if other, err := writer(m); err == nil {
				_ = other.Close()
				t.Error("a program may write the end of the isolation")
			}
		}
		_ = m.Close()
	}
	if s := h.text("dial " + otherAddr); s == "<nil>" {
		t.Error("the host is open")
	}
	h.text("close")
}

func writer(m *ebpf.Map) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{Name: "stranger", Type: ebpf.RawTracepoint, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 0), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -8), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	}})
}

func TestABrokenIsolationIsPutUpAgainAndTold(t *testing.T) {
	h, _ := bed(t, "cgroup")
	if a := h.act("isolate 120"); a.Err != "<nil>" || !a.Proof.Proven {
		t.Fatalf("Isolate = %+v", a)
	}
	for _, l := range pinned(t, h) {
		if err := call(bpfLinkDetach, fdOf(t, l)); err != nil {
			t.Fatal(err)
		}
	}
	if s := h.text("dial " + otherAddr); s != "<nil>" {
		t.Logf("detached, and not open: %s", s)
	}
	healed(t, h, "the program isolate_out was detached")

	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	var fds [8]byte
	binary.LittleEndian.PutUint32(fds[:], uint32(fdOf(t, pinned(t, h)[0])))
	binary.LittleEndian.PutUint32(fds[4:], uint32(pass.FD()))
	if err := call(bpfLinkUpdate, binary.LittleEndian.Uint64(fds[:])); err != nil {
		t.Fatal(err)
	}
	healed(t, h, "the program isolate_out was replaced")

	for _, w := range ways {
		if err := os.Remove(filepath.Join(h.dir, "bpf", w.name)); err != nil {
			t.Fatal(err)
		}
	}
	healed(t, h, "its pins were removed")
	pinned(t, h)

	if err := unix.Unmount(filepath.Join(h.dir, "bpf"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	var told []sense.Tamper
	h.say("forget", &told)
	healed(t, h, "its pins were removed")
	pinned(t, h)

	if err := os.Remove(filepath.Join(h.dir, "isolation.json")); err != nil {
		t.Fatal(err)
	}
	healed(t, h, "the file that keeps the isolation")
	if _, err := os.Stat(filepath.Join(h.dir, "isolation.json")); err != nil {
		t.Error(err)
	}
	if r := h.act("release"); r.Err != "<nil>" || !r.Proof.Proven {
		t.Errorf("Release = %+v", r)
	}
	h.text("close")
}

func TestABrokenTableOfNftablesIsPutUpAgainAndTold(t *testing.T) {
	h, _ := bed(t, "nftables")
	if a := h.act("isolate 120"); a.Err != "<nil>" || !a.Proof.Proven {
		t.Fatalf("Isolate = %+v", a)
	}
	for _, how := range []string{"remove", "rule", "dormant"} {
		if _, err := exec.LookPath("nft"); err != nil && how == "dormant" {
			continue
		}
		var told []sense.Tamper
		h.say("forget", &told)
		if s := h.text("nft " + how); s != "<nil>" {
			t.Fatalf("%s: %s", how, s)
		}
		healed(t, h, "the table yagura_isolation of nftables was changed or removed")
	}
	h.act("release")
	h.text("close")
}

// TestOnlyThePortOfTheServerIsOpen: its other ports are the world as well.
func TestOnlyThePortOfTheServerIsOpen(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			for _, other := range []string{serverAddr, serverSix} {
				if s := h.text("dialport " + other + " " + otherPort); s != "<nil>" {
					t.Fatalf("before: %s", s)
				}
			}
			h.text("server " + serverSix)
			if a := h.act("isolate 60"); a.Err != "<nil>" || !slices.Contains(a.Proof.Allow, "["+serverSix+"]:"+port) {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("dial " + serverSix); s != "<nil>" {
				t.Errorf("the server cannot be reached by IPv6: %s", s)
			}
			for at, closed := range map[string]string{serverSix: otherPort, otherSix: port, serverAddr: port} {
				if s := h.text("dialport " + at + " " + closed); s == "<nil>" {
					t.Errorf("%s port %s can be reached", at, closed)
				}
			}
			h.act("release")
			h.text("server " + serverAddr)
			if a := h.act("isolate 60"); a.Err != "<nil>" || !slices.Contains(a.Proof.Allow, serverAddr+":"+port) {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("dial " + serverAddr); s != "<nil>" {
				t.Errorf("the server cannot be reached: %s", s)
			}
			if s := h.text("dialport " + serverAddr + " " + otherPort); s == "<nil>" {
				t.Error("another port of the server can be reached")
			}
			if s := h.text("udp " + serverAddr); s != probeDenied {
				t.Errorf("UDP to the server's port: %s", s)
			}
			h.act("release")
			// Who is named by the order is open whole, also when it is the server.
			if a := h.act("isolate 60 " + serverAddr); a.Err != "<nil>" {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("dialport " + serverAddr + " " + otherPort); s != "<nil>" {
				t.Errorf("the order allows the whole address: %s", s)
			}
			h.act("release")
			h.text("close")
		})
	}
}

// TestTheProofNeedsNoRouteAndNoFixedAddress: a host that has 192.0.2.1, or whose routes lead nowhere or back, is isolated
// like any other.
func TestTheProofNeedsNoRouteAndNoFixedAddress(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		for _, odd := range []string{"noroute", "own", "back", "fixed"} {
			t.Run(means+" "+odd, func(t *testing.T) {
				h, _ := bed(t, means)
				if s := h.text("odd " + odd); s != "<nil>" {
					t.Fatal(s)
				}
				if a := h.act("isolate 60"); a.Err != "<nil>" || !a.Proof.Proven || a.Proof.DeniedProbe != probeDenied {
					t.Errorf("Isolate = %+v", a)
				}
				if s := h.text("dial " + otherAddr); s == "<nil>" {
					t.Error("the host is open")
				}
				if r := h.act("release"); r.Err != "<nil>" || !r.Proof.Proven {
					t.Errorf("Release = %+v", r)
				}
				h.text("close")
			})
		}
	}
	t.Run("nothing is up", func(t *testing.T) {
		h, _ := bed(t, "cgroup")
		if s := h.text("odd down"); s != "<nil>" {
			t.Fatal(s)
		}
		a := h.act("isolate 60")
		if a.Err != "<nil>" || a.Proof.Proven || !strings.Contains(a.Proof.NotProven, "no interface") {
			t.Errorf("Isolate = %+v; want it up and not proven", a)
		}
		var st sense.Isolation
		if h.say("state", &st); !st.Active || st.Proven || st.NotProven == "" {
			t.Errorf("state %+v", st)
		}
		h.text("close")
	})
}

// TestFramesPassAndAreTold measures what an isolation cannot hold back, and that who could use it is told.
func TestFramesPassAndAreTold(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			if a := h.act("isolate 60"); a.Err != "<nil>" || len(a.Proof.Packet) != 0 {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("frame"); s != "<nil>" {
				t.Fatalf("a frame cannot be sent: %s", s)
			}
			if !h.world.out.Scan() || h.world.out.Text() != "frame" {
				t.Errorf("the frame did not arrive (%s): say so in the documents", h.world.out.Text())
			}
			healed(t, h, "opened a packet socket on the isolated host")
			h.act("release")
			h.text("close")
		})
	}
}
