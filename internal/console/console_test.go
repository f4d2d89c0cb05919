package console_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// running is a console on a free port over a real control database.
type running struct {
	url, dir string
	desk     *access.Desk
	hub      *console.Hub
	tap      *console.Tap
	db       *controldb.DB
}

func serve(t *testing.T, back console.Backend) *running {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := controldb.Open(t.Context(), filepath.Join(dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	desk, err := access.New(tenant.ID(uuid.Must(uuid.NewV7())), db.Access(), access.Key{7}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{dir: dir, desk: desk, hub: console.NewHub(), tap: console.NewTap(), db: db}
	s, err := console.New(console.Options{
		Access: desk, Backend: back, Hub: r.hub, Tap: r.tap, TenantName: "main", Version: "test",
		Log: slog.New(slog.DiscardHandler),
		Say: func(en string) *consolev1.Said { return &consolev1.Said{En: en, Ja: "和訳:" + en} },
		Web: fstest.MapFS{
			"index.html":        {Data: []byte("<!doctype html><title>Yagura</title>" + strings.Repeat("x", 2000))},
			"assets/app-abc.js": {Data: []byte(strings.Repeat("let a = 1;\n", 200))},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := console.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := console.ListenAdmin(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.url = console.URL(listeners[0])
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listeners, admin) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		_ = db.Close()
	})
	return r
}

// browser is an HTTP client that sends the session's token like the page does.
type browser struct{ token, origin string }

func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	if b.origin != "" {
		r.Header.Set("Origin", b.origin)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (r *running) signIn(t *testing.T) (*http.Client, *browser) {
	t.Helper()
	b := &browser{}
	client := &http.Client{Transport: b}
	link, err := r.desk.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sign := consolev1connect.NewSignInClient(client, r.url)
	begin, err := sign.Begin(t.Context(), connect.NewRequest(&consolev1.BeginRequest{Link: link}))
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(begin.Msg.GetTotpSecret(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	done, err := sign.Finish(t.Context(), connect.NewRequest(&consolev1.FinishRequest{
		Link: link, Name: "y.sato", Password: "correct horse battery", TotpCode: code, TotpSecret: begin.Msg.GetTotpSecret(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if set := done.Header().Get("Set-Cookie"); set != "" {
		t.Errorf("a cookie is set, which every port of this host is sent: %q", set)
	}
	b.token = done.Msg.GetToken()
	return client, b
}

// get asks for a page and gives the head of the answer.
func get(t *testing.T, url string, header ...string) (status int, head http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func TestPagesAreServedWithPolicyAndCompressed(t *testing.T) {
	r := serve(t, console.Backend{})
	status, page := get(t, r.url+"/incidents/i-1", "Accept", "text/html", "Accept-Encoding", "gzip")
	if status != 200 || page.Get("Content-Encoding") != "gzip" || page.Get("Cache-Control") != "no-store" {
		t.Errorf("a deep link gave %d %v", status, page)
	}
	if p := page.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
		t.Errorf("policy is %q", p)
	}
	status, asset := get(t, r.url+"/assets/app-abc.js")
	if status != 200 || !strings.Contains(asset.Get("Cache-Control"), "immutable") {
		t.Errorf("asset gave %d %v", status, asset)
	}
	if gone, _ := get(t, r.url+"/assets/old.js", "Accept", "text/html"); gone != http.StatusNotFound {
		t.Errorf("a missing asset gave %d", gone)
	}
}

func TestOtherNamesAndOriginsAreRefused(t *testing.T) {
	r := serve(t, console.Backend{})
	port := r.url[strings.LastIndex(r.url, ":"):]
	for _, c := range []struct {
		header []string
		want   int
	}{
		{[]string{"Host", "localhost" + port, "Accept", "text/html"}, 200},
		{[]string{"Host", "127.0.0.1" + port, "Accept", "text/html"}, 200},
		{[]string{"Host", "[::1]" + port, "Accept", "text/html"}, 200},
		{[]string{"Host", "evil.example" + port, "Accept", "text/html"}, http.StatusMisdirectedRequest},
		{[]string{"Host", "localhost", "Accept", "text/html"}, http.StatusMisdirectedRequest},
		{[]string{"Origin", "http://evil.example", "Accept", "text/html"}, http.StatusForbidden},
		{[]string{"Origin", "null", "Accept", "text/html"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", "http://localhost:1"}, http.StatusForbidden}, // another local port
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}, 200},
	} {
		if got, _ := get(t, r.url+"/", c.header...); got != c.want {
			t.Errorf("GET / with %v = %d; want %d", c.header, got, c.want)
		}
	}
}

func TestCallsNeedSessionAndToken(t *testing.T) {
	r := serve(t, console.Backend{Hosts: oneHost{}})
	if _, err := consolev1connect.NewConsoleClient(http.DefaultClient, r.url).ListHosts(t.Context(), connect.NewRequest(&consolev1.ListHostsRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("ListHosts without session = %v", err)
	}
	client, b := r.signIn(t)
	api := consolev1connect.NewConsoleClient(client, r.url)
	hosts, err := api.ListHosts(t.Context(), connect.NewRequest(&consolev1.ListHostsRequest{}))
	if err != nil || len(hosts.Msg.GetHosts()) != 1 {
		t.Fatalf("ListHosts = %v, %v", hosts, err)
	}
	// Nobody is told when a recording ends: a session must not be able to make a host one.
	if _, err := api.CreateEnrolToken(t.Context(), connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Recording: true})); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("CreateEnrolToken for a recording, by a session = %v", err)
	}
	kept := b.token
	for _, wrong := range []string{"another", "", kept + "x", strings.Repeat("x", 9000)} {
		b.token = wrong
		if _, err := api.ListHosts(t.Context(), connect.NewRequest(&consolev1.ListHostsRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("ListHosts with the token %.20q = %v", wrong, err)
		}
	}
	b.token = kept
	who, err := consolev1connect.NewSignInClient(client, r.url).Who(t.Context(), connect.NewRequest(&consolev1.WhoRequest{}))
	if err != nil || who.Msg.GetUser() != "y.sato" || who.Msg.GetToken() != "" || who.Msg.GetDevice() != "" {
		t.Errorf("Who = %v, %v; want a name and no secret", who, err)
	}
	for _, elsewhere := range []string{"http://evil.example", "http://localhost:1", "null"} {
		b.origin = elsewhere
		if _, err := api.ListHosts(t.Context(), connect.NewRequest(&consolev1.ListHostsRequest{})); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("ListHosts from %s = %v", elsewhere, err)
		}
	}
	b.origin = ""
	if _, err := consolev1connect.NewSignInClient(client, r.url).Close(t.Context(), connect.NewRequest(&consolev1.CloseRequest{})); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ListHosts(t.Context(), connect.NewRequest(&consolev1.ListHostsRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("ListHosts after sign-out = %v", err)
	}
}

// oneHost is a Hosts of one host; its error shows what a caller may see of ours.
type oneHost struct{}

func (oneHost) Hosts(context.Context, tenant.ID) ([]*consolev1.Host, error) {
	return []*consolev1.Host{{Name: "ws-1"}}, nil
}
func (oneHost) Hostname(context.Context, tenant.ID, event.HostID) string { return "ws-1" }
func (oneHost) RevokeHost(context.Context, tenant.ID, event.HostID, string) (*consolev1.Host, error) {
	return nil, errors.New("open /secret/path: inner reason")
}

func (oneHost) CreateEnrolToken(_ context.Context, _ tenant.ID, _ uint32, _ time.Duration, _ bool, by string) (string, *consolev1.EnrolToken, error) {
	return "yagura1.x", &consolev1.EnrolToken{CreatedBy: by}, nil
}

func (oneHost) SensorAddress() (url, listen string) {
	return "https://edr.example.com:8444", "0.0.0.0:8444"
}

func (oneHost) EnrolTokens(context.Context, tenant.ID) ([]*consolev1.EnrolToken, error) {
	return nil, nil
}

func TestAdminSocketKnowsItsCaller(t *testing.T) {
	r := serve(t, console.Backend{Hosts: oneHost{}})
	client, url := console.Dial(r.dir)
	api := consolev1connect.NewConsoleClient(client, url)
	token, err := api.CreateEnrolToken(t.Context(), connect.NewRequest(&consolev1.CreateEnrolTokenRequest{}))
	if err != nil || token.Msg.GetEntry().GetCreatedBy() != "local:root" && os.Getuid() == 0 {
		t.Fatalf("CreateEnrolToken = %v, %v", token, err)
	}
	rows, err := r.db.Access().Audit(t.Context(), r.desk.Tenant(), 1)
	if err != nil || len(rows) != 1 || rows[0].Verb != "enrol.token" || !strings.HasPrefix(rows[0].Actor, "local:") {
		t.Errorf("audit holds %v, %v", rows, err)
	}
	_, err = api.RevokeHost(t.Context(), connect.NewRequest(&consolev1.RevokeHostRequest{HostId: event.HostID(uuid.Must(uuid.NewV7())).String()}))
	if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "error_id") {
		t.Errorf("an inner fault reads %v", err)
	}
}

func TestAdminSocketWorksUnderALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds what a killed server left
		a, err := console.ListenAdmin(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
		got := make(chan error, 1)
		go func() {
			c, err := a.Accept()
			if err == nil {
				_ = c.Close()
			}
			got <- err
		}()
		client, url := console.Dial(dir)
		_, err = client.Get(url) //nolint:bodyclose // the connection is closed unanswered
		if err == nil {
			t.Error("an answer came from a socket that gives none")
		}
		if err := <-got; err != nil {
			t.Errorf("Accept = %v", err)
		}
	}
}

func TestDialSaysThatNoServerRuns(t *testing.T) {
	client, url := console.Dial(t.TempDir())
	_, err := client.Get(url) //nolint:bodyclose // it cannot answer
	if err == nil || !strings.Contains(err.Error(), "yagura up --data") {
		t.Errorf("Get = %v; want a sentence that says how to start the server", err)
	}
}

func TestOpenDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := console.ListenAdmin(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("ListenAdmin of a 0755 directory = %v", err)
	}
}

func TestListenRefusesOtherAddressesAndTakenPorts(t *testing.T) {
	if _, err := console.Listen(t.Context(), "0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("Listen(0.0.0.0) = %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := console.Listen(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("Listen on a taken port = %v", err)
	}
}

func TestWatchTellsChangesAtMostTenTimesASecond(t *testing.T) {
	r := serve(t, console.Backend{})
	client, url := console.Dial(r.dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := consolev1connect.NewConsoleClient(client, url).Watch(ctx, connect.NewRequest(&consolev1.WatchRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() || stream.Msg().GetWhat() != "alive" {
		t.Fatalf("first message is %v, %v", stream.Msg(), stream.Err())
	}
	begin := time.Now()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				r.hub.Changed(r.desk.Tenant(), console.ChangedIncidents)
				r.hub.Changed(r.desk.Tenant(), "no such list")
			}
		}
	}()
	for range 5 {
		if !stream.Receive() || stream.Msg().GetWhat() != "incidents" {
			t.Fatalf("message is %v, %v", stream.Msg(), stream.Err())
		}
	}
	close(stop)
	<-done
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("five notices came within %s", took)
	}
}

func TestErrorsCarryTheirSentenceInBothLanguages(t *testing.T) {
	r := serve(t, console.Backend{})
	client, _ := r.signIn(t)
	api := consolev1connect.NewConsoleClient(client, r.url)
	for range 2 { // the error is one that every caller gets: it must not gather details
		_, err := api.GetIncident(t.Context(), connect.NewRequest(&consolev1.GetIncidentRequest{Id: "i-1"}))
		ce, ok := errors.AsType[*connect.Error](err)
		if !ok || len(ce.Details()) != 1 {
			t.Fatalf("GetIncident = %v; want one detail", err)
		}
		v, err := ce.Details()[0].Value()
		if s, ok := v.(*consolev1.Said); err != nil || !ok || s.GetEn() != ce.Message() || s.GetJa() != "和訳:"+ce.Message() {
			t.Errorf("the detail is %v, %v", v, err)
		}
	}
	stream, err := api.TailEvents(t.Context(), connect.NewRequest(&consolev1.TailEventsRequest{Kinds: []string{"no.such"}}))
	if err == nil {
		stream.Receive()
		err = stream.Err()
	}
	if ce, ok := errors.AsType[*connect.Error](err); !ok || len(ce.Details()) != 1 {
		t.Errorf("a stream's error is %v", err)
	}
}

func TestTailGivesEventsInOrderWithTheirSentence(t *testing.T) {
	r := serve(t, console.Backend{Hosts: oneHost{}})
	host := event.HostID(uuid.Must(uuid.NewV7()))
	var batch []event.Stamped
	for i := range 5 {
		batch = append(batch, event.Stamped{ID: event.ID{Host: host, Stream: 1, Seq: uint64(i + 1)}, Event: &event.Event{
			Kind: event.ProcessExec, Actor: event.Process{Key: event.Key{1}, PID: 42, Path: "/bin/sh", CommandLine: "sh -c '\u202e'"},
		}})
	}
	r.tap.Observe(t.Context(), r.desk.Tenant(), batch[:3])
	r.tap.Observe(t.Context(), tenant.ID(uuid.Must(uuid.NewV7())), batch) // another tenant's
	client, url := console.Dial(r.dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := consolev1connect.NewConsoleClient(client, url).TailEvents(ctx, connect.NewRequest(&consolev1.TailEventsRequest{Backlog: 2, Kinds: []string{"process.exec"}}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 2, 3, 4} {
		if i == 2 {
			r.tap.Observe(t.Context(), r.desk.Tenant(), batch[3:])
		}
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
		m := stream.Msg()
		if m.GetId() != batch[want].ID.String() || m.GetHostname() != "ws-1" || m.GetFields()["actor_pid"] != "42" || !strings.HasPrefix(m.GetLine().GetJa(), "sh (42) が起動") {
			t.Errorf("row %d is %v", i, m)
		}
	}
}

func TestHugeBodyIsRefused(t *testing.T) {
	r := serve(t, console.Backend{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+consolev1connect.SignInOpenProcedure, bytes.NewReader(make([]byte, 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/proto")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the connection was cut: as good
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode == http.StatusOK {
		t.Error("an 8 MiB sign-in was read")
	}
}
