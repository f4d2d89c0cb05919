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

	"github.com/vishvananda/netlink"
)

// The isolation tests never touch this machine's own network: a child process in a throw-away cgroup and a
// throw-away network namespace is isolated, a second child in another namespace is the rest of the world.

const (
	childAddr  = "10.99.0.2"
	serverAddr = "10.99.0.1" // stays reachable
	otherAddr  = "10.99.0.9" // must not be
	port       = "4433"
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
	must(up("world0", serverAddr, otherAddr))
	for _, a := range []string{serverAddr, otherAddr} {
		l, err := net.Listen("tcp", net.JoinHostPort(a, port))
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
				addr, err := netlink.ParseAddr(a + "/24")
				if err != nil {
					return err
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
	i := New(Options{
		StateFile: filepath.Join(dir, "isolation.json"), Cgroup: os.Getenv("YAGURA_CONTAIN_CGROUP"), Means: os.Getenv("YAGURA_CONTAIN_MEANS"),
		Denied: netip.MustParseAddrPort(otherAddr + ":9"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Keep: func(context.Context) (Reach, error) {
			return Reach{Addrs: []netip.Addr{netip.MustParseAddr(serverAddr)}, Probe: net.JoinHostPort(serverAddr, port)}, nil
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
			answer = fmt.Sprint(up("host0", childAddr))
			start()
		case "isolate":
			_, _ = fmt.Sscan(f[1], &seconds)
			p, err := i.Isolate(ctx, time.Duration(seconds*float64(time.Second)), nil)
			answer = map[string]any{"proof": p, "err": fmt.Sprint(err)}
		case "release":
			p, err := i.Release(ctx)
			answer = map[string]any{"proof": p, "err": fmt.Sprint(err)}
		case "state":
			answer = i.State()
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
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
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
	Proof Proof  `json:"proof"`
	Err   string `json:"err"`
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
		next := &child{t: t, cmd: exec.Command("nsenter", "--net=/proc/self/fd/3", "sh", "-c", `echo $$ > "$YAGURA_CONTAIN_CGROUP/cgroup.procs" && exec "$0"`, os.Args[0])}
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

func TestIsolateCutsAllButTheServerAndProvesIt(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			h.text("dial " + otherAddr + " keep")
			a := h.act("isolate 60")
			if a.Err != "<nil>" || a.Proof.Means != means || a.Proof.DeniedProbe != probeDenied || a.Proof.Counter == 0 || !strings.HasPrefix(a.Proof.AllowedProbe, "connected") {
				t.Fatalf("Isolate = %+v; want denied and allowed probe proven", a)
			}
			t.Logf("%+v", a.Proof)
			if s := h.text("dial " + serverAddr); s != "<nil>" {
				t.Errorf("the server cannot be reached: %s", s)
			}
			if s := h.text("loopback"); s != "<nil>" {
				t.Errorf("the loopback is cut: %s", s)
			}
			if s := h.text("dial " + otherAddr); s == "<nil>" {
				t.Error("another address can be reached")
			}
			if s := h.text("old"); s == "<nil>" {
				t.Error("a connection from before still carries data")
			}
			var st State
			h.say("state", &st)
			if !st.Active || st.Denied <= a.Proof.Counter-1 {
				t.Errorf("state %+v; want active with a growing counter", st)
			}
			r := h.act("release")
			if r.Err != "<nil>" || r.Proof.DeniedProbe != probeLeft {
				t.Errorf("Release = %+v", r)
			}
			if s := h.text("dial " + otherAddr); s != "<nil>" {
				t.Errorf("after the release: %s", s)
			}
			if s := h.text("close"); s != "<nil>" {
				t.Errorf("close: %s", s)
			}
		})
	}
}

func TestIsolationEndsByItself(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		t.Run(means, func(t *testing.T) {
			h, _ := bed(t, means)
			if a := h.act("isolate 1.5"); a.Err != "<nil>" {
				t.Fatalf("Isolate = %+v", a)
			}
			if s := h.text("dial " + otherAddr); s == "<nil>" {
				t.Error("not isolated")
			}
			var s string
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				if s = h.text("dial " + otherAddr); s == "<nil>" {
					break
				}
			}
			if s != "<nil>" {
				t.Errorf("the host is still isolated: %s", s)
			}
			h.text("close")
		})
	}
}

func TestIsolationSurvivesARestartOfTheSensor(t *testing.T) {
	for _, means := range []string{"cgroup", "nftables"} {
		for name, kill := range map[string]bool{"stopped": false, "killed": true} {
			t.Run(means+" "+name, func(t *testing.T) {
				if _, err := exec.LookPath("nsenter"); err != nil {
					t.Skip("nsenter is not here")
				}
				h, restart := bed(t, means)
				if a := h.act("isolate 60"); a.Err != "<nil>" {
					t.Fatalf("Isolate = %+v", a)
				}
				h = restart(kill)
				// Before the new sensor has done anything: the barrier held by itself.
				if s := h.text("dial " + otherAddr); s == "<nil>" {
					t.Error("the host was open while no sensor ran")
				}
				var up string
				h.say("up", &up) // its interface is up already; this starts the isolator
				var st State
				for deadline := time.Now().Add(5 * time.Second); !st.Active && time.Now().Before(deadline); {
					h.say("state", &st)
				}
				if !st.Active || st.Means != means {
					t.Errorf("state after the restart %+v; want active", st)
				}
				if s := h.text("dial " + otherAddr); s == "<nil>" {
					t.Error("the host is open after the restart")
				}
				if s := h.text("dial " + serverAddr); s != "<nil>" {
					t.Errorf("the server cannot be reached after the restart: %s", s)
				}
				if r := h.act("release"); r.Err != "<nil>" {
					t.Errorf("Release = %+v", r)
				}
				if s := h.text("dial " + otherAddr); s != "<nil>" {
					t.Errorf("after the release: %s", s)
				}
				h.text("close")
			})
		}
	}
}

func TestIsolateTimes(t *testing.T) {
	h, _ := bed(t, "cgroup")
	var in, out []float64
	for range 20 {
		a, r := h.act("isolate 60"), h.act("release")
		if a.Err != "<nil>" || r.Err != "<nil>" {
			t.Fatal(a, r)
		}
		in, out = append(in, a.Proof.Millis), append(out, r.Proof.Millis)
	}
	slices.Sort(in)
	slices.Sort(out)
	t.Logf("isolate to proven over 20: median %.2f ms, p95 %.2f ms, worst %.2f ms; release: median %.2f ms, p95 %.2f ms", in[10], in[18], in[19], out[10], out[18])
	h.text("close")
}

func TestAHostIsNeverLost(t *testing.T) {
	o := Options{StateFile: filepath.Join(t.TempDir(), "s"), Log: slog.New(slog.DiscardHandler)}
	for name, keep := range map[string]func(context.Context) (Reach, error){
		"no address":  func(context.Context) (Reach, error) { return Reach{}, nil },
		"no resolver": func(context.Context) (Reach, error) { return Reach{}, errors.New("cannot resolve") },
	} {
		o.Keep = keep
		if _, err := New(o).Isolate(t.Context(), time.Hour, nil); err == nil {
			t.Errorf("%s: the host was isolated from its own server", name)
		}
	}
	o.Keep = func(context.Context) (Reach, error) {
		return Reach{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.5")}}, nil
	}
	if _, err := New(o).Isolate(t.Context(), time.Hour, []string{"everything"}); err == nil {
		t.Error("an address that is none was taken")
	}
}
