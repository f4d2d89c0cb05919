package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
)

// linger is how long a lane waits for company, as the sensor's spool does.
var linger = [...]time.Duration{event.Critical: 100 * time.Millisecond, event.Network: 250 * time.Millisecond, event.Bulk: 400 * time.Millisecond}

// host is one synthetic sensor: its own key, certificate, connection and stream.
type host struct {
	sensorv1connect.SensorsClient
	name   string
	stream uint64
	boot   [16]byte
	source source
	lanes  [len(event.Lanes)]lane
	count  *counts
	pack   *zstd.Encoder
}

type lane struct {
	events []*event.Event
	since  time.Time
	next   uint64 // sequence number of the next event
	busy   chan struct{}
}

// source gives the events of a host; shapes is one, a recording another.
type source interface {
	next(bootNS uint64) *event.Event
}

// enrol makes a host of the server that the token names, as `yagura-sensor enroll` does.
func enrol(ctx context.Context, token command.Token, number int, count *counts, pack *zstd.Encoder) (*host, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("flood-%03d", number)
	machine := sha256.Sum256(csr)
	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: believe(token.CA, nil), ForceAttemptHTTP2: true}}
	r, err := sensorv1connect.NewSensorsClient(stranger, token.URL).Enroll(ctx, connect.NewRequest(&sensorv1.EnrollRequest{Secret: token.Secret, Csr: csr, Hostname: []byte(name), Os: "linux", Version: "flood", MachineId: machine[:]}))
	stranger.CloseIdleConnections()
	if err != nil {
		return nil, fmt.Errorf("enrol %s: %w", name, err)
	}
	known := &http.Client{Transport: &http.Transport{TLSClientConfig: believe(token.CA, &tls.Certificate{Certificate: [][]byte{r.Msg.Certificate}, PrivateKey: key}), ForceAttemptHTTP2: true}}
	h := &host{SensorsClient: sensorv1connect.NewSensorsClient(known, token.URL), name: name, stream: mrand.Uint64() | 1, boot: [16]byte(machine[:16]), count: count, pack: pack}
	for i := range h.lanes {
		h.lanes[i].next, h.lanes[i].busy = 1, make(chan struct{}, 1)
	}
	h.source = newShapes(uint64(number)+1, boot.Now())
	return h, nil
}

// believe trusts a server whose chain holds the CA of the token.
func believe(ca [32]byte, own *tls.Certificate) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { // checked by the CA's hash
		for _, x := range s.PeerCertificates {
			if sha256.Sum256(x.Raw) == ca {
				return s.PeerCertificates[0].CheckSignatureFrom(x)
			}
		}
		return errors.New("the server has another CA than the token names")
	}}
	if own != nil {
		c.Certificates = []tls.Certificate{*own}
	}
	return c
}

func (h *host) hello(ctx context.Context) error {
	_, err := h.Hello(ctx, connect.NewRequest(&sensorv1.HelloRequest{
		Protocol: 1, Version: "flood", Os: "linux", Hostname: []byte(h.name), Kernel: "6.1.0", BootId: h.boot[:], BootNs: boot.Now(), WallTime: time.Now().UnixMicro(), Stream: h.stream, Registry: 1,
		Capabilities: []*sensorv1.Capability{{Class: "process", State: "full"}, {Class: "file", State: "full"}, {Class: "network", State: "full"}, {Class: "dns", State: "full"}, {Class: "memory", State: "full"}},
	}))
	if err != nil {
		return fmt.Errorf("hello of %s: %w", h.name, err)
	}
	return nil
}

// run sends rate events a second until ctx ends, and then what is left.
func (h *host) run(ctx context.Context, rate float64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { h.attend(ctx) })
	wg.Go(func() { h.report(ctx) })
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	begin, made := time.Now(), 0
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			for i := range h.lanes {
				h.flush(i, &wg)
			}
			return
		case now = <-tick.C:
		}
		for due := int(now.Sub(begin).Seconds() * rate); made < due; made++ {
			e := h.source.next(boot.Now())
			l := &h.lanes[e.Kind.Lane()]
			if len(l.events) == 0 {
				l.since = now
			}
			l.events = append(l.events, e)
			h.count.made.Add(1)
		}
		for i := range h.lanes {
			if l := &h.lanes[i]; len(l.events) >= 1000 || len(l.events) > 0 && now.Sub(l.since) >= linger[i] {
				h.flush(i, &wg)
			}
		}
	}
}

// flush uploads what a lane holds. One upload of a lane is under way at a time: while the server is slow, batches grow.
func (h *host) flush(i int, wg *sync.WaitGroup) {
	l := &h.lanes[i]
	if len(l.events) == 0 {
		return
	}
	select {
	case l.busy <- struct{}{}:
	default:
		h.count.late.Add(1)
		return
	}
	n := min(len(l.events), event.MaxBatchEvents)
	events, first := l.events[:n:n], l.next
	l.events, l.since = l.events[n:], time.Now()
	l.next += uint64(n)
	wg.Go(func() {
		defer func() { <-l.busy }()
		content := h.pack.EncodeAll(event.AppendBatch(nil, events), nil)
		sum := sha256.Sum256(content)
		m := &sensorv1.UploadRequest{Stream: h.stream, Lane: uint32(i), First: first, Count: uint32(n), Content: content, Sha256: sum[:], BootId: h.boot[:]}
		for try := 0; ; try++ {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			r, err := h.Upload(ctx, connect.NewRequest(m))
			cancel()
			if err == nil {
				h.count.upload(n, len(content), time.Since(begin), r.Msg.Quarantined)
				return
			}
			h.count.fail(err)
			if try == 5 {
				h.count.lost.Add(int64(n))
				return
			}
			time.Sleep(time.Second)
		}
	})
}

// attend holds the stream open that commands would come by.
func (h *host) attend(ctx context.Context) {
	stream, err := h.Attend(ctx, connect.NewRequest(&sensorv1.AttendRequest{}))
	if err != nil {
		return
	}
	for stream.Receive() {
	}
}

// report is the heartbeat.
func (h *host) report(ctx context.Context) {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		if _, err := h.Report(ctx, connect.NewRequest(&sensorv1.ReportRequest{BootNs: boot.Now(), WallTime: time.Now().UnixMicro(), Stream: h.stream})); err != nil && ctx.Err() == nil {
			h.count.fail(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
