package ingest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/response"
)

func asConnect(err error, into **connect.Error) bool { return errors.As(err, into) }

// leaf signs a certificate with the tenant's own intermediate, dated as the test wants.
func (s *server) leaf(t *testing.T, x *sensor, notAfter time.Time) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "pki", "tenant", s.tenant.String()+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(rest)
	by, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, by, key, x.key.Public(), "/"+s.tenant.String()+"/"+x.host.String(), notAfter)
}

func sign(t *testing.T, by *x509.Certificate, key, public any, path string, notAfter time.Time) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), URIs: []*url.URL{{Scheme: "spiffe", Host: "yagura", Path: path}}, NotBefore: notAfter.Add(-9 * 24 * time.Hour), NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if by == nil {
		by = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificatesThatAreNoneOfOurs(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := "/" + s.tenant.String() + "/" + x.host.String()
	foreignCA := &x509.Certificate{Subject: pkix.Name{CommonName: "theirs"}}
	for _, c := range []struct {
		name, say string
		cert      []byte
		key       *ecdsa.PrivateKey
	}{
		{"none", "no client certificate", nil, nil},
		{"self-signed with the name of a host", "not from this installation", sign(t, nil, other, other.Public(), path, time.Now().Add(time.Hour)), other},
		{"another CA", "not from this installation", sign(t, foreignCA, other, other.Public(), path, time.Now().Add(time.Hour)), other},
		{"expired", "expired", s.leaf(t, x, time.Now().Add(-time.Hour)), x.key.(*ecdsa.PrivateKey)},
	} {
		client := s.client(c.cert, c.key)
		_, err := client.Upload(t.Context(), connect.NewRequest(x.batch(t, event.Critical, 1, made(1, 1))))
		if connect.CodeOf(err) != connect.CodeUnauthenticated || !strings.Contains(err.Error(), c.say) {
			t.Errorf("Upload with %s: %v; want %q", c.name, err, c.say)
		}
		if _, err := client.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("Report with %s: %v", c.name, err)
		}
		stream, err := client.Attend(t.Context(), connect.NewRequest(&sensorv1.AttendRequest{}))
		if err == nil {
			stream.Receive()
			err = stream.Err()
		}
		if connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("Attend with %s: %v", c.name, err)
		}
	}
	if len(s.stored(t)) != 0 {
		t.Error("something was stored")
	}
}

// TestAServerWhoseClockIsBehindSaysSo: sensors were told to be enrolled again when it was the server's clock.
func TestAServerWhoseClockIsBehindSaysSo(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	early := s.client(s.leaf(t, x, time.Now().AddDate(10, 0, 0)), x.key)
	_, err := early.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{}))
	if connect.CodeOf(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "this server's clock says") || strings.Contains(err.Error(), "enrol") {
		t.Errorf("Report with a certificate of ten years ahead: %v; want the server's clock blamed, and to come again", err)
	}
	late := s.client(s.leaf(t, x, time.Now().Add(-time.Hour)), x.key)
	if _, err = late.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{})); err == nil || !strings.Contains(err.Error(), "this server's clock says") {
		t.Errorf("Report with an expired certificate: %v; want both times in it", err)
	}
}

func TestRenewTakesAnExpiredCertificateForHalfAYear(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	_, csr := newKey(t)
	for _, c := range []struct {
		ago time.Duration
		ok  bool
	}{{time.Hour, true}, {179 * 24 * time.Hour, true}, {181 * 24 * time.Hour, false}} {
		r, err := s.client(s.leaf(t, x, time.Now().Add(-c.ago)), x.key).Renew(t.Context(), connect.NewRequest(&sensorv1.RenewRequest{Csr: csr}))
		if (err == nil) != c.ok {
			t.Errorf("Renew %s after expiry: %v; want ok %v", c.ago, err, c.ok)
		}
		if err == nil {
			cert, err := x509.ParseCertificate(r.Msg.Certificate)
			if err != nil || time.Until(cert.NotAfter) < 6*24*time.Hour || time.Since(cert.NotBefore) < 47*time.Hour || !strings.HasSuffix(cert.URIs[0].Path, x.host.String()) {
				t.Errorf("renewed certificate: %v, %v to %v, %v", err, cert.NotBefore, cert.NotAfter, cert.URIs)
			}
		}
	}
	if _, err := s.fleet.Revoke(t.Context(), s.tenant, x.host); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Renew(t.Context(), connect.NewRequest(&sensorv1.RenewRequest{Csr: csr})); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("Renew of a revoked host: %v", err)
	}
}

func TestEnrolmentTokenIsForItsUsesOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, secret, err := s.fleet.CreateToken(t.Context(), s.tenant, 1, time.Hour, false, "tester")
	if err != nil {
		t.Fatal(err)
	}
	_, csr := newKey(t)
	ask := func(secret string, csr []byte) error {
		_, err := s.client(nil, nil).Enroll(t.Context(), connect.NewRequest(&sensorv1.EnrollRequest{Secret: secret, Csr: csr, Hostname: []byte("\xffhost"), Os: "linux"}))
		return err
	}
	if err := ask("wrong", csr); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("wrong secret: %v", err)
	}
	if err := ask(secret, []byte("not a request")); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("bad request: %v", err) // and it costs no use
	}
	if err := ask(secret, csr); err != nil {
		t.Errorf("good: %v", err)
	}
	if err := ask(secret, csr); connect.CodeOf(err) != connect.CodePermissionDenied || !strings.Contains(err.Error(), "used up") {
		t.Errorf("second use: %v", err)
	}
	// Three ends of a token were one sentence.
	_, short, err := s.fleet.CreateToken(t.Context(), s.tenant, 1, time.Millisecond, false, "tester")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	if err := ask(short, csr); connect.CodeOf(err) != connect.CodePermissionDenied || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its time: %v", err)
	}
	if err := ask("wrong", csr); !strings.Contains(err.Error(), "does not know") {
		t.Errorf("a secret of nobody: %v", err)
	}
}

func TestRevocationCutsTheStreamAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	attend, err := x.Attend(t.Context(), connect.NewRequest(&sensorv1.AttendRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if !attend.Receive() || !attend.Msg().GetAlive() {
		t.Fatalf("first word: %v, %v", attend.Msg(), attend.Err())
	}
	if s.service.Connected() != 1 {
		t.Errorf("%d connected; want 1", s.service.Connected())
	}
	if _, err := s.fleet.Revoke(t.Context(), s.tenant, x.host); err != nil {
		t.Fatal(err)
	}
	for attend.Receive() {
	}
	if connect.CodeOf(attend.Err()) != connect.CodePermissionDenied {
		t.Errorf("stream ended with %v", attend.Err())
	}
	if _, err := x.Upload(t.Context(), connect.NewRequest(x.batch(t, event.Critical, 1, made(1, 1)))); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("upload of a revoked host: %v", err)
	}
}

func TestHostClockThatIsOffIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	report := func(skew time.Duration) {
		if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{WallTime: time.Now().Add(skew).UnixMicro(), Stream: x.stream})); err != nil {
			t.Fatal(err)
		}
	}
	report(-24 * time.Hour)
	list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
	if err != nil || len(list) != 1 || list[0].Class != "clock skew" {
		t.Errorf("a day back: %+v, %v", list, err)
	}
	x.upload(t, x.batch(t, event.Critical, 1, made(1, 1)))
	for _, e := range s.stored(t) {
		if d := time.Since(time.UnixMicro(e.Time)); d > time.Minute {
			t.Errorf("the event is %s old by the server's estimate", d)
		}
	}
	report(0)
	if list, _ := s.coverage.SilentFailures(t.Context(), s.tenant); len(list) != 0 {
		t.Errorf("clock set again: %+v", list)
	}
}

func TestSensorWithoutItsDiskIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	for _, step := range []struct {
		problem string
		down    bool
		faults  int
	}{{"no space left on device \x1b[2J", false, 1}, {"", false, 0}, {strings.Repeat("x", 100_000), false, 1}, {"no space left on device", true, 0}} {
		if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{WallTime: time.Now().UnixMicro(), Stream: x.stream, SpoolProblem: []byte(step.problem), GoingDown: step.down})); err != nil {
			t.Fatal(err)
		}
		list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
		found := 0
		for _, f := range list {
			if strings.HasSuffix(f.ID, "/spool") {
				found++
				if strings.Contains(f.What.En, "\x1b") || len(f.What.En) > 1000 {
					t.Errorf("%.40q: told as %q", step.problem, f.What.En)
				}
			}
		}
		if err != nil || found != step.faults {
			t.Errorf("%.40q, down %v: %+v, %v; want %d", step.problem, step.down, list, err, step.faults)
		}
	}
}

func TestCloneIsFoundByABootThatReturns(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	for _, boot := range []byte{1, 2, 1} {
		x.boot[0] = boot
		x.hello(t)
	}
	list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
	if err != nil || len(list) != 1 || !strings.HasSuffix(list[0].ID, "/clone") {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestMachineEnrolledTwiceWhileItLivesIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	_, secret, err := s.fleet.CreateToken(t.Context(), s.tenant, 1, time.Hour, false, "tester")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.fleet.Host(s.tenant, x.host)
	machine, err := hex.DecodeString(first.Machine)
	if err != nil {
		t.Fatal(err)
	}
	_, csr := newKey(t)
	if _, err := s.client(nil, nil).Enroll(t.Context(), connect.NewRequest(&sensorv1.EnrollRequest{Secret: secret, Csr: csr, Hostname: []byte("copy"), Os: "linux", MachineId: machine})); err != nil {
		t.Fatal(err)
	}
	list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
	if err != nil || len(list) != 1 || list[0].ID != x.host.String()+"/twin" {
		t.Errorf("%+v, %v", list, err)
	}
	// The copy is revoked: the alarm goes out with the next heartbeat, and a restart does not bring it back.
	for _, h := range s.fleet.Hosts(s.tenant) {
		if h.ID != x.host {
			if _, err := s.fleet.Revoke(t.Context(), s.tenant, h.ID); err != nil {
				t.Fatal(err)
			}
			s.coverage.Retired(t.Context(), h.ID)
		}
	}
	for _, when := range []string{"after the copy was revoked", "after a restart"} {
		if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{WallTime: time.Now().UnixMicro(), Stream: x.stream})); err != nil {
			t.Fatal(err)
		}
		if list, err := s.coverage.SilentFailures(t.Context(), s.tenant); err != nil || len(list) != 0 {
			t.Errorf("%s: %+v, %v", when, list, err)
		}
		s.stop()
		s.listen = s.addr
		s.open(t, 64<<20)
		x.SensorsClient = s.client(x.cert, x.key)
	}
}

func TestCommandTravelsAndItsSignedOutcomeReturns(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	attend, err := x.Attend(t.Context(), connect.NewRequest(&sensorv1.AttendRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	args, err := command.EncodeArguments(command.IsolateArguments{Seconds: 600})
	if err != nil {
		t.Fatal(err)
	}
	_, ops := s.authority.List()
	cmd, err := command.New(s.tenant, ops.Generation, ops.HostCap, command.Isolate, args, time.Now(), 5*time.Minute, x.host)
	if err != nil {
		t.Fatal(err)
	}
	signed := command.Signed{Canonical: cmd.Canonical(), Arguments: args, Signatures: []command.Signature{command.Sign(cmd.Canonical(), s.authority.Operator())}}
	actions, err := s.relay.Submit(t.Context(), s.tenant, response.Submission{Signed: signed, Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	for attend.Receive() {
		if c := attend.Msg().GetCommand(); c != nil {
			got := command.Signed{Canonical: c.Canonical, Arguments: c.Arguments}
			for _, sig := range c.Signatures {
				got.Signatures = append(got.Signatures, command.Signature{KeyID: sig.KeyId, Algorithm: sig.Algorithm, Signature: sig.Signature})
			}
			if _, err := s.authority.Chain().Check(time.Now(), got); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	counters := []*sensorv1.Counter{{Name: "contain.due", Value: 1}, {Name: "contain.isolated", Value: 1}}
	say := func(state command.State, tamper bool) {
		o := command.Outcome{Nonce: cmd.Nonce[:], State: state, Detail: "cut off", Proof: []byte(`{"denied":3}`), Time: time.Now().Truncate(time.Microsecond)}
		sig, err := command.SignOutcome(&o, x.key)
		if err != nil {
			t.Fatal(err)
		}
		if tamper {
			o.Detail = "all is well"
		}
		if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{WallTime: time.Now().UnixMicro(), Counters: counters, Outcomes: []*sensorv1.Outcome{{Nonce: o.Nonce, State: string(o.State), Detail: []byte(o.Detail), Proof: o.Proof, Time: o.Time.UnixMicro(), Signature: sig}}})); err != nil {
			t.Fatal(err)
		}
	}
	state := func() response.Action {
		list, err := s.relay.Actions(t.Context(), s.tenant, actions[0].ID, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d actions, %v", len(list), err)
		}
		return list[0]
	}
	for deadline := time.Now().Add(5 * time.Second); state().State == response.Queued && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	say(command.Done, true)
	if a := state(); a.State != response.Delivered || a.ProofSigned {
		t.Errorf("after an altered outcome: %+v", a)
	}
	say(command.Running, false)
	say(command.Done, false)
	say(command.Running, false)
	if a := state(); a.State != response.Done || !a.ProofSigned || a.Proof != `{"denied":3}` || a.Inverse() != command.Release || !s.relay.Isolated(x.host) {
		t.Errorf("after done: %+v, isolated %v", a, s.relay.Isolated(x.host))
	}
	failures := func() (ids []string) {
		list, err := s.coverage.SilentFailures(context.WithoutCancel(t.Context()), s.tenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			_, kind, _ := strings.Cut(f.ID, "/")
			ids = append(ids, kind)
		}
		return ids
	}
	// The host's next heartbeat says that it is open: that stands, and not what was done once.
	for _, holds := range []uint64{0, 1} {
		counters[1].Value = holds
		if _, err := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{WallTime: time.Now().UnixMicro(), Counters: counters})); err != nil {
			t.Fatal(err)
		}
		if s.relay.Isolated(x.host) != (holds == 1) || s.relay.Broken(x.host) != (holds == 0) || slices.Contains(failures(), "isolation") != (holds == 0) {
			t.Errorf("a heartbeat with contain.isolated %d: isolated %v, broken %v, %v", holds, s.relay.Isolated(x.host), s.relay.Broken(x.host), failures())
		}
	}
	if _, err := s.relay.Submit(t.Context(), s.tenant, response.Submission{Signed: signed}); !errors.Is(err, response.ErrDuplicate) {
		t.Errorf("the same command again: %v", err)
	}
	signed.Canonical[len(signed.Canonical)-1]++
	if _, err := s.relay.Submit(t.Context(), s.tenant, response.Submission{Signed: signed}); !errors.Is(err, command.Altered) {
		t.Errorf("an altered command: %v", err)
	}
	cmd.Nonce[0]++ // a refusal of something that never passed here
	say(command.Refused, false)
	if all := failures(); len(all) != 1 || all[0] != "foreign-command" {
		t.Errorf("%v; want the foreign command", all)
	}
}
