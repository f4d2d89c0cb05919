package uplink_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ours = tenant.ID{0: 1, 15: 0xaa}
	host = event.HostID{0: 2, 15: 1}
)

// server is a real Connect server with mTLS, its own CA and an authority, twenty lines of each call.
type server struct {
	t    *testing.T
	http *httptest.Server

	ca        *x509.Certificate
	caKey     *ecdsa.PrivateKey
	authority ed25519.PrivateKey
	life      time.Duration // of certificates
	secret    string

	mu       sync.Mutex
	events   map[[2]uint64]map[uint64]bool // by stream and lane
	protos   map[string]bool
	uploads  int
	hellos   int
	reports  []*sensorv1.ReportRequest
	refuse   func(*sensorv1.UploadRequest) error
	down     atomic.Bool
	items    chan *sensorv1.AttendResponse
	list     []byte
	enrolled int
	renewed  int
}

func newServer(t *testing.T, h2 bool) *server {
	t.Helper()
	s := &server{t: t, secret: "0123456789abcdef-secret", life: 7 * 24 * time.Hour, events: map[[2]uint64]map[uint64]bool{}, protos: map[string]bool{}, items: make(chan *sensorv1.AttendResponse, 16)}
	var err error
	if s.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, s.authority, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, s.caKey.Public(), s.caKey)
	if err != nil {
		t.Fatal(err)
	}
	if s.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := s.sign(leafKey.Public(), x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	path, handler := sensorv1connect.NewSensorsHandler(s)
	mux := http.NewServeMux()
	mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.protos[r.Proto] = true
		s.mu.Unlock()
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/Enroll") && len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "no certificate", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	s.http = httptest.NewUnstartedServer(mux)
	s.http.Config.ErrorLog = nil
	s.http.EnableHTTP2 = h2
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.http.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf, s.ca.Raw}, PrivateKey: leafKey}}}
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	s.list = s.operators(1)
	return s
}

func (s *server) sign(key any, usage x509.ExtKeyUsage, from, to time.Time) []byte {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", "server.test"},
	}, s.ca, key, s.caKey)
	if err != nil {
		s.t.Error(err)
	}
	return der
}

func (s *server) operators(generation uint64) []byte {
	b, err := command.SignList(&command.Operators{Tenant: ours, Generation: generation, Issued: time.Now().Add(-time.Hour), Expiry: time.Now().Add(time.Hour), HostCap: 1}, s.authority)
	if err != nil {
		s.t.Error(err)
	}
	return b
}

func (s *server) token() command.Token {
	return command.Token{URL: s.http.URL, CA: sha256.Sum256(s.ca.Raw), Authority: command.AuthorityHash(s.authority.Public().(ed25519.PublicKey)), Tenant: ours, Secret: s.secret}
}

func (s *server) leaf(csr []byte) ([]byte, error) {
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	return s.sign(r.PublicKey, x509.ExtKeyUsageClientAuth, time.Now().Add(-48*time.Hour), time.Now().Add(s.life)), r.CheckSignature()
}

func (s *server) Enroll(_ context.Context, r *connect.Request[sensorv1.EnrollRequest]) (*connect.Response[sensorv1.EnrollResponse], error) {
	if r.Msg.Secret != s.secret {
		return nil, connect.NewError(connect.CodePermissionDenied, errors.New("the enrolment token is used up: make a new one"))
	}
	s.mu.Lock()
	s.enrolled++
	s.mu.Unlock()
	der, err := s.leaf(r.Msg.Csr)
	return connect.NewResponse(&sensorv1.EnrollResponse{HostId: host.String(), TenantId: ours.String(), Certificate: der, Ca: s.ca.Raw, AuthorityKey: s.authority.Public().(ed25519.PublicKey), OperatorList: s.list}), err
}

func (s *server) Renew(_ context.Context, r *connect.Request[sensorv1.RenewRequest]) (*connect.Response[sensorv1.RenewResponse], error) {
	s.mu.Lock()
	s.renewed++
	s.mu.Unlock()
	der, err := s.leaf(r.Msg.Csr)
	return connect.NewResponse(&sensorv1.RenewResponse{Certificate: der}), err
}

func (s *server) mark(stream uint64, lane uint32) *sensorv1.Watermark {
	w := &sensorv1.Watermark{Stream: stream, Lane: lane}
	for have := s.events[[2]uint64{stream, uint64(lane)}]; have[w.AcceptedThrough+1]; {
		w.AcceptedThrough++
	}
	w.SealedThrough = w.AcceptedThrough
	return w
}

func (s *server) Hello(_ context.Context, r *connect.Request[sensorv1.HelloRequest]) (*connect.Response[sensorv1.HelloResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hellos++
	res := &sensorv1.HelloResponse{Protocol: 1, ServerTime: time.Now().UnixMicro(), Limits: &sensorv1.Limits{MaxInFlight: 4}, Nonce: fmt.Sprintf("nonce-hello-%d", s.hellos)}
	for lane := range uint32(3) {
		res.Watermarks = append(res.Watermarks, s.mark(r.Msg.Stream, lane))
	}
	for _, o := range r.Msg.Streams {
		res.Watermarks = append(res.Watermarks, s.mark(o.Stream, o.Lane))
	}
	return connect.NewResponse(res), nil
}

func (s *server) Upload(_ context.Context, r *connect.Request[sensorv1.UploadRequest]) (*connect.Response[sensorv1.UploadResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads++
	m := r.Msg
	if sha256.Sum256(m.Content) != [32]byte(m.Sha256) {
		return nil, connect.NewError(connect.CodeDataLoss, errors.New("hash"))
	}
	if s.refuse != nil {
		if err := s.refuse(m); err != nil {
			return nil, err
		}
	}
	k := [2]uint64{m.Stream, uint64(m.Lane)}
	if s.events[k] == nil {
		s.events[k] = map[uint64]bool{}
	}
	for n := range uint64(m.Count) {
		s.events[k][m.First+n] = true
	}
	return connect.NewResponse(&sensorv1.UploadResponse{Watermark: s.mark(m.Stream, m.Lane)}), nil
}

func (s *server) Attend(ctx context.Context, _ *connect.Request[sensorv1.AttendRequest], out *connect.ServerStream[sensorv1.AttendResponse]) error {
	if err := out.Send(&sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Alive{Alive: true}}); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if s.down.Load() {
				return connect.NewError(connect.CodeUnavailable, errors.New("going down"))
			}
		case i := <-s.items:
			if err := out.Send(i); err != nil {
				return err
			}
		}
	}
}

func (s *server) Report(_ context.Context, r *connect.Request[sensorv1.ReportRequest]) (*connect.Response[sensorv1.ReportResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, r.Msg)
	return connect.NewResponse(&sensorv1.ReportResponse{ServerTime: time.Now().UnixMicro()}), nil
}

func (s *server) count(stream uint64, lane event.Lane) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events[[2]uint64{stream, uint64(lane)}])
}

// agent stands for the agent.
type agent struct {
	mu       sync.Mutex
	commands []command.Signed
	nonces   []string
	lists    [][]byte
	outcomes []*sensorv1.Outcome
	clock    time.Time
}

func (a *agent) Hello() *sensorv1.HelloRequest {
	return &sensorv1.HelloRequest{Version: "test", Os: "linux"}
}
func (a *agent) Report() *sensorv1.ReportRequest { return &sensorv1.ReportRequest{} }
func (a *agent) Outcomes() []*sensorv1.Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.outcomes
}

func (a *agent) Reported(sent []*sensorv1.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(sent) > 0 {
		a.outcomes = nil
	}
}

func (a *agent) Command(_ context.Context, s command.Signed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commands = append(a.commands, s)
}

func (a *agent) Nonce(_ context.Context, n string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nonces = append(a.nonces, n)
}

func (a *agent) List(_ context.Context, l []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lists = append(a.lists, l)
}

func (a *agent) Clock(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock = t
}

type rig struct {
	id    *identity.Identity
	spool *spool.Spool
	link  *uplink.Link
	agent *agent
	stop  func()
}

func enrol(t *testing.T, s *server, p uplink.Proxy) *identity.Identity {
	t.Helper()
	id, err := uplink.Enroll(t.Context(), filepath.Join(t.TempDir(), "identity"), s.token(), uplink.Facts{Hostname: []byte("h\xff"), Version: "test"}, p)
	if err != nil {
		t.Fatalf("Enroll: %v", err)
	}
	return id
}

func connectRig(t *testing.T, id *identity.Identity, p uplink.Proxy) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sp, err := spool.Open(filepath.Join(t.TempDir(), "spool"), spool.Options{Log: log, MinFree: -1, Linger: [3]time.Duration{5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{id: id, spool: sp, agent: &agent{}}
	if r.link, err = uplink.New(uplink.Options{Identity: id, Spool: sp, Host: r.agent, Proxy: p, Log: log, Period: 50 * time.Millisecond, MaxWait: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sp.Run(ctx) })
	linkCtx, linkCancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if err := r.link.Run(linkCtx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			linkCancel()
			cancel()
			wg.Wait()
			if err := sp.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never came: %s", what)
}

func put(sp *spool.Spool, n int) {
	for i := range n {
		sp.Put(&event.Event{Kind: event.ProcessExec, OS: event.Linux, Actor: event.Process{Path: fmt.Sprint(i)}})
	}
}

func TestEventsArriveOverBothVersionsOfHTTP(t *testing.T) {
	for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			s := newServer(t, h2)
			r := connectRig(t, enrol(t, s, uplink.Proxy{}), uplink.Proxy{})
			put(r.spool, 5000)
			eventually(t, "5000 events", func() bool { return s.count(r.spool.Stream(), event.Critical) == 5000 })
			eventually(t, "nothing left to send", func() bool { return r.spool.Stats().Events == 0 })
			s.mu.Lock()
			if !s.protos[proto] {
				t.Errorf("spoke %v; want %s", s.protos, proto)
			}
			s.mu.Unlock()
			// What was answered last is counted a moment after the spool has let it go.
			eventually(t, "5000 counted", func() bool { st := r.link.State(); return st.Connected && st.Sent == 5000 })
			r.stop()
			s.mu.Lock()
			defer s.mu.Unlock()
			// A report that the stop cut off may be handled after it.
			if !slices.ContainsFunc(s.reports, func(r *sensorv1.ReportRequest) bool { return r.GoingDown && r.Produced[0].Last == 5000 }) {
				t.Errorf("reports %v; want a sign-off with 5000 produced", s.reports)
			}
		})
	}
}

func TestServerThatGoesAwayAndForgetsIsSentAllAgain(t *testing.T) {
	s := newServer(t, true)
	r := connectRig(t, enrol(t, s, uplink.Proxy{}), uplink.Proxy{})
	put(r.spool, 100)
	eventually(t, "first events", func() bool { return s.count(r.spool.Stream(), event.Critical) == 100 })
	s.down.Store(true)
	eventually(t, "the loss is noticed", func() bool { return !r.link.State().Connected })
	put(r.spool, 100)
	s.mu.Lock()
	s.events[[2]uint64{r.spool.Stream(), 0}] = nil // its log is gone; nothing was sealed beyond the spool's files
	s.mu.Unlock()
	s.down.Store(false)
	eventually(t, "all events again", func() bool { return s.count(r.spool.Stream(), event.Critical) >= 100 && r.spool.Stats().Events == 0 })
	if p := r.link.State(); !p.Connected || p.Problem != "" {
		t.Errorf("state %+v", p)
	}
}

func TestOneRefusedBatchDoesNotStopTheLane(t *testing.T) {
	s := newServer(t, true)
	full := 3
	s.refuse = func(u *sensorv1.UploadRequest) error {
		if u.Lane == 2 {
			return connect.NewError(connect.CodeInvalidArgument, errors.New("poison"))
		}
		if full > 0 {
			full--
			e := connect.NewError(connect.CodeResourceExhausted, errors.New("the log is full"))
			e.Meta().Set("Retry-After", "1")
			return e
		}
		return nil
	}
	r := connectRig(t, enrol(t, s, uplink.Proxy{}), uplink.Proxy{})
	r.spool.Put(&event.Event{Kind: event.FileCreate, OS: event.Linux})
	put(r.spool, 10)
	eventually(t, "the critical events and the report of the refused one", func() bool { return s.count(r.spool.Stream(), event.Critical) == 11 })
	if st := r.spool.Stats(); st.Dropped != 1 {
		t.Errorf("stats %+v; want one dropped", st)
	}
}

func TestAttendBringsCommandsNoncesAndLists(t *testing.T) {
	s := newServer(t, true)
	r := connectRig(t, enrol(t, s, uplink.Proxy{}), uplink.Proxy{})
	s.items <- &sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Command{Command: &sensorv1.Command{Canonical: []byte("c"), Arguments: []byte("a"), Signatures: []*sensorv1.Signature{{KeyId: "k", Algorithm: "ed25519", Signature: []byte("s")}}}}}
	s.items <- &sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Nonce{Nonce: "by-stream"}}
	s.items <- &sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_OperatorList{OperatorList: []byte("list")}}
	eventually(t, "all three", func() bool {
		r.agent.mu.Lock()
		defer r.agent.mu.Unlock()
		return len(r.agent.commands) == 1 && len(r.agent.lists) == 1 && len(r.agent.nonces) >= 2 && !r.agent.clock.IsZero()
	})
	r.agent.mu.Lock()
	c := r.agent.commands[0]
	r.agent.mu.Unlock()
	if string(c.Canonical) != "c" || len(c.Signatures) != 1 || c.Signatures[0].KeyID != "k" {
		t.Errorf("command %+v", c)
	}
	r.agent.mu.Lock()
	r.agent.outcomes = []*sensorv1.Outcome{{Nonce: []byte("n"), State: "done"}}
	r.agent.mu.Unlock()
	r.link.ReportSoon()
	eventually(t, "the outcome", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, rep := range s.reports {
			if len(rep.Outcomes) == 1 {
				return true
			}
		}
		return false
	})
}

func TestCertificateIsRenewedAtHalfItsLife(t *testing.T) {
	s := newServer(t, true)
	s.life = time.Hour
	id := enrol(t, s, uplink.Proxy{})
	r := connectRig(t, id, uplink.Proxy{})
	eventually(t, "a connection", func() bool { return r.link.State().Connected })
	r.stop()
	if s.renewed != 0 {
		t.Errorf("renewed %d times a fresh certificate", s.renewed)
	}
	s.life = -time.Minute // the next one is over when it comes: only Renew may go on with it
	id = enrol(t, s, uplink.Proxy{})
	s.life = time.Hour
	r = connectRig(t, id, uplink.Proxy{})
	eventually(t, "a new certificate", func() bool { return id.Expiry().After(time.Now()) && r.link.State().Connected })
	r.stop()
}

func TestEnrolRefusesAnotherServerAuthorityOrTenant(t *testing.T) {
	s := newServer(t, true)
	for name, c := range map[string]struct {
		edit func(*command.Token)
		want error
		says string
	}{
		"another CA":        {func(t *command.Token) { t.CA[0]++ }, identity.ErrForeignServer, "CA of the enrolment token"},
		"another authority": {func(t *command.Token) { t.Authority[0]++ }, identity.ErrForeignAuthority, "authority"},
		"another tenant":    {func(t *command.Token) { t.Tenant[15]++ }, identity.ErrForeignServer, ""},
		"another secret":    {func(t *command.Token) { t.Secret = strings.Repeat("x", 20) }, nil, "the enrolment token is used up: make a new one"},
	} {
		t.Run(name, func(t *testing.T) {
			tok := s.token()
			c.edit(&tok)
			before := s.enrolled
			dir := filepath.Join(t.TempDir(), "identity")
			_, err := uplink.Enroll(t.Context(), dir, tok, uplink.Facts{}, uplink.Proxy{})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(uplink.Explain(err), c.says) {
				t.Errorf("Enroll = %v (%s); want %v", err, uplink.Explain(err), c.want)
			}
			if name == "another CA" && s.enrolled != before {
				t.Error("the secret was sent to a server of another CA")
			}
			if _, err := identity.Load(dir); !errors.Is(err, identity.ErrNotEnrolled) {
				t.Errorf("an identity was kept: %v", err)
			}
		})
	}
	id := enrol(t, s, uplink.Proxy{})
	if id.Chain().List == nil || id.Chain().List.Generation != 1 {
		t.Error("the operator list of the enrolment was not kept")
	}
}

func TestServerOfAnotherCAIsNotSpokenTo(t *testing.T) {
	s, other := newServer(t, true), newServer(t, true)
	id := enrol(t, s, uplink.Proxy{})
	id.URL = other.http.URL
	r := connectRig(t, id, uplink.Proxy{})
	eventually(t, "the sentence", func() bool { return strings.Contains(r.link.State().Problem, "not signed by the CA") })
	if other.hellos != 0 {
		t.Error("a foreign server got a hello")
	}
}

func TestIdentitySurvivesAStart(t *testing.T) {
	s := newServer(t, true)
	dir := filepath.Join(t.TempDir(), "identity")
	id, err := uplink.Enroll(t.Context(), dir, s.token(), uplink.Facts{}, uplink.Proxy{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uplink.Enroll(t.Context(), dir, s.token(), uplink.Facts{}, uplink.Proxy{}); err == nil || !strings.Contains(err.Error(), "already enrolled") {
		t.Errorf("enrolled twice: %v", err)
	}
	if err := id.KeepList(s.operators(5)); err != nil {
		t.Fatal(err)
	}
	again, err := identity.Load(dir)
	if err != nil || again.Host != host || again.Tenant != ours || !again.Key.Equal(id.Key) || again.Chain().List.Generation != 5 {
		t.Errorf("Load = %+v, %v", again, err)
	}
}
