package contain

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// The isolation tests never touch this machine's own network: a child process in a throw-away cgroup and a
// throw-away network namespace is isolated, a second child in another namespace is the rest of the world.

const (
	childAddr  = "10.99.0.2"
	serverAddr = "10.99.0.1" // stays reachable
	otherAddr  = "10.99.0.9" // must not be
	serverSix  = "fd99::1"
	otherSix   = "fd99::9"
	port       = "4433"
	otherPort  = "4434"
)

func TestMain(m *testing.M) {
	switch os.Getenv("YAGURA_CONTAIN_CHILD") {
	case "world":
		world()
	case "host":
		isolatedHost()
	default:
		os.Exit(m.Run())
	}
}

// world makes a pair of interfaces, gives one end to the other child and answers on two addresses.
func world() {
	must := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	var pid int
	_, err := fmt.Sscan(os.Getenv("YAGURA_CONTAIN_PEER"), &pid)
	must(err)
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "world0"}, PeerName: "host0"}))
	peer, err := netlink.LinkByName("host0")
	must(err)
	must(netlink.LinkSetNsPid(peer, pid))
	must(up("world0", serverAddr, otherAddr, serverSix, otherSix))
	for _, a := range []string{serverAddr + ":" + port, serverAddr + ":" + otherPort, otherAddr + ":" + port, "[" + serverSix + "]:" + port, "[" + serverSix + "]:" + otherPort, "[" + otherSix + "]:" + port} {
		l, err := net.Listen("tcp", a)
		must(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c) }()
			}
		}()
	}
	frames, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, frameType)
	must(err)
	go func() {
		if n, _, err := syscall.Recvfrom(frames, make([]byte, 2048), 0); err == nil && n > 0 {
			fmt.Println("frame")
		}
	}()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func up(name string, addrs ...string) error {
	for _, n := range []string{"lo", name} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			return err
		}
		if n == name {
			for _, a := range addrs {
				mask := "/24"
				if strings.Contains(a, ":") {
					mask = "/64"
				}
				addr, err := netlink.ParseAddr(a + mask)
				if err != nil {
					return err
				}
				if mask == "/64" {
					addr.Flags = unix.IFA_F_NODAD // it is ours at once
				}
				if err := netlink.AddrAdd(l, addr); err != nil {
					return err
				}
			}
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	return nil
}

// isolatedHost obeys lines on standard input and answers each with a line of JSON.
func isolatedHost() {
	dir := os.Getenv("YAGURA_CONTAIN_DIR")
	told := []sense.Tamper{}
	server := serverAddr
	i := New(Options{
		StateFile: filepath.Join(dir, "isolation.json"), Cgroup: os.Getenv("YAGURA_CONTAIN_CGROUP"), Means: os.Getenv("YAGURA_CONTAIN_MEANS"),
		Log:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Tell: func(x sense.Tamper) { told = append(told, x) }, // under the isolator's mutex
		Keep: func(context.Context) (sense.Reach, error) {
			return sense.Reach{Addrs: []netip.Addr{netip.MustParseAddr(server)}, Port: 4433, Probe: net.JoinHostPort(server, port)}, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	start := func() {
		go func() {
			_ = i.Run(ctx)
			close(done)
		}()
	}
	var old net.Conn
	for sc := bufio.NewScanner(os.Stdin); sc.Scan(); {
		var answer any
		var seconds float64
		switch f := strings.Fields(sc.Text()); f[0] {
		case "up":
			answer = fmt.Sprint(up("host0", childAddr, "fd99::2"))
			start()
		case "isolate":
			_, _ = fmt.Sscan(f[1], &seconds)
			p, err := i.Isolate(ctx, time.Duration(seconds*float64(time.Second)), f[2:])
			answer = map[string]any{"proof": p, "err": fmt.Sprint(err)}
		case "release":
			p, err := i.Release(ctx)
			answer = map[string]any{"proof": p, "err": fmt.Sprint(err)}
		case "state":
			answer = i.State()
		case "told", "forget":
			i.mu.Lock()
			if f[0] == "forget" {
				told, i.told = told[:0], nil
			}
			answer = told
			i.mu.Unlock()
		case "cost": // of a check, in µs of CPU, median of 200
			var all []float64
			for range 200 {
				before := cpu()
				i.check(ctx)
				all = append(all, float64((cpu()-before).Nanoseconds())/1000)
			}
			slices.Sort(all)
			answer = fmt.Sprintf("median %.0f µs, p95 %.0f µs", all[100], all[190])
		case "dialport":
			c, err := net.DialTimeout("tcp", net.JoinHostPort(f[1], f[2]), 700*time.Millisecond)
			answer = fmt.Sprint(err)
			if err == nil {
				_ = c.Close()
			}
		case "server":
			server = f[1]
			answer = server
		case "udp":
			answer = ProbeOut(ctx, sense.Target{Addr: netip.MustParseAddrPort(net.JoinHostPort(f[1], port))})
		case "nft":
			answer = fmt.Sprint(spoil(f[1]))
		case "odd":
			answer = fmt.Sprint(odd(f[1]))
		case "frame":
			answer = fmt.Sprint(sendFrame())
		case "dial":
			c, err := net.DialTimeout("tcp", net.JoinHostPort(f[1], port), 700*time.Millisecond)
			answer = fmt.Sprint(err)
			if err == nil {
				if len(f) > 2 {
					old = c
				} else {
					_ = c.Close()
				}
			}
		case "old": // does the connection from before still carry anything?
			_, err := old.Write([]byte("x"))
			if err == nil {
				_ = old.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
				_, err = old.Read(make([]byte, 1))
			}
			answer = fmt.Sprint(err)
		case "loopback":
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				var c net.Conn
				if c, err = net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
					_ = c.Close()
				}
				_ = l.Close()
			}
			answer = fmt.Sprint(err)
		case "close":
			cancel()
			<-done
			answer = fmt.Sprint(i.Close())
		}
		b, _ := json.Marshal(answer)
		fmt.Println(string(b))
	}
}

type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	dir   string // of its state
	world *child // on the other end of its interface
}

func startChild(t *testing.T, attr *syscall.SysProcAttr, env ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.SysProcAttr = attr
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Skipf("cannot start a process in its own network namespace here: %v", err)
	}
	return c
}

func (c *child) end() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

func (c *child) say(line string, into any) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatalf("%s: the child ended", line)
	}
	if err := json.Unmarshal(c.out.Bytes(), into); err != nil {
		c.t.Fatalf("%s: %s: %v", line, c.out.Text(), err)
	}
}

func (c *child) text(line string) (s string) {
	c.t.Helper()
	c.say(line, &s)
	return s
}

type acted struct {
	Proof sense.IsolationProof `json:"proof"`
	Err   string               `json:"err"`
}

func (c *child) act(line string) (a acted) {
	c.t.Helper()
	c.say(line, &a)
	return a
}

// bed builds the cgroup, the namespaces and both children; restart starts the isolated one anew in the same
// namespace, as a sensor restarts on its host.
func bed(t *testing.T, means string) (host *child, restart func(kill bool) *child) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("isolating needs root")
	}
	root := (&Isolator{}).mounted()
	if root == "" {
		t.Skip("no cgroup2 is mounted here to make a throw-away cgroup in")
	}
	cg := filepath.Join(root, fmt.Sprintf("yagura-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(cg, 0o755); err != nil {
		t.Skipf("cannot make a cgroup here: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(cg); err != nil {
			t.Errorf("throw-away cgroup stays: %v", err)
		}
	})
	f, err := os.Open(cg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	dir := t.TempDir()
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(dir, "bpf"), syscall.MNT_DETACH) })
	env := []string{"YAGURA_CONTAIN_CHILD=host", "YAGURA_CONTAIN_DIR=" + dir, "YAGURA_CONTAIN_CGROUP=" + cg, "YAGURA_CONTAIN_MEANS=" + means}
	host = startChild(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, UseCgroupFD: true, CgroupFD: int(f.Fd())}, env...)
	w := startChild(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, "YAGURA_CONTAIN_CHILD=world", fmt.Sprint("YAGURA_CONTAIN_PEER=", host.cmd.Process.Pid))
	host.dir, host.world = dir, w
	t.Cleanup(w.end)
	t.Cleanup(func() { host.end() })
	if !w.out.Scan() || w.out.Text() != "ready" {
		t.Skipf("cannot build a network between two namespaces here: %s", w.out.Text())
	}
	if s := host.text("up"); s != "<nil>" {
		t.Fatalf("up: %s", s)
	}
	for _, a := range []string{serverAddr, otherAddr} { // a fresh pair of interfaces takes a moment to carry
		s := ""
		for deadline := time.Now().Add(10 * time.Second); s != "<nil>" && time.Now().Before(deadline); {
			s = host.text("dial " + a)
		}
		if s != "<nil>" {
			t.Fatalf("before isolation %s cannot be reached: %s", a, s)
		}
	}
	return host, func(kill bool) *child {
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", host.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		if kill {
			_ = host.cmd.Process.Kill()
		} else if s := host.text("close"); s != "<nil>" {
			t.Errorf("close: %s", s)
		}
		host.end()
		// nsenter keeps the cgroup of its parent, so the new child is put there by its pid file.
		next := &child{t: t, dir: host.dir, world: host.world, cmd: exec.Command("nsenter", "--net=/proc/self/fd/3", "sh", "-c", `echo $$ > "$YAGURA_CONTAIN_CGROUP/cgroup.procs" && exec "$0"`, os.Args[0])}
		next.cmd.ExtraFiles = []*os.File{ns}
		next.cmd.Env = append(os.Environ(), env...)
		next.cmd.Stderr = os.Stderr
		next.in, _ = next.cmd.StdinPipe()
		out, _ := next.cmd.StdoutPipe()
		next.out = bufio.NewScanner(out)
		if err := next.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		host = next
		return next
	}
}

// cpu is what this process has used.
func cpu() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// frameType is a protocol number for experiments, in network order.
const frameType = 0xb588

// sendFrame sends one to everybody by a packet socket, which stays open.
func sendFrame() error {
	l, err := netlink.LinkByName("host0")
	if err != nil {
		return err
	}
	s, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, frameType)
	if err != nil {
		return err
	}
	to := &syscall.SockaddrLinklayer{Protocol: frameType, Ifindex: l.Attrs().Index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}}
	return syscall.Sendto(s, []byte("past the isolation"), 0, to)
}

// odd makes the host's addresses and routes such that the usual proof would be void.
func odd(how string) error {
	host, err := netlink.LinkByName("host0")
	if err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	switch how {
	case "noroute":
		return nil
	case "own":
		for _, a := range []string{"192.0.2.1/32", "198.51.100.1/32"} {
			addr, _ := netlink.ParseAddr(a)
			if err := netlink.AddrAdd(host, addr); err != nil {
				return err
			}
		}
		return nil
	case "back":
		for _, n := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"} {
			dst, _ := netlink.ParseIPNet(n)
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: dst}); err != nil {
				return err
			}
		}
		return nil
	case "fixed":
		return netlink.RouteAdd(&netlink.Route{LinkIndex: host.Attrs().Index, Gw: net.ParseIP(serverAddr)})
	case "down":
		return netlink.LinkSetDown(host)
	}
	return errors.New("no such oddness")
}

// spoil takes the table of an isolation down in one of several ways.
func spoil(how string) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	switch how {
	case "remove":
		c.DelTable(t)
	case "rule":
		c.InsertRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: "output", Table: t}, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
	case "dormant": // the library sets no flags
		return exec.Command("nft", "add table inet "+tableName+" { flags dormant; }").Run()
	}
	return c.Flush()
}
