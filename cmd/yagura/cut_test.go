package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestACutUplinkIsSeenAndLosesNothing puts a real HTTP CONNECT proxy between sensor and server and cuts it.
// Within 90 s Home says that the host is silent, and since when; the sensor itself says why. Once the line is
// back, everything that happened meanwhile arrives.
func TestACutUplinkIsSeenAndLosesNothing(t *testing.T) {
	needRoot(t)
	t.Parallel()
	h := startHouse(t, "--no-sensor", "--seal-interval", "2s")
	line := openLine(t)
	s := h.enrol(filepath.Join(t.TempDir(), "sensor"), "--proxy", "http://"+line.address)
	h.reporting()
	books := booksOf(h, s.data)
	books.note()

	cut := time.Now()
	line.cut()
	stop := startLoad(t)
	out := s.says(30*time.Second, "NOT connected for", "the proxy "+line.address+" cannot be reached")
	t.Logf("the sensor says:\n%s", out)
	h.eventually(90*time.Second, "the host is silent", func() error {
		host := h.host()
		since := time.UnixMicro(host.SilentSince)
		if host.State != "silent" {
			return fmt.Errorf("%s, last seen %s", host.State, time.UnixMicro(host.LastSeen))
		}
		if since.Before(cut.Add(-20*time.Second)) || since.After(cut.Add(5*time.Second)) {
			t.Errorf("silent since %s; the line was cut at %s", since, cut)
		}
		return nil
	})
	t.Logf("silent %.0f s after the line was cut", time.Since(cut).Seconds())
	if out := h.doctor(); !strings.Contains(out, "is silent: no sign of life since") {
		t.Errorf("doctor does not say it:\n%s", out)
	}
	stop()
	if n := s.status().Spool.Events; n < 100 {
		t.Errorf("only %d events wait: the test did not test", n)
	}

	line.heal()
	h.eventually(60*time.Second, "the host reports again", func() error {
		if host := h.host(); host.State != "reporting" {
			return fmt.Errorf("%+v", host)
		}
		return nil
	})
	s.says(10*time.Second, "connected for")
	if a := books.settle(t, 2*time.Minute); a.dropped > 0 {
		t.Errorf("%d events were dropped", a.dropped)
	}
}

// proxyLine is a CONNECT proxy that can be cut and healed.
type proxyLine struct {
	t       *testing.T
	address string

	mu       sync.Mutex // guards all below
	listener net.Listener
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

func openLine(t *testing.T) *proxyLine {
	t.Helper()
	l := &proxyLine{t: t, conns: map[net.Conn]bool{}, address: freePort(t)}
	l.heal()
	t.Cleanup(l.cut)
	return l
}

func (l *proxyLine) heal() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	l.wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.serve(c) })
		}
	})
}

// cut closes the listener and breaks every connection, and waits until that is done.
func (l *proxyLine) cut() {
	l.mu.Lock()
	_ = l.listener.Close()
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *proxyLine) hold(c net.Conn) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return func() {
		_ = c.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, c)
	}
}

func (l *proxyLine) serve(c net.Conn) {
	defer l.hold(c)()
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	up, err := net.Dial("tcp", req.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer l.hold(up)()
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(up, in); _ = up.Close() })
	both.Go(func() { _, _ = io.Copy(c, up); _ = c.Close() })
	both.Wait()
}
