package notify_test

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var testTenant = tenant.ID(uuid.MustParse("01930000-0000-7000-8000-0000000000aa"))

func webShell() notify.Notice {
	return notify.Notice{
		Key: notify.IncidentKey("i-1", detection.Critical), Tenant: testTenant, Kind: notify.Incident, Severity: detection.Critical,
		Title:   detection.Said{En: "A web service started a shell", Ja: "Web サービスからシェルが起動されました"},
		Summary: detection.Said{En: "php-fpm ran sh, which loaded a program and ran it.", Ja: "php-fpm が sh を起動し、プログラムを取得して実行しました。"},
		Todo:    detection.Said{En: "Isolate the host if the service was not under test.", Ja: "試験中でなければ、ホストのネットワーク隔離をご検討ください。"},
		Hosts:   []string{"web-01"}, Credits: []string{"web_shell_child — Yagura contributors (Apache-2.0)"}, Link: "/incidents/i-1",
		Time: time.Date(2026, 11, 22, 1, 31, 52, 0, time.UTC),
	}
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tokyo() *time.Location { return time.FixedZone("JST", 9*3600) }

func mailChannel(t *testing.T, s *smtpServer, edit func(*notify.MailServer)) notify.Channel {
	t.Helper()
	m := notify.MailServer{
		Host: s.Host, Port: s.Port, TLS: notify.TLSNone, From: "Yagura 通知 <yagura@example.test>",
		Voice: notify.Voice{Language: "ja", PublicURL: "https://yagura.example.test/", Zone: tokyo()},
	}
	if edit != nil {
		edit(&m)
	}
	ch, err := notify.NewMails(m, []string{"監視 担当 <soc@example.test>"})
	if err != nil {
		t.Fatal(err)
	}
	return ch[0]
}

// readMail parses what the server took, as a mail reader would.
func readMail(t *testing.T, raw string) (h mail.Header, subject, body string) {
	t.Helper()
	for line := range strings.SplitSeq(raw, "\r\n") {
		if len(line) > 78 || strings.Contains(line, "=?") && len(line) > 76 {
			t.Errorf("a line of %d bytes; RFC 5322 wants 78, RFC 2047 76: %s", len(line), line)
		}
		if line == "Subject:" {
			t.Errorf("the subject begins with an empty line")
		}
		for i := range len(line) {
			if line[i] > 0x7E {
				t.Errorf("byte %#x on the wire: a server without 8BITMIME would break it: %q", line[i], line)
				break
			}
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	if ct, params, err := mime.ParseMediaType(m.Header.Get("Content-Type")); err != nil || ct != "text/plain" || !strings.EqualFold(params["charset"], "utf-8") {
		t.Errorf("Content-Type %q (%v); want text/plain in UTF-8", m.Header.Get("Content-Type"), err)
	}
	if got := m.Header.Get("Content-Transfer-Encoding"); got != "base64" {
		t.Errorf("Content-Transfer-Encoding %q; want base64", got)
	}
	b, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, subject, strings.ReplaceAll(string(b), "\r\n", "\n")
}

func TestJapaneseMailReachesARealServer(t *testing.T) {
	s := startSMTP(t, smtpPlan{})
	if err := mailChannel(t, s, nil).Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	got := s.next(t)
	if got.From != "yagura@example.test" || len(got.To) != 1 || got.To[0] != "soc@example.test" {
		t.Errorf("envelope from %q to %q", got.From, got.To)
	}
	h, subject, body := readMail(t, got.Data)
	if want := "【Yagura】緊急 (critical): Web サービスからシェルが起動されました(web-01)"; subject != want {
		t.Errorf("subject %q; want %q", subject, want)
	}
	const want = `ご担当者様

お世話になっております。Yagura からの自動通知です。
新しいインシデントを検知いたしましたので、お知らせいたします。
お手数ですが、内容のご確認をお願いいたします。

■ 件名: Web サービスからシェルが起動されました
■ 重大度: 緊急 (critical)
■ ホスト: web-01
■ 発生日時: 2026年11月22日(日) 10:31:52 JST (01:31:52 UTC)
■ 概要: php-fpm が sh を起動し、プログラムを取得して実行しました。
■ 最初の対応: 試験中でなければ、ホストのネットワーク隔離をご検討ください。
■ 詳細: https://yagura.example.test/incidents/i-1
■ ルール: web_shell_child — Yagura contributors (Apache-2.0)

本メールは送信専用です。ご返信いただいてもお答えできませんので、ご了承ください。
以上、よろしくお願いいたします。

-- 
Yagura
`
	if strings.TrimSpace(body) != strings.TrimSpace(want) {
		t.Errorf("body:\n%s\nwant:\n%s", body, want)
	}
	if h.Get("Auto-Submitted") != "auto-generated" || h.Get("Message-ID") == "" || h.Get("Content-Language") != "ja" {
		t.Errorf("headers: %v", h)
	}
	from, err := h.AddressList("From")
	if err != nil || from[0].Name != "Yagura 通知" {
		t.Errorf("From = %v, %v", from, err)
	}
	// A title that names the host already does not name it again.
	named := webShell()
	named.Title.Ja += " (web-01)"
	if err := mailChannel(t, s, nil).Deliver(t.Context(), []notify.Notice{named}); err != nil {
		t.Fatal(err)
	}
	if _, subject, _ := readMail(t, s.next(t).Data); strings.Count(subject, "web-01") != 1 {
		t.Errorf("subject %q names the host more than once", subject)
	}
	// The same notice sent twice is one message to a receiver that looks.
	if err := mailChannel(t, s, nil).Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
		t.Fatal(err)
	}
	again, _, _ := readMail(t, s.next(t).Data)
	if again.Get("Message-ID") != h.Get("Message-ID") {
		t.Errorf("Message-ID changed between two attempts: %s, %s", h.Get("Message-ID"), again.Get("Message-ID"))
	}
}

func TestMailSpeaksTheChannelsLanguage(t *testing.T) {
	s := startSMTP(t, smtpPlan{})
	for _, c := range []struct{ lang, subject, has, hasNot string }{
		{"en", "[Yagura] critical: A web service started a shell on web-01", "Isolate the host", "ご担当者様"},
		{"both", "【Yagura】緊急 (critical): Web サービスからシェルが起動されました(web-01) / [Yagura] critical: A web service started a shell on web-01", "Sent automatically", "%!"},
	} {
		ch := mailChannel(t, s, func(m *notify.MailServer) { m.Voice.Language = c.lang })
		if err := ch.Deliver(t.Context(), []notify.Notice{webShell()}); err != nil {
			t.Fatal(err)
		}
		_, subject, body := readMail(t, s.next(t).Data)
		if subject != c.subject {
			t.Errorf("%s: subject %q; want %q", c.lang, subject, c.subject)
		}
		if !strings.Contains(body, c.has) || strings.Contains(body, c.hasNot) {
			t.Errorf("%s: body lacks %q or has %q:\n%s", c.lang, c.has, c.hasNot, body)
		}
	}
}

// A host under attack writes parts of the mail: it must not write its headers.
func TestHostileTitleStaysInItsLine(t *testing.T) {
	s := startSMTP(t, smtpPlan{})
	n := webShell()
	n.Title = detection.Said{En: "x\r\nBcc: victim@example.test\r\n\r\nbody", Ja: "x\r\nBcc: victim@example.test\u202e"}
	n.Hosts = []string{event.Text("h\xff\n.\r\nMAIL FROM:<a@b>")}
	for _, lang := range []string{"en", "ja"} {
		ch := mailChannel(t, s, func(m *notify.MailServer) { m.Voice.Language = lang })
		if err := ch.Deliver(t.Context(), []notify.Notice{n}); err != nil {
			t.Fatal(err)
		}
		h, subject, body := readMail(t, s.next(t).Data)
		if h.Get("Bcc") != "" {
			t.Errorf("%s: the title wrote a header: %v", lang, h)
		}
		if !strings.Contains(subject, `x\r\nBcc`) || strings.ContainsAny(body, "\u202e\r") || !strings.Contains(body, `h\xff\n.\r\nMAIL FROM`) {
			t.Errorf("%s: subject %q body:\n%s", lang, subject, body)
		}
	}
}

func TestMailWithTLSAndPassword(t *testing.T) {
	for _, mode := range []notify.TLSMode{notify.TLSStart, notify.TLSImplicit} {
		for _, auth := range []string{"plain", "login"} {
			t.Run(string(mode)+"-"+auth, func(t *testing.T) {
				s := startSMTP(t, smtpPlan{TLS: string(mode), Password: "correct horse"})
				use := func(password, ca string) error {
					return mailChannel(t, s, func(m *notify.MailServer) {
						m.TLS, m.Auth, m.Username, m.PasswordFile, m.CAFile = mode, auth, "yagura", secretFile(t, password), ca
					}).Deliver(t.Context(), []notify.Notice{webShell()})
				}
				if err := use("correct horse", s.CAFile); err != nil {
					t.Fatal(err)
				}
				if got := s.next(t); !got.TLS || got.Auth != strings.ToUpper(auth) {
					t.Errorf("the server saw TLS %v, authentication %q", got.TLS, got.Auth)
				}
				if err := use("wrong", s.CAFile); !errors.Is(err, notify.ErrPermanent) {
					t.Errorf("a wrong password: %v; want %v", err, notify.ErrPermanent)
				}
				if err := use("correct horse", ""); !errors.Is(err, notify.ErrPermanent) {
					t.Errorf("a certificate of nobody: %v; want %v", err, notify.ErrPermanent)
				}
			})
		}
	}
}

func TestMailRefusals(t *testing.T) {
	send := func(s *smtpServer, edit func(*notify.MailServer)) error {
		return mailChannel(t, s, edit).Deliver(t.Context(), []notify.Notice{webShell()})
	}
	if err := send(startSMTP(t, smtpPlan{Refuse: "soc@example.test"}), nil); !errors.Is(err, notify.ErrPermanent) || !strings.Contains(err.Error(), "nobody of that name") {
		t.Errorf("refused recipient: %v; want a lasting error with the server's words", err)
	}
	grey := startSMTP(t, smtpPlan{Greylist: 1})
	if err := send(grey, nil); err == nil || errors.Is(err, notify.ErrPermanent) {
		t.Errorf("grey-listed: %v; want a passing error", err)
	}
	if err := send(grey, nil); err != nil {
		t.Errorf("second attempt after grey-listing: %v", err)
	}
	down := startSMTP(t, smtpPlan{})
	down.stop()
	if err := send(down, nil); err == nil || errors.Is(err, notify.ErrPermanent) {
		t.Errorf("server down: %v; want a passing error", err)
	}
	if err := send(startSMTP(t, smtpPlan{}), func(m *notify.MailServer) { m.TLS = notify.TLSStart }); err == nil {
		t.Errorf("starttls with a server that has none: sent in the clear")
	}
	far := func(m *notify.MailServer) {
		m.Host, m.Auth, m.Username, m.PasswordFile = "mail.example.test", "plain", "yagura", secretFile(t, "x")
	}
	if err := send(down, far); !errors.Is(err, notify.ErrPermanent) || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("password without TLS: %v; want a refusal before dialling", err)
	}
	if err := send(down, func(m *notify.MailServer) { m.Auth, m.PasswordFile = "plain", "/nonexistent" }); !errors.Is(err, notify.ErrPermanent) {
		t.Errorf("no password file: %v; want %v", err, notify.ErrPermanent)
	}
}
