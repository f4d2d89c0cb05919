package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/response"
)

// failure gives what stands of a host under a kind of fault.
func (s *server) failure(t testing.TB, x *sensor, kind string) string {
	t.Helper()
	list, err := s.coverage.SilentFailures(t.Context(), s.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.ID == x.host.String()+"/"+kind {
			if reason := map[string]bool{"clone": true, "spool": true, "numbers": true, "order-clock": true, "foreign-command": true}; reason[kind] && !strings.Contains(f.What.Ja, "〔") {
				t.Errorf("the reason of %s is in English for those who read Japanese: %s", kind, f.What.Ja)
			}
			return fmt.Sprintf("%s: %s", f.Severity, f.What.En)
		}
	}
	return ""
}

func (x *sensor) beat(t testing.TB, edit func(*sensorv1.ReportRequest)) {
	t.Helper()
	m := &sensorv1.ReportRequest{BootNs: uint64(time.Now().UnixNano()), WallTime: time.Now().UnixMicro(), Stream: x.stream}
	if edit != nil {
		edit(m)
	}
	if _, err := x.Report(t.Context(), connect.NewRequest(m)); err != nil {
		t.Fatal(err)
	}
}

// copied gives a second user of a sensor's identity.
func (x *sensor) copied(stream uint64, boot byte) *sensor {
	y := *x
	y.stream, y.boot[0] = stream, boot
	return &y
}

// Two machines ran for minutes with one folder, and nothing was told; a second program with the host's key beside the
// frozen sensor neither. What a machine says that started anew is no second one.
func TestTwoOfOneIdentityAreToldInTheFirstHeartbeat(t *testing.T) {
	t.Parallel()
	for name, boot := range map[string]byte{"a copy of the folder on another machine": 9, "a program with the host's key beside the sensor": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			x := s.enrol(t)
			x.hello(t)
			x.beat(t, nil)
			y := x.copied(0xbeef, boot)
			y.hello(t)
			y.beat(t, nil)
			if f := s.failure(t, x, "clone"); f != "" {
				t.Fatalf("a sensor that started anew is told as a second one: %s", f)
			}
			x.beat(t, nil)
			if f := s.failure(t, x, "clone"); !strings.HasPrefix(f, "high: Two machines, or two programs, use one identity") {
				t.Fatalf("the first heartbeat of the first one: %q", f)
			}
			if h, _ := s.fleet.Host(s.tenant, x.host); h.Twice == 0 {
				t.Error("who gives an order is not warned")
			}
			s.stop()
			s.listen = s.addr
			s.open(t, 64<<20)
			x.SensorsClient = s.client(x.cert, x.key)
			if h, _ := s.fleet.Host(s.tenant, x.host); h.Twice == 0 || s.failure(t, x, "clone") == "" {
				t.Errorf("a restart forgives: %d, %q", h.Twice, s.failure(t, x, "clone"))
			}
		})
	}
}

// The sensor is frozen and another program speaks for it: its connection stands, and gives both away.
func TestAnOpenStreamOfAFrozenSensorShowsTheOther(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	stream, err := x.Attend(t.Context(), connect.NewRequest(&sensorv1.AttendRequest{Stream: x.stream}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	y := x.copied(0xbeef, 1)
	y.hello(t)
	deadline := time.Now().Add(80 * time.Second)
	for s.failure(t, x, "clone") == "" && time.Now().Before(deadline) {
		y.beat(t, nil)
		time.Sleep(500 * time.Millisecond)
	}
	if f := s.failure(t, x, "clone"); !strings.Contains(f, "connected at once in one boot") {
		t.Errorf("%q", f)
	}
}

// One forged word with the host's key made a living sensor silent until its next greeting.
func TestAForgedSignOffDoesNotStick(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	x.beat(t, func(m *sensorv1.ReportRequest) { m.GoingDown = true })
	sum, err := s.coverage.Summary(t.Context(), s.tenant)
	if err != nil || sum.Health[x.host].State != "silent" {
		t.Fatalf("%+v, %v", sum.Health[x.host], err)
	}
	time.Sleep(6 * time.Second)
	x.beat(t, nil)
	if sum, err = s.coverage.Summary(t.Context(), s.tenant); err != nil || sum.Health[x.host].State == "silent" {
		t.Errorf("a heartbeat later: %+v, %v", sum.Health[x.host].State, err)
	}
	if f := s.failure(t, x, "clone"); !strings.Contains(f, "signed off") {
		t.Errorf("who signed off for it is not told: %q", f)
	}
}

func TestANewNameOfAHostIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	x, other := s.enrol(t), s.enrol(t)
	other.hello(t)
	x.hello(t)
	if f := s.failure(t, x, "renamed"); f != "" {
		t.Fatal(f)
	}
	for name, want := range map[string]string{"db-\x1b[2J7": "low: The host " + x.host.String() + " calls itself ", "web-1": "medium: The host " + x.host.String() + " calls itself web-1 now"} {
		if _, err := x.Hello(t.Context(), connect.NewRequest(&sensorv1.HelloRequest{Protocol: 1, Hostname: []byte("before"), BootId: x.boot[:], Stream: x.stream, Registry: 1})); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Hello(t.Context(), connect.NewRequest(&sensorv1.HelloRequest{Protocol: 1, Hostname: []byte(name), BootId: x.boot[:], Stream: x.stream, Registry: 1})); err != nil {
			t.Fatal(err)
		}
		if f := s.failure(t, x, "renamed"); !strings.HasPrefix(f, want) || strings.Contains(f, "\x1b") {
			t.Errorf("%q: told as %q", name, f)
		}
	}
}

// No order that has ended leaves this server: a host that refuses one for its time has a clock that somebody moved.
func TestARefusalForTheTimeIsTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.enrol(t)
	x.hello(t)
	say := func(c *command.Command, state command.State, detail, proof string) {
		o := command.Outcome{Nonce: c.Nonce[:], State: state, Detail: detail, Proof: []byte(proof), Time: time.UnixMicro(time.Now().UnixMicro())}
		sig, err := command.SignOutcome(&o, x.key)
		if err != nil {
			t.Fatal(err)
		}
		x.beat(t, func(m *sensorv1.ReportRequest) {
			m.Outcomes = []*sensorv1.Outcome{{Nonce: o.Nonce, State: string(o.State), Detail: []byte(o.Detail), Proof: o.Proof, Time: o.Time.UnixMicro(), Signature: sig}}
		})
	}
	say(s.release(t, x), command.Refused, "the command ended at T, it is T here: sign it again; the clocks differ: …", `{"reason":"expired"}`)
	if f := s.failure(t, x, "order-clock"); !strings.Contains(f, "high: The host refused an order for its time") || !strings.Contains(f, "the clocks differ") {
		t.Errorf("%q", f)
	}
	say(s.release(t, x), command.Done, "released", `{}`)
	if f := s.failure(t, x, "order-clock"); f != "" {
		t.Errorf("it obeys again: %q", f)
	}
}

// release gives an order that the server relays.
func (s *server) release(t testing.TB, x *sensor) *command.Command {
	t.Helper()
	_, ops := s.authority.List()
	c, err := command.New(s.tenant, ops.Generation, ops.HostCap, command.Release, []byte("{}"), time.Now(), command.Life, x.host)
	if err != nil {
		t.Fatal(err)
	}
	signed := command.Signed{Canonical: c.Canonical(), Arguments: []byte("{}"), Signatures: []command.Signature{command.Sign(c.Canonical(), s.authority.Operator())}}
	if _, err := s.relay.Submit(t.Context(), s.tenant, response.Submission{Signed: signed, Actor: "tester"}); err != nil {
		t.Fatal(err)
	}
	return c
}
