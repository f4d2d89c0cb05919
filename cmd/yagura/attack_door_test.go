package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
)

func (c *counter) sensorAddr() string { return strings.TrimPrefix(c.ready.SensorURL, "https://") }

// dial opens a TLS connection with one protocol; the server's certificate is nobody's concern here.
func dialAs(addr, protocol string) (net.Conn, error) {
	conf := unchecked()
	conf.NextProtos = []string{protocol}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", addr, conf)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// slow are the ways in which a stranger holds a connection and says as little as possible.
var slow = map[string]func(addr string) (net.Conn, error){
	"no handshake": func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
	"half a handshake": func(addr string) (net.Conn, error) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_, err = c.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1})
		}
		return c, err
	},
	"nothing after the handshake": func(addr string) (net.Conn, error) { return dialAs(addr, "http/1.1") },
	"half a header":               saying("http/1.1", "POST /yagura.sensor.v1.Sensors/Upload HTTP/1.1\r\nHost: x\r\nX: "),
	"a ClientHello and nothing more": func(addr string) (net.Conn, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		go func() { _ = tls.Client(onlyFirst{c}, unchecked()).Handshake() }()
		return c, nil
	},
	"half a body to Upload":       saying("http/1.1", "POST /yagura.sensor.v1.Sensors/Upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: 100\r\n\r\n"),
	"half a body to Attend":       saying("http/1.1", "POST /yagura.sensor.v1.Sensors/Attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+proto\r\nContent-Length: 100\r\n\r\n"),
	"HTTP/2 without a call":       saying("h2", http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
	"HTTP/2, half a header block": saying("h2", http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83"),
	"HTTP/2, half a preface":      saying("h2", "PRI * HTTP"),
}

// onlyFirst sends and hears nothing: only the first word of a client leaves.
type onlyFirst struct{ net.Conn }

func (o onlyFirst) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func saying(protocol, words string) func(addr string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) {
		c, err := dialAs(addr, protocol)
		if err == nil {
			_, err = io.WriteString(c, words)
		}
		return c, err
	}
}

// crowd holds n connections of every slow way at once and opens each again as soon as it is cut. It ends with the test.
func crowd(t *testing.T, addr string, n int, ways ...string) (opened *atomic.Int64) {
	t.Helper()
	opened = &atomic.Int64{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range n {
		way := slow[ways[i%len(ways)]]
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := way(addr)
				if err == nil {
					opened.Add(1)
					stop := context.AfterFunc(ctx, func() { _ = c.Close() })
					_, _ = io.Copy(io.Discard, c)
					stop()
					_ = c.Close()
				}
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return opened
}

// lives says whether an enrolled host greets, uploads, and hears what the server has for it, over new connections.
func (x *intruder) lives(t *testing.T, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for tries := 1; ; tries++ { // as a sensor does
		x.SensorsClient = x.c.client(x.tls)
		_, err := x.Hello(ctx, connect.NewRequest(x.greeting()))
		if err == nil {
			break
		}
		if ctx.Err() != nil || tries == 3 {
			return fmt.Errorf("Hello, tried %d times: %w", tries, err)
		}
	}
	if err := x.send(ctx, event.Critical, ran("alive")); err != nil {
		return fmt.Errorf("Upload: %w", err)
	}
	s, err := x.Attend(ctx, connect.NewRequest(&sensorv1.AttendRequest{}))
	if err != nil {
		return fmt.Errorf("Attend: %w", err)
	}
	defer func() { _ = s.Close() }()
	if !s.Receive() {
		return fmt.Errorf("Attend: %w", s.Err())
	}
	return nil
}

// Half a POST to /Attend without a certificate was held for ever: 1,472 of them and every sensor was locked out, unsaid.
func TestStrangersDoNotLockHostsOut(t *testing.T) {
	for name, ways := range map[string][]string{
		"Attend":  {"half a body to Attend"},
		"TCP":     {"no handshake", "half a handshake", "a ClientHello and nothing more"},
		"each":    {"half a header", "half a body to Upload", "half a body to Attend", "nothing after the handshake"},
		"HTTP/2":  {"HTTP/2 without a call", "HTTP/2, half a header block", "HTTP/2, half a preface"},
		"console": nil,
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "Attend" && name != "console" {
				t.Skip("half a minute each")
			}
			c := newSiege(t, "ulimit -n 1500")
			x := c.intrude(t, "honest")
			addr := c.sensorAddr()
			if ways == nil {
				ways, addr = []string{"no handshake"}, strings.TrimPrefix(c.ready.URL, "http://")
			}
			opened := crowd(t, addr, 2200, ways...)
			c.eventually(60*time.Second, "the crowd stands", func() error {
				if n := opened.Load(); n < 1500 {
					return fmt.Errorf("%d", n)
				}
				return nil
			})
			for range 2 {
				if err := x.lives(t, 40*time.Second); err != nil {
					t.Errorf("an enrolled host beside the crowd: %v", err)
				}
			}
			if _, said, code := c.in("en", nil, "hosts"); code != exitOK {
				t.Errorf("yagura hosts: %s", said)
			}
			client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			r, err := client.Get(c.ready.URL + "/sign-in")
			if err != nil {
				t.Fatalf("the console beside the crowd: %v", err)
			}
			_ = r.Body.Close()
			where := map[bool][2]string{false: {"sensors' listener is full", "センサー用の受け口が混み合っています"}, true: {"console's listener is full", "コンソールの受け口が混み合っています"}}[name == "console"]
			for i, language := range []string{"en", "ja"} {
				if said := flat(c.faults(language)); !strings.Contains(said, flat(where[i])) {
					t.Errorf("doctor does not tell of it: %s", said)
				}
			}
		})
	}
}

// Whoever shows no certificate is gone after half a minute, whatever little he says.
func TestAStrangerIsNotKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newSiege(t, "")
	var wg sync.WaitGroup
	for name, way := range slow {
		wg.Go(func() {
			conn, err := way(c.sensorAddr())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetReadDeadline(time.Now().Add(45 * time.Second))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: held for 45 s", name)
			}
		})
	}
	wg.Wait()
}

// A flood of frames on a connection without a certificate ends it: settings, pings, calls that are taken back at once.
func TestAFloodOfFramesEndsTheConnection(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "honest")
	headers := []byte{0x83, 0x87, 0x84, 0x41, 0x01, 'x'} // POST https / x
	for name, write := range map[string]func(f *http2.Framer, i uint32) error{
		"settings": func(f *http2.Framer, _ uint32) error { return f.WriteSettings() },
		"pings":    func(f *http2.Framer, _ uint32) error { return f.WritePing(false, [8]byte{1}) },
		"rapid reset": func(f *http2.Framer, i uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: headers, EndHeaders: true}); err != nil {
				return err
			}
			return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		},
		"continuation": func(f *http2.Framer, i uint32) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers})
			}
			return f.WriteContinuation(1, false, nil)
		},
	} {
		conn, err := dialAs(c.sensorAddr(), "h2")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _, _ = io.Copy(io.Discard, conn) }()
		w := bufio.NewWriter(conn)
		f := http2.NewFramer(w, nil)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
		const most = 400_000 // frames
		sent := uint32(0)
		for ; sent < most; sent++ {
			if err = write(f, sent); err != nil {
				break
			}
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: %d frames sent (%v), and the connection stands", name, sent, err)
		}
		if err := x.lives(t, 10*time.Second); err != nil {
			t.Errorf("%s: an enrolled host beside it: %v", name, err)
		}
		_ = conn.Close()
	}
}

// One host with its key holds no more connections than a sensor needs, and others come in.
func TestAHostDoesNotLockOthersOut(t *testing.T) {
	c := newSiege(t, "ulimit -n 1500")
	x, other := c.intrude(t, "many"), c.intrude(t, "other")
	var open atomic.Int64
	for range 1200 {
		conf := x.tls.Clone()
		conf.NextProtos = []string{"http/1.1"}
		conn, err := tls.Dial("tcp", c.sensorAddr(), conf)
		if err != nil {
			continue // turned away
		}
		_, _ = io.WriteString(conn, "POST /yagura.sensor.v1.Sensors/Report HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: 0\r\n\r\n")
		open.Add(1)
		go func() { _, _ = io.Copy(io.Discard, conn); open.Add(-1) }()
		defer func() { _ = conn.Close() }()
	}
	if err := other.lives(t, 10*time.Second); err != nil {
		t.Errorf("another host: %v", err)
	}
	c.eventually(10*time.Second, "the host has as many connections as a sensor needs", func() error {
		if n := open.Load(); n > 40 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	if err := x.lives(t, 10*time.Second); err != nil {
		t.Errorf("the sensor of that host: %v", err)
	}
	// Attend streams: the newest are served.
	for range 20 {
		s, err := x.Attend(t.Context(), connect.NewRequest(&sensorv1.AttendRequest{}))
		if err != nil || !s.Receive() {
			t.Fatalf("a further Attend: %v", errors.Join(err, s.Err()))
		}
		defer func() { _ = s.Close() }()
	}
}

// 3,000 refused enrolments wrote 558 KB of log in nine seconds; anybody can make them.
func TestRefusedEnrolmentsAreFewLines(t *testing.T) {
	c := newSiege(t, "")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 250 {
				if _, err := c.stranger().Enroll(t.Context(), connect.NewRequest(&sensorv1.EnrollRequest{Secret: "guess"})); connect.CodeOf(err) != connect.CodePermissionDenied && connect.CodeOf(err) != connect.CodeUnavailable {
					t.Errorf("a guess: %v", err)
				}
			}
		})
	}
	wg.Wait()
	b, err := os.ReadFile(c.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "enrolment"); n > 40 {
		t.Errorf("%d lines of the log for 2,000 guesses", n)
	}
	for language, want := range map[string]string{"en": "Attempts to enrol hosts are refused", "ja": "ホストの登録が拒否されています"} {
		if said := flat(c.faults(language)); !strings.Contains(said, flat(want)) {
			t.Errorf("doctor does not tell of it: %s", said)
		}
	}
}

// What a flood of frames may not do to others it may not do with the key of a host either: calls taken back at once,
// and certificates asked for without end.
func TestAFloodWithAKeyKeepsNobodyOut(t *testing.T) {
	c := newSiege(t, "")
	x, other := c.intrude(t, "flood"), c.intrude(t, "other")
	headers := []byte{0x83, 0x87, 0x04, 0x24} // POST https, a path
	const path = sensorv1connect.SensorsUploadProcedure
	headers = append(headers, path...)
	headers[3] = byte(len(path))
	headers = append(headers, 0x41, 0x01, 'x')
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	var resets, renewed atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				conf := x.tls.Clone()
				conf.NextProtos = []string{"h2"}
				conn, err := tls.Dial("tcp", c.sensorAddr(), conf)
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(8 * time.Second))
				_, _ = io.WriteString(conn, http2.ClientPreface)
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				f := http2.NewFramer(conn, nil)
				_ = f.WriteSettings()
				for i := uint32(0); ctx.Err() == nil; i++ {
					if f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: headers, EndHeaders: true}) != nil || f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
						break
					}
					resets.Add(1)
				}
				_ = conn.Close()
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := x.Renew(ctx, connect.NewRequest(&sensorv1.RenewRequest{Csr: csr})); err == nil {
					renewed.Add(1)
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	if err := other.lives(t, 10*time.Second); err != nil {
		t.Errorf("another host beside it: %v", err)
	}
	stop()
	wg.Wait()
	t.Logf("%d calls taken back, %d certificates given, the server %d MiB", resets.Load(), renewed.Load(), c.peak(t))
	if n := c.peak(t); n > 600 {
		t.Errorf("the server took %d MiB", n)
	}
	if err := x.lives(t, 10*time.Second); err != nil {
		t.Errorf("the sensor of that host afterwards: %v", err)
	}
}
