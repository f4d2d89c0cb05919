package notify_test

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/notify"
)

type call struct {
	header http.Header
	body   []byte
}

func receiver(t *testing.T, status int) (url string, calls chan call) {
	t.Helper()
	calls = make(chan call, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		calls <- call{r.Header, b}
		w.Header().Set("Location", "http://192.0.2.1/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "said the receiver")
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

func hook(t *testing.T, url string, edit func(*notify.WebhookTarget)) notify.Channel {
	t.Helper()
	target := notify.WebhookTarget{
		Name: "soc", URL: url, SecretFile: secretFile(t, "s3cret"), AllowLoopback: true, AllowHTTP: true,
		Voice: notify.Voice{Language: "both", PublicURL: "https://yagura.example.test"},
	}
	if edit != nil {
		edit(&target)
	}
	ch, err := notify.NewWebhook(target)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestWebhookIsSigned(t *testing.T) {
	url, calls := receiver(t, http.StatusNoContent)
	if err := hook(t, url, nil).Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	got := <-calls
	want := notify.Sign([]byte("s3cret"), got.header.Get(notify.HeaderTimestamp), got.body)
	if !hmac.Equal([]byte(got.header.Get(notify.HeaderSignature)), []byte(want)) {
		t.Errorf("signature %q; want %q", got.header.Get(notify.HeaderSignature), want)
	}
	var m struct {
		Version int
		Text    string
		Notices []struct {
			Key, Kind, Tenant, Severity, Link, Time string
			Title                                   struct{ En, Ja string }
			Hosts, Credits                          []string
		}
	}
	if err := json.Unmarshal(got.body, &m); err != nil {
		t.Fatal(err)
	}
	n := m.Notices[0]
	if m.Version != 1 || n.Key != "incident/i-1/critical" || n.Kind != "incident" || n.Severity != "critical" || n.Hosts[0] != "web-01" ||
		n.Link != "https://yagura.example.test/incidents/i-1" || n.Time != "2026-11-22T01:31:52Z" || n.Title.Ja == "" || len(n.Credits) != 1 {
		t.Errorf("body %s", got.body)
	}
	if !strings.Contains(m.Text, "ご担当者様") || !strings.Contains(m.Text, "A new incident") {
		t.Errorf("text %q", m.Text)
	}
	// One more attempt of the same delivery carries the same delivery id.
	if err := hook(t, url, nil).Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	if again := <-calls; again.header.Get(notify.HeaderDelivery) != got.header.Get(notify.HeaderDelivery) {
		t.Errorf("delivery id changed")
	}
}

// docs/format/webhook.md shows this vector; receivers test their code with it.
func TestSignatureVector(t *testing.T) {
	const want = "v1=0c4e1552881c9dec6362727676cd14b076c959201042522f8b6859fe22c70e30"
	if got := notify.Sign([]byte("s3cret"), "1795000000", []byte(`{"version":1}`)); got != want {
		t.Errorf("Sign = %s; want %s", got, want)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for _, c := range []struct {
		status  int
		lasting bool
	}{{429, false}, {503, false}, {408, false}, {400, true}, {404, true}, {302, true}, {410, true}} {
		url, calls := receiver(t, c.status)
		err := hook(t, url, nil).Deliver(t.Context(), []notify.Notice{webShell()})
		if err == nil || errors.Is(err, notify.ErrPermanent) != c.lasting {
			t.Errorf("answer %d: %v; want lasting %v", c.status, err, c.lasting)
		}
		if len(calls) != 1 {
			t.Errorf("answer %d: %d calls; want 1, no redirect followed", c.status, len(calls))
		}
	}
}

// A configuration must not make the server call itself or a cloud's metadata service.
func TestWebhookDialsOnlyReceivers(t *testing.T) {
	url, calls := receiver(t, http.StatusOK)
	byName := strings.Replace(url, "127.0.0.1", "localhost", 1)
	for _, u := range []string{url, byName, "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "http://0.0.0.0:1/", "http://169.254.169.254/latest", "http://[fe80::1]:1/", "http://224.0.0.1:1/"} {
		err := hook(t, u, func(w *notify.WebhookTarget) { w.AllowLoopback = false }).Deliver(t.Context(), []notify.Notice{webShell()})
		if !errors.Is(err, notify.ErrPermanent) {
			t.Errorf("%s: %v; want a refusal", u, err)
		}
	}
	if err := hook(t, "http://169.254.169.254/latest", nil).Deliver(t.Context(), []notify.Notice{webShell()}); !errors.Is(err, notify.ErrPermanent) {
		t.Errorf("allow_loopback opened link-local addresses: %v", err)
	}
	if len(calls) != 0 {
		t.Errorf("%d calls came through", len(calls))
	}
	for _, u := range []string{"ftp://example.test/", "http://example.test/", "https://user:pw@example.test/", "https:///x", "://"} {
		if _, err := notify.NewWebhook(notify.WebhookTarget{Name: "x", URL: u}); err == nil {
			t.Errorf("NewWebhook(%q) was taken", u)
		}
	}
}

func TestWebhookErrorsDoNotShowTheURL(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	err := hook(t, url+"/services/TOPSECRET", nil).Deliver(t.Context(), []notify.Notice{webShell()})
	if err == nil || strings.Contains(err.Error(), "TOPSECRET") {
		t.Errorf("error %v shows the path, which often is the receiver's secret", err)
	}
}

func TestHiddenHostsStayHidden(t *testing.T) {
	url, calls := receiver(t, http.StatusOK)
	ch := hook(t, url, func(w *notify.WebhookTarget) { w.Voice.HideHosts = true })
	if err := ch.Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	if got := <-calls; strings.Contains(string(got.body), "web-01") {
		t.Errorf("host name in %s", got.body)
	}
}
