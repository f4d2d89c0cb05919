package ingest_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// agent is what the uplink asks of a sensor.
type agent struct {
	mu    sync.Mutex
	nonce string
	list  []byte
}

func (a *agent) Hello() *sensorv1.HelloRequest {
	return &sensorv1.HelloRequest{Version: "0.1.0", Os: "linux", Hostname: []byte("web-1"), BootId: make([]byte, 16), Capabilities: []*sensorv1.Capability{{Class: "process", State: "full"}}}
}
func (a *agent) Report() *sensorv1.ReportRequest         { return &sensorv1.ReportRequest{} }
func (a *agent) Outcomes() []*sensorv1.Outcome           { return nil }
func (a *agent) Reported([]*sensorv1.Outcome)            {}
func (a *agent) Command(context.Context, command.Signed) {}
func (a *agent) Clock(time.Time)                         {}
func (a *agent) Nonce(_ context.Context, n string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nonce = n
}

func (a *agent) List(_ context.Context, l []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = l
}

// TestSensorsOwnLinkBringsItsSpool is the contract with the other side: a token, the sensor's real
// enrolment, link and spool.
func TestSensorsOwnLinkBringsItsSpool(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, secret, err := s.fleet.CreateToken(t.Context(), s.tenant, 1, time.Hour, false, "tester")
	if err != nil {
		t.Fatal(err)
	}
	text := command.Token{URL: "https://" + s.addr, CA: s.fleet.CAHash(), Authority: command.AuthorityHash(s.authority.Public()), Tenant: s.tenant, Secret: secret}.Encode()
	token, err := command.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id, err := uplink.Enroll(t.Context(), dir, token, uplink.Facts{Hostname: []byte("web-1"), Version: "0.1.0", MachineID: make([]byte, 32)}, uplink.Proxy{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	box, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{}
	link, err := uplink.New(uplink.Options{Identity: id, Spool: box, Host: a, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = box.Run(ctx) })
	wg.Go(func() { _ = link.Run(ctx) })
	for i := range 100 {
		box.Put(made(uint64(i+1), 1)[0])
	}
	deadline := time.Now().Add(20 * time.Second)
	for link.State().Sent < 100 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	a.mu.Lock()
	if a.nonce == "" || len(a.list) == 0 {
		t.Errorf("nonce %q, operator list of %d bytes", a.nonce, len(a.list))
	}
	a.mu.Unlock()
	if s.service.Connected() != 1 {
		t.Errorf("%d connected", s.service.Connected())
	}
	cancel()
	wg.Wait()
	if err := box.Close(); err != nil {
		t.Error(err)
	}
	execs := 0
	for eid, e := range s.stored(t) {
		if eid.Host == id.Host && e.Kind == event.ProcessExec {
			execs++
		}
	}
	if execs != 100 {
		t.Errorf("%d events arrived (%s); want 100", execs, link.State().Problem)
	}
	sum, err := s.coverage.Summary(context.WithoutCancel(t.Context()), s.tenant)
	if err != nil || len(sum.SilentFailures) != 1 || sum.SilentFailures[0].Class != "stale" {
		t.Errorf("after the link signed off: %+v, %v", sum.SilentFailures, err)
	}
}
