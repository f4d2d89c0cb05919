package agent

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
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/gen/sensor/v1/sensorv1connect"
)

// server answers as a server does; what came is kept for the test to look at.
type server struct {
	sensorv1connect.UnimplementedSensorsHandler
	t         *testing.T
	http      *httptest.Server
	ca        *x509.Certificate
	caKey     *ecdsa.PrivateKey
	authority ed25519.PrivateKey
	operator  ed25519.PrivateKey
	list      []byte
	items     chan *sensorv1.AttendResponse

	mu       sync.Mutex
	public   any // of the sensor's certificate
	events   []*event.Event
	hello    func() // called at each Hello, if set
	have     map[[2]uint64]map[uint64]bool
	marks    map[[2]uint64]uint64
	outcomes map[string][]command.Outcome
	down     bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, items: make(chan *sensorv1.AttendResponse, 64), have: map[[2]uint64]map[uint64]bool{}, marks: map[[2]uint64]uint64{}, outcomes: map[string][]command.Outcome{}}
	s.caKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, s.authority, _ = ed25519.GenerateKey(rand.Reader)
	_, s.operator, _ = ed25519.GenerateKey(rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, s.caKey.Public(), s.caKey)
	if err != nil {
		t.Fatal(err)
	}
	s.ca, _ = x509.ParseCertificate(der)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, handler := sensorv1connect.NewSensorsHandler(s)
	s.http = httptest.NewUnstartedServer(handler)
	s.http.EnableHTTP2 = true
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.http.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{{Certificate: [][]byte{s.sign(key.Public(), x509.ExtKeyUsageServerAuth), s.ca.Raw}, PrivateKey: key}}}
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	pub := s.operator.Public().(ed25519.PublicKey)
	s.list, err = command.SignList(&command.Operators{Tenant: ours, Generation: 1, Issued: time.Now().Add(-time.Hour), Expiry: time.Now().Add(time.Hour), HostCap: 1, Keys: []command.Key{
		{ID: command.KeyID(pub), Algorithm: command.Ed25519, Public: pub, Role: command.CLI, Person: "aki", Classes: []command.Class{command.C0, command.C1}, NotAfter: time.Now().Add(time.Hour)},
	}}, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) sign(key any, usage x509.ExtKeyUsage) []byte {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour * 168), ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, s.ca, key, s.caKey)
	if err != nil {
		s.t.Error(err)
	}
	return der
}

func (s *server) token() string {
	return command.Token{URL: s.http.URL, CA: sha256.Sum256(s.ca.Raw), Authority: command.AuthorityHash(s.authority.Public().(ed25519.PublicKey)), Tenant: ours, Secret: "0123456789abcdef"}.Encode()
}

func (s *server) Enroll(_ context.Context, r *connect.Request[sensorv1.EnrollRequest]) (*connect.Response[sensorv1.EnrollResponse], error) {
	csr, err := x509.ParseCertificateRequest(r.Msg.Csr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.public = csr.PublicKey
	s.mu.Unlock()
	return connect.NewResponse(&sensorv1.EnrollResponse{HostId: here.String(), TenantId: ours.String(), Certificate: s.sign(csr.PublicKey, x509.ExtKeyUsageClientAuth), Ca: s.ca.Raw, AuthorityKey: s.authority.Public().(ed25519.PublicKey), OperatorList: s.list}), nil
}

func (s *server) Hello(context.Context, *connect.Request[sensorv1.HelloRequest]) (*connect.Response[sensorv1.HelloResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hello != nil {
		s.hello()
	}
	res := &sensorv1.HelloResponse{Protocol: 1, ServerTime: time.Now().UnixMicro(), Limits: &sensorv1.Limits{MaxInFlight: 1}}
	for k, n := range s.marks {
		res.Watermarks = append(res.Watermarks, &sensorv1.Watermark{Stream: k[0], Lane: uint32(k[1]), AcceptedThrough: n, SealedThrough: n})
	}
	return connect.NewResponse(res), nil
}

func (s *server) Upload(_ context.Context, r *connect.Request[sensorv1.UploadRequest]) (*connect.Response[sensorv1.UploadResponse], error) {
	d, _ := zstd.NewReader(nil)
	defer d.Close()
	plain, err := d.DecodeAll(r.Msg.Content, nil)
	if err != nil {
		return nil, err
	}
	events, err := event.DecodeBatch(plain)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	k := [2]uint64{r.Msg.Stream, uint64(r.Msg.Lane)}
	if s.have[k] == nil {
		s.have[k] = map[uint64]bool{}
	}
	for n := range uint64(r.Msg.Count) {
		s.have[k][r.Msg.First+n] = true
	}
	for s.have[k][s.marks[k]+1] { // without holes: a batch sent again may come after a later one
		s.marks[k]++
	}
	return connect.NewResponse(&sensorv1.UploadResponse{Watermark: &sensorv1.Watermark{Stream: r.Msg.Stream, Lane: r.Msg.Lane, AcceptedThrough: s.marks[k]}}), nil
}

func (s *server) Report(_ context.Context, r *connect.Request[sensorv1.ReportRequest]) (*connect.Response[sensorv1.ReportResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = s.down || r.Msg.GoingDown
	for _, o := range r.Msg.Outcomes {
		out := command.Outcome{Nonce: o.Nonce, State: command.State(o.State), Detail: string(o.Detail), Proof: o.Proof, Time: time.UnixMicro(o.Time)}
		if err := command.VerifyOutcome(&out, o.Signature, s.public); err != nil {
			s.t.Errorf("outcome %+v: %v", out, err)
		}
		s.outcomes[fmt.Sprintf("%x", o.Nonce)] = append(s.outcomes[fmt.Sprintf("%x", o.Nonce)], out)
	}
	return connect.NewResponse(&sensorv1.ReportResponse{ServerTime: time.Now().UnixMicro()}), nil
}

func (s *server) Attend(ctx context.Context, _ *connect.Request[sensorv1.AttendRequest], out *connect.ServerStream[sensorv1.AttendResponse]) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case i := <-s.items:
			if err := out.Send(i); err != nil {
				return err
			}
		}
	}
}

func (s *server) order(t *testing.T, verb command.Verb, args any, edit func(*command.Command), key ed25519.PrivateKey) (nonce string) {
	t.Helper()
	b, err := command.EncodeArguments(args)
	if err != nil {
		t.Fatal(err)
	}
	c, err := command.New(ours, 1, 1, verb, b, time.Now(), time.Minute, here)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(c)
	}
	s.send(c.Canonical(), b, command.Sign(c.Canonical(), key))
	return c.Nonce.String()
}

func (s *server) send(canonical, args []byte, sig command.Signature) {
	s.items <- &sensorv1.AttendResponse{Item: &sensorv1.AttendResponse_Command{Command: &sensorv1.Command{Canonical: canonical, Arguments: args, Signatures: []*sensorv1.Signature{{KeyId: sig.KeyID, Algorithm: sig.Algorithm, Signature: sig.Signature}}}}}
}

// outcome waits for the final word on a command.
func (s *server) outcome(t *testing.T, nonce string) command.Outcome {
	t.Helper()
	var last command.Outcome
	eventually(t, "an outcome of "+nonce, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, o := range s.outcomes[nonce] {
			if o.State.Final() {
				last = o
				return true
			}
		}
		return false
	})
	return last
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
