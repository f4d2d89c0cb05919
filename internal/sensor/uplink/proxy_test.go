package uplink_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// proxy is a CONNECT proxy; with a password it answers 407 to whoever does not give it.
type proxy struct {
	l      net.Listener
	user   string
	refuse bool
	used   atomic.Int64
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, user string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, user: user}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	req, err := http.ReadRequest(br)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	if p.user != "" && req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user)) {
		_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
		return
	}
	if p.refuse {
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return
	}
	target := req.Host
	if h, port, _ := net.SplitHostPort(target); h == "server.test" {
		target = net.JoinHostPort("127.0.0.1", port) // the proxy resolves what the host cannot
	}
	up, err := net.Dial("tcp", target)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer up.Close()
	p.used.Add(1)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(up, br)
		_ = up.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(c, up)
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now())
	wg.Wait()
}

func (p *proxy) url() string { return "http://" + p.l.Addr().String() }

func TestThroughAProxy(t *testing.T) {
	for name, c := range map[string]struct {
		user string // that the proxy wants
		conf uplink.Proxy
		h2   bool
	}{
		"open":                   {"", uplink.Proxy{}, true},
		"open, HTTP/1.1":         {"", uplink.Proxy{}, false},
		"password":               {"aki:s3cret/@:", uplink.Proxy{User: "aki", Password: "s3cret/@:"}, true},
		"except names elsewhere": {"", uplink.Proxy{Except: "example.com,10.0.0.0/8,server.test:1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newServer(t, c.h2), newProxy(t, c.user)
			// A name that only the proxy can resolve.
			s.http.URL = strings.Replace(s.http.URL, "127.0.0.1", "server.test", 1)
			c.conf.URL = p.url()
			r := connectRig(t, enrol(t, s, c.conf), c.conf)
			put(r.spool, 300)
			eventually(t, "events through the proxy", func() bool { return s.count(r.spool.Stream(), event.Critical) == 300 })
			if p.used.Load() < 2 {
				t.Errorf("the proxy was used %d times", p.used.Load())
			}
			r.stop()
		})
	}
}

func TestNoProxyGoesDirectly(t *testing.T) {
	s, p := newServer(t, true), newProxy(t, "")
	for _, except := range []string{"127.0.0.0/8", "127.0.0.1", "*", "other, 127.0.0.1" + s.http.URL[strings.LastIndex(s.http.URL, ":"):]} {
		enrol(t, s, uplink.Proxy{URL: p.url(), Except: except})
		if p.used.Load() != 0 {
			t.Errorf("except %q: the proxy was used", except)
		}
	}
}

func TestProxyThatRefusesIsOneClearSentence(t *testing.T) {
	s := newServer(t, true)
	locked, wall := newProxy(t, "aki:right"), newProxy(t, "")
	wall.refuse = true
	for name, c := range map[string]struct {
		conf uplink.Proxy
		says string
		is   error
	}{
		"no password":    {uplink.Proxy{URL: locked.url()}, "set proxy_user and proxy_password_file", uplink.ErrProxyAuth},
		"wrong password": {uplink.Proxy{URL: locked.url(), User: "aki", Password: "wrong"}, "407", uplink.ErrProxyAuth},
		"forbidden":      {uplink.Proxy{URL: wall.url()}, "answers 403 Forbidden to CONNECT", nil},
		"nobody there":   {uplink.Proxy{URL: "http://127.0.0.1:1"}, "the proxy 127.0.0.1:1 cannot be reached", nil},
		"not an address": {uplink.Proxy{URL: "socks9://user:secret@x"}, "http://HOST:PORT", nil},
	} {
		_, err := uplink.Enroll(t.Context(), filepath.Join(t.TempDir(), "i"), s.token(), uplink.Facts{}, c.conf)
		sentence := uplink.Explain(err)
		if err == nil || !strings.Contains(sentence, c.says) || c.is != nil && !errors.Is(err, c.is) || strings.Contains(sentence, "wrong") || strings.Contains(sentence, "secret") {
			t.Errorf("%s: %q (%v); want %q and no password", name, sentence, err, c.says)
		}
	}
}
