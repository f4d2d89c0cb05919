package sight_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/yagura-edr/yagura/internal/event"
)

// resolver answers names with addresses, each after a while of its own.
func resolver(t *testing.T, at string, answers map[string]time.Duration, addr [4]byte) {
	t.Helper()
	server, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Skipf("port 53 of a loopback address: %v", err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			b := make([]byte, 512)
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response = true
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: addr}}}
			out, _ := m.Pack()
			time.AfterFunc(answers[m.Questions[0].Name.String()], func() { _, _ = server.WriteTo(out, from) })
		}
	}()
}

// ask asks a resolver for a name and waits for the answer.
func ask(t *testing.T, at, name string, id uint16) {
	t.Helper()
	c, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
}

// actAsk asks for a name, then connects to an address.
func actAsk(args []string) int {
	var t testing.T
	ask(&t, args[0], args[1], 9)
	c, err := net.Dial("tcp", args[2])
	if err != nil {
		return 1
	}
	_ = c.Close()
	return 0
}

// TestLateAnswerNamesWhatFollows: the answer comes when its question has left. The connection has the name that was asked for, not an
// older one of that address, and an event of its own tells the answer. Two names lead to one address: each process has the one it asked for.
func TestLateAnswerNamesWhatFollows(t *testing.T) {
	w := watch(t)
	const at = "127.0.0.91:53"
	resolver(t, at, map[string]time.Duration{"old.example.test.": 0, "slow.example.test.": 400 * time.Millisecond, "third.example.test.": 250 * time.Millisecond}, [4]byte{127, 0, 0, 92})
	l, err := net.Listen("tcp", "127.0.0.92:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	connected := func(pid int, want string) {
		t.Helper()
		e := w.find(t, "connect", func(e *event.Event) bool {
			return e.Kind == event.NetConnect && e.RemoteAddr == netip.MustParseAddr("127.0.0.92") && e.Actor.PID == uint64(pid) && e.Flags&event.FlagImported == 0
		})
		if e.RemoteName != want {
			t.Errorf("the connection of %d has the name %q; want %q", pid, e.RemoteName, want)
		}
		w.mu.Lock()
		e.Flags |= event.FlagImported // seen
		w.mu.Unlock()
	}
	dial := func() {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	ask(t, at, "old.example.test.", 7)
	dial()
	connected(os.Getpid(), "old.example.test")
	ask(t, at, "slow.example.test.", 8)
	dial()
	connected(os.Getpid(), "slow.example.test")
	late := w.find(t, "dns.answer", func(e *event.Event) bool { return e.Kind == event.DNSAnswer && e.Query == "slow.example.test" })
	query := w.find(t, "dns.query", func(e *event.Event) bool { return e.Kind == event.DNSQuery && e.Query == "slow.example.test" })
	if len(query.Answers) != 0 || len(late.Answers) != 1 || late.Answers[0] != "127.0.0.92" || late.FromNS != query.BootNS || late.Actor.PID != uint64(os.Getpid()) || late.Actor.Path == "" {
		t.Errorf("answer = %+v", late)
	}
	for _, name := range []string{"third.example.test", "old.example.test"} {
		cmd := exec.Command("/proc/self/exe", "ask", at, name+".", l.Addr().String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		connected(cmd.Process.Pid, name)
	}
	dial()
	connected(os.Getpid(), "slow.example.test")
}
