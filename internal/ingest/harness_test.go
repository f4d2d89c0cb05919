package ingest_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/fleet"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// manifest is a manifest in memory: nothing is sealed until a test says so.
type manifest struct {
	mu      sync.Mutex
	cursors [stream.Shards]uint64
	settled map[event.HostID][]ingest.Settled
}

func (m *manifest) Cursors(context.Context) ([stream.Shards]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors, nil
}

func (m *manifest) Settled(_ context.Context, _ tenant.ID, h event.HostID, of []ingest.Settled) (out []ingest.Settled, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.settled[h] {
		if slices.ContainsFunc(of, func(y ingest.Settled) bool { return x.Stream == y.Stream && x.Lane == y.Lane }) {
			out = append(out, x)
		}
	}
	return out, nil
}

type desk struct {
	mu   sync.Mutex
	list []detection.Detection
}

func (d *desk) Receive(_ context.Context, x detection.Detection) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, x)
	return nil
}

// server is a whole intake over real TLS, log and database.
type server struct {
	dir       string
	tenant    tenant.ID
	authority *command.Authority
	db        *controldb.DB
	fleet     *fleet.Fleet
	coverage  *coverage.Coverage
	relay     *response.Relay
	log       *stream.Log
	manifest  *manifest
	service   *ingest.Service
	addr      string
	desk      *desk
	listen    string // empty: any free port
	stop      func()
}

func start(t testing.TB) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), tenant: tenant.ID(uuid.Must(uuid.NewV7())), manifest: &manifest{settled: map[event.HostID][]ingest.Settled{}}, desk: &desk{}}
	var err error
	if s.authority, err = command.CreateAuthority(filepath.Join(s.dir, "authority"), s.tenant, "tester", time.Now()); err != nil {
		t.Fatal(err)
	}
	s.open(t, 64<<20)
	t.Cleanup(func() { s.stop() })
	list, _ := s.authority.List()
	if _, err := s.relay.SetOperatorList(t.Context(), s.tenant, list); err != nil {
		t.Fatal(err)
	}
	return s
}

// open starts the server on its folder; stop and open again is a restart.
func (s *server) open(t testing.TB, maxBytes int64) {
	t.Helper()
	log, faults := slog.New(slog.DiscardHandler), fault.NewBoard(nil)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	s.db, err = controldb.Open(ctx, filepath.Join(s.dir, "control.db"))
	must(err)
	s.fleet, err = fleet.Open(ctx, fleet.Options{Dir: filepath.Join(s.dir, "pki"), Store: s.db.Fleet(), Log: log})
	must(err)
	s.coverage, err = coverage.New(ctx, coverage.Options{Store: s.db.Coverage(), Faults: faults, SecretFile: filepath.Join(s.dir, "canary.key"), Desk: s.desk, Log: log})
	must(err)
	s.relay, err = response.New(ctx, response.Options{Store: s.db.Response(), Hosts: s.fleet, Authorities: map[tenant.ID]ed25519.PublicKey{s.tenant: s.authority.Public()}, Log: log})
	must(err)
	s.log, err = stream.Open(ctx, stream.Options{Dir: filepath.Join(s.dir, "log"), MaxBytes: maxBytes, Faults: faults, Log: log})
	must(err)
	s.service, err = ingest.New(ctx, ingest.Options{
		Fleet: s.fleet, Coverage: s.coverage, Relay: s.relay, Log: s.log, Manifest: s.manifest, Cellar: s.db.Ingest(),
		Quarantine: filepath.Join(s.dir, "quarantine"), Gather: 2 * time.Millisecond, Version: "test", Logger: log,
		Japanese: func(english string) string { return "〔" + english + "〕" },
	})
	must(err)
	if s.listen == "" {
		s.listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", s.listen)
	must(err)
	s.listen = ""
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{s.fleet.Run, s.coverage.Run, s.relay.Run, func(ctx context.Context) error { return s.service.Serve(ctx, l) }} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := errors.Join(s.log.Close(), s.db.Close()); err != nil {
			t.Error(err)
		}
	})
}

// sensor is a client with a certificate, as a host would have it.
type sensor struct {
	sensorv1connect.SensorsClient
	host   event.HostID
	key    crypto.Signer
	cert   []byte
	stream uint64
	boot   [16]byte
}

func (s *server) client(cert []byte, key crypto.Signer) sensorv1connect.SensorsClient {
	pool := x509.NewCertPool()
	ca, err := x509.ParseCertificate(s.fleet.CA())
	if err != nil {
		panic(err)
	}
	pool.AddCert(ca)
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if cert != nil {
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}
	}
	return sensorv1connect.NewSensorsClient(&http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}, "https://"+s.addr)
}

func newKey(t testing.TB) (crypto.Signer, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

func (s *server) enrol(t testing.TB) *sensor {
	t.Helper()
	_, secret, err := s.fleet.CreateToken(t.Context(), s.tenant, 1, time.Hour, false, "tester")
	if err != nil {
		t.Fatal(err)
	}
	key, csr := newKey(t)
	machine := sha256.Sum256(csr)
	r, err := s.client(nil, nil).Enroll(t.Context(), connect.NewRequest(&sensorv1.EnrollRequest{Secret: secret, Csr: csr, Hostname: []byte("web-1"), Os: "linux", Version: "0.1.0", MachineId: machine[:]}))
	if err != nil {
		t.Fatal(err)
	}
	host, err := event.ParseHostID(r.Msg.HostId)
	if err != nil {
		t.Fatal(err)
	}
	x := &sensor{host: host, key: key, cert: r.Msg.Certificate, stream: 0xfeed, boot: [16]byte{1}}
	x.SensorsClient = s.client(x.cert, key)
	return x
}

func (x *sensor) hello(t testing.TB) *sensorv1.HelloResponse {
	t.Helper()
	r, err := x.Hello(t.Context(), connect.NewRequest(&sensorv1.HelloRequest{
		Protocol: 1, Version: "0.1.0", Os: "linux", Hostname: []byte("web-1"), Kernel: "6.1", BootId: x.boot[:], BootNs: 1000e9, WallTime: time.Now().UnixMicro(), Stream: x.stream, Registry: 1,
		Capabilities: []*sensorv1.Capability{{Class: "process", State: "full"}, {Class: "file", State: "full"}, {Class: "network", State: "full"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return r.Msg
}

// made gives events numbered from first, each naming its number.
func made(first uint64, n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = &event.Event{Kind: event.ProcessExec, OS: event.Linux, BootNS: 1000e9 + first*1e6 + uint64(i)*1e6, Actor: event.Process{Key: event.LinuxKey(1, 2, 3), PID: first + uint64(i), Path: "/usr/bin/true", CommandLine: fmt.Sprintf("true %d", first+uint64(i))}}
	}
	return out
}

func (x *sensor) batch(t testing.TB, l event.Lane, first uint64, events []*event.Event) *sensorv1.UploadRequest {
	t.Helper()
	content, err := stream.Pack(events)
	if err != nil {
		t.Fatal(err)
	}
	return x.raw(l, first, len(events), content)
}

func (x *sensor) raw(l event.Lane, first uint64, n int, content []byte) *sensorv1.UploadRequest {
	sum := sha256.Sum256(content)
	return &sensorv1.UploadRequest{Stream: x.stream, Lane: uint32(l), First: first, Count: uint32(n), Content: content, Sha256: sum[:], BootId: x.boot[:]}
}

func (x *sensor) upload(t testing.TB, m *sensorv1.UploadRequest) *sensorv1.UploadResponse {
	t.Helper()
	r, err := x.Upload(t.Context(), connect.NewRequest(m))
	if err != nil {
		t.Fatalf("Upload %d+%d: %v", m.First, m.Count, err)
	}
	return r.Msg
}

// stored reads the whole log: every event by id.
func (s *server) stored(t testing.TB) map[event.ID]*event.Event {
	t.Helper()
	out := map[event.ID]*event.Event{}
	for shard := range stream.Shards {
		_, last, _ := s.log.State(shard)
		r := s.log.Reader(shard, 0)
		for seq := uint64(0); seq < last; {
			var batches []stream.Batch
			var err error
			if seq, batches, err = r.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range batches {
				if batches[i].Tenant != s.tenant {
					t.Errorf("batch of tenant %s", batches[i].Tenant)
				}
				events, err := batches[i].Events()
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					if out[e.ID] != nil {
						t.Errorf("event %s is in the log twice", e.ID)
					}
					out[e.ID] = e.Event
				}
			}
		}
	}
	return out
}
