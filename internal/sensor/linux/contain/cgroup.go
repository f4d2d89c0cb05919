package contain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/linux/contain/bpf"
	"github.com/yagura-edr/yagura/internal/sensor/linux/frozen"
)

// cgroupBarrier is a pair of programs on a cgroup.
type cgroupBarrier struct {
	objs  bpf.IsolateObjects
	links []link.Link
	oaths []oath
	pins  []string
}

// oath is what a link was when it was attached.
type oath struct {
	id      link.ID
	program ebpf.ProgramID
	cgroup  uint64
}

var ways = []struct {
	name   string
	attach ebpf.AttachType
}{{"isolate_out", ebpf.AttachCGroupInetEgress}, {"isolate_in", ebpf.AttachCGroupInetIngress}}

// raiseCgroup loads the programs with their allow-lists and attaches them; the old pair, if any, goes only
// when the new one stands. mu is held.
func (i *Isolator) raiseCgroup(ctx context.Context, until uint64, keep []allowed) (*cgroupBarrier, error) {
	dir, done, err := i.cgroup()
	if err != nil {
		return nil, err
	}
	defer done()
	b := &cgroupBarrier{}
	if err := bpf.LoadIsolateObjects(&b.objs, nil); err != nil {
		return nil, fmt.Errorf("load programs: %w", err)
	}
	if err := b.fill(until, keep); err != nil {
		return nil, errors.Join(err, b.close())
	}
	for n, w := range ways {
		prog := b.objs.IsolateOut
		if n == 1 {
			prog = b.objs.IsolateIn
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: w.attach, Program: prog})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", w.name, err), b.close())
		}
		b.links = append(b.links, l)
		o, err := swear(l)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", w.name, err), b.close())
		}
		b.oaths = append(b.oaths, o)
	}
	if err := b.pin(i.pinDir()); err != nil {
		i.log.WarnContext(ctx, "isolation is not pinned: it holds while the sensor runs, and the next start takes it up again", slog.Any("err", err))
	}
	return b, nil
}

func swear(l link.Link) (oath, error) {
	info, err := l.Info()
	if err != nil {
		return oath{}, fmt.Errorf("ask for the link: %w", err)
	}
	o := oath{id: info.ID, program: info.Program}
	if c := info.Cgroup(); c != nil {
		o.cgroup = c.CgroupId
	}
	return o, nil
}

// key4 and key6 mirror those of isolate.bpf.c.
type (
	key4 struct {
		Bits uint32
		Addr [4]byte
	}
	key6 struct {
		Bits uint32
		Addr [16]byte
	}
)

// fill writes what the programs decide by, closes it to everybody, and only then looks whether it is what was written.
func (b *cgroupBarrier) fill(until uint64, keep []allowed) error {
	four, six := map[key4]uint32{}, map[key6]uint32{}
	for _, a := range keep {
		if bits, addr := uint32(a.net.Bits()), a.net.Addr(); addr.Is4() {
			four[key4{bits, addr.As4()}] = uint32(a.port)
		} else {
			six[key6{bits, addr.As16()}] = uint32(a.port)
		}
	}
	if err := b.objs.Counts.Freeze(); err != nil {
		return fmt.Errorf("freeze counters: %w", err)
	}
	if err := frozen.Fill(b.objs.Until, map[uint32]uint64{0: until}); err != nil {
		return fmt.Errorf("set the end: %w", err)
	}
	if err := frozen.Fill(b.objs.Allow4, four); err != nil {
		return fmt.Errorf("allow IPv4: %w", err)
	}
	if err := frozen.Fill(b.objs.Allow6, six); err != nil {
		return fmt.Errorf("allow IPv6: %w", err)
	}
	return nil
}

// verify says which part is no longer as it was put up. The tables are frozen, so links and pins are left.
func (b *cgroupBarrier) verify() string {
	for n, l := range b.links {
		have, err := swear(l)
		switch want := b.oaths[n]; {
		case err != nil || have.id != want.id:
			return "the link of the program " + ways[n].name + " was closed"
		case have.cgroup != want.cgroup: // 0 when it was detached
			return "the program " + ways[n].name + " was detached"
		case have.program != want.program:
			return "the program " + ways[n].name + " was replaced by another one"
		}
	}
	for n, path := range b.pins {
		l, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			return "its pins were removed, so it would have ended with the sensor"
		}
		have, err := swear(l)
		_ = l.Close()
		if err != nil || have.id != b.oaths[n].id {
			return "its pins were replaced, so it would have ended with the sensor"
		}
	}
	return ""
}

// pin replaces the pins of an earlier pair.
func (b *cgroupBarrier) pin(dir string, err error) error {
	if err != nil {
		return err
	}
	for n, l := range b.links {
		path := filepath.Join(dir, ways[n].name)
		if err := unpin(path); err != nil {
			return err
		}
		if err := l.Pin(path); err != nil {
			return fmt.Errorf("pin: %w", err)
		}
		b.pins = append(b.pins, path)
	}
	return nil
}

func (b *cgroupBarrier) pinned() bool { return len(b.pins) == len(ways) }

func (b *cgroupBarrier) denied() (uint64, error) {
	var sum uint64
	for _, i := range []uint32{1, 2} {
		var per []uint64
		if err := b.objs.Counts.Lookup(i, &per); err != nil {
			return 0, fmt.Errorf("read deny counter: %w", err)
		}
		for _, n := range per {
			sum += n
		}
	}
	return sum, nil
}

func (b *cgroupBarrier) drop() error {
	var err error
	for _, p := range b.pins {
		if rerr := os.Remove(p); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return errors.Join(err, b.retire())
}

func (b *cgroupBarrier) leave() error { return b.close() }

// retire detaches the programs: closing our descriptors is not enough while somebody else has one of a link.
func (b *cgroupBarrier) retire() error {
	var err error
	for _, l := range b.links {
		if derr := l.Detach(); derr != nil && !errors.Is(derr, unix.ENOLINK) && !errors.Is(derr, unix.EBADF) {
			err = errors.Join(err, derr)
		}
	}
	return errors.Join(err, b.close())
}

// unpin detaches a link of an earlier pair by its pin, and removes that.
func unpin(path string) error {
	if l, err := link.LoadPinnedLink(path, nil); err == nil {
		_ = l.Detach() // a kernel before 5.9 cannot: then the link goes with its last descriptor
		_ = l.Close()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("remove pin: %w", err)
	}
	return nil
}

func (b *cgroupBarrier) close() error {
	var err error
	for _, l := range b.links {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, b.objs.Close())
}

// cgroup gives the folder to attach to. A host that mounts no cgroup2 has one all the same: every process
// stands in its root, and a mount of our own, for a moment, is a way to name it. It moves no controller.
func (i *Isolator) cgroup() (dir string, done func(), err error) {
	nothing := func() {}
	if i.o.Cgroup != "" {
		return i.o.Cgroup, nothing, nil
	}
	if at := i.mounted(); at != "" {
		return at, nothing, nil
	}
	own := i.besideState("cgroup2")
	if err := os.MkdirAll(own, 0o700); err != nil {
		return "", nil, fmt.Errorf("mount cgroup2: %w", err)
	}
	if err := unix.Mount("cgroup2", own, "cgroup2", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return "", nil, fmt.Errorf("mount cgroup2: %w", err)
	}
	return own, func() {
		_ = unix.Unmount(own, unix.MNT_DETACH) // the links hold the cgroup, not the mount
		_ = os.Remove(own)
	}, nil
}

// mounted gives the place of cgroup2's root, empty when it is mounted nowhere.
func (i *Isolator) mounted() string {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	for sc := bufio.NewScanner(mounts); sc.Scan(); {
		if root, point, kind := mountLine(sc.Text()); kind == "cgroup2" && root == "/" {
			return point
		}
	}
	return ""
}

// mountLine reads root, mount point and type of a line of mountinfo.
func mountLine(line string) (root, point, kind string) {
	f := strings.Fields(line)
	for n := 6; n+1 < len(f); n++ {
		if f[n] == "-" {
			return f[3], unescape(f[4]), f[n+1]
		}
	}
	return "", "", ""
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

const bpffs = 0xcafe4a11

// pinDir gives a folder on a bpffs: ours below the host's, or on one that we mount beside the state file.
func (i *Isolator) pinDir() (string, error) {
	if i.o.PinDir != "" {
		return i.o.PinDir, nil
	}
	own := i.besideState("bpf")
	if isBPF(own) {
		return own, nil
	}
	if err := os.MkdirAll(own, 0o700); err != nil {
		return "", fmt.Errorf("make pin folder: %w", err)
	}
	if err := unix.Mount("bpf", own, "bpf", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "mode=0700"); err != nil {
		return "", fmt.Errorf("mount bpffs: %w", err)
	}
	i.mount = own
	return own, nil
}

func isBPF(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && uint32(st.Type) == bpffs
}

// dropLeft removes pins and tables of an earlier start, and the bpffs when it is ours. mu is held.
func (i *Isolator) dropLeft() error {
	var err error
	dir := i.o.PinDir
	if dir == "" {
		dir = i.besideState("bpf")
	}
	for _, w := range ways {
		err = errors.Join(err, unpin(filepath.Join(dir, w.name)))
	}
	return errors.Join(err, dropNFT(), i.unmount())
}

func (i *Isolator) unmount() error {
	own := i.besideState("bpf")
	if i.o.PinDir != "" || !isBPF(own) {
		return nil
	}
	if err := unix.Unmount(own, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount bpffs: %w", err)
	}
	i.mount = ""
	return nil
}
