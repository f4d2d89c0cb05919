package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
)

// peak gives the most memory that the server ever had, in MiB.
func (c *counter) peak(t *testing.T) int {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(c.data, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

// pour makes many calls at once over few connections of a host, and gives how many were answered, until it is stopped.
func (x *intruder) pour(procedure string, body func(ctx context.Context) io.Reader) (answered *atomic.Int64, stop func()) {
	answered = &atomic.Int64{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: x.tls}}
		for range 60 {
			wg.Go(func() {
				for ctx.Err() == nil {
					r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.c.ready.SensorURL+procedure, body(ctx))
					if err != nil {
						return
					}
					r.Header.Set("Content-Type", "application/proto")
					res, err := client.Do(r)
					if err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
						answered.Add(1)
					}
				}
			})
		}
	}
	return answered, func() { cancel(); wg.Wait() }
}

// dribble is a megabyte that does not end.
func dribble(ctx context.Context) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(make([]byte, 1<<20-10))
		<-ctx.Done()
		_ = w.Close()
	}()
	return r
}

// One host took 2 GB and five seconds of everybody's calls with 128 heartbeats at once of half a million empty words
// each, and 2.4 MB for each upload that it did not end: both were read before anybody asked whose they were.
func TestAHostsRequestsWeighLittle(t *testing.T) {
	words := bytes.Repeat([]byte{0x32, 0}, 500_000)
	for name, pour := range map[string]struct {
		procedure string
		body      func(context.Context) io.Reader
	}{
		"empty words": {sensorv1connect.SensorsReportProcedure, func(context.Context) io.Reader { return bytes.NewReader(words) }},
		"fewer words": {sensorv1connect.SensorsReportProcedure, func(context.Context) io.Reader { return bytes.NewReader(words[:500_000]) }},
		"dribbling":   {sensorv1connect.SensorsUploadProcedure, dribble},
	} {
		t.Run(name, func(t *testing.T) {
			c := newSiege(t, "")
			x, other := c.intrude(t, "heavy"), c.intrude(t, "other")
			x.hello(t)
			_, stop := x.pour(pour.procedure, pour.body)
			defer stop()
			time.Sleep(5 * time.Second)
			began := time.Now()
			if err := other.lives(t, 20*time.Second); err != nil {
				t.Errorf("another host beside it: %v", err)
			}
			t.Logf("another host took %s, the server %d MiB", time.Since(began), c.peak(t))
			if n := c.peak(t); n > 600 {
				t.Errorf("the server took %d MiB", n)
			}
			if name == "dribbling" { // who dribbles with the key of a host keeps its sensor from nothing
				if err := x.lives(t, 20*time.Second); err != nil {
					t.Errorf("the sensor of that host: %v", err)
				}
			}
		})
	}
}

// A revoked host went on to send on the connections that it had: each call was read, a megabyte, and then refused.
func TestARevokedHostKeepsNoConnection(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "gone")
	conn, err := dialCertified(c.sensorAddr(), x)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const head = "POST /yagura.sensor.v1.Sensors/Upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: "
	if _, err := io.WriteString(conn, head+"0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	refused, err := http.ReadResponse(answers, nil)
	if err != nil || refused.StatusCode != http.StatusBadRequest {
		t.Fatalf("%v, %v; want the empty batch refused", refused, err)
	}
	if _, err := io.Copy(io.Discard, refused.Body); err != nil {
		t.Fatal(err)
	}
	_ = refused.Body.Close()
	if _, said, code := c.in("en", nil, "enroll", "revoke", x.host.String()); code != exitOK {
		t.Fatal(said)
	}
	if _, err := io.WriteString(conn, head+"1000000\r\n\r\n"); err != nil { // and no body
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	r, err := http.ReadResponse(answers, nil)
	if err != nil || r.StatusCode != http.StatusForbidden {
		t.Fatalf("%v, %v; want the call refused before its body came", r, err)
	}
	defer func() { _ = r.Body.Close() }()
	if _, err := io.Copy(io.Discard, answers); err != nil {
		t.Errorf("the connection stands: %v", err)
	}
}

func dialCertified(addr string, x *intruder) (*tls.Conn, error) {
	conf := x.tls.Clone()
	conf.NextProtos = []string{"http/1.1"}
	return tls.Dial("tcp", addr, conf)
}
