package notify

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// TLSMode says how a mail server is spoken to.
type TLSMode string

// The modes. Starttls never falls back to plain text.
const (
	TLSNone     TLSMode = "none"
	TLSStart    TLSMode = "starttls"
	TLSImplicit TLSMode = "tls"
)

// MailServer is the SMTP server that takes our mail.
type MailServer struct {
	Host         string
	Port         int
	TLS          TLSMode
	CAFile       string // PEM; empty: the system's authorities
	Auth         string // none, plain or login; refused without TLS except to loopback
	Username     string
	PasswordFile string // read at each attempt, so that a change needs no restart
	From         string // RFC 5322 address, with or without a name
	Voice        Voice
}

// Mail carries notices to one recipient. Each recipient is a channel of its own: one refused address
// neither stops the others nor makes them get a message twice.
type Mail struct {
	server MailServer
	from   *mail.Address
	to     *mail.Address
}

// NewMails makes one channel for each recipient.
func NewMails(s MailServer, to []string) ([]Channel, error) {
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return nil, fmt.Errorf("notify.smtp.from %q is no mail address: %w", s.From, err)
	}
	var out []Channel
	for _, t := range to {
		addr, err := mail.ParseAddress(t)
		if err != nil {
			return nil, fmt.Errorf("notify.smtp.to %q is no mail address: %w", t, err)
		}
		out = append(out, &Mail{server: s, from: from, to: addr})
	}
	return out, nil
}

// Name gives mail:ADDRESS.
func (m *Mail) Name() string { return "mail:" + m.to.Address }

// Deliver sends one message and returns once the server has taken responsibility for it.
func (m *Mail) Deliver(ctx context.Context, notices []Notice) error {
	msg := m.message(notices)
	opts, err := m.options()
	if err != nil {
		return permanent(err)
	}
	// go-mail takes the context for dialling only and leaves the connection open when greeting or
	// authentication fails; holding the connection here gives both back.
	var conn net.Conn
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", address, err)
		}
		conn = c
		if m.server.TLS == TLSImplicit {
			config, err := m.tlsConfig()
			if err != nil {
				return nil, err
			}
			return tls.Client(c, config), nil
		}
		return c, nil
	}
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	client, err := gomail.NewClient(m.server.Host, append(opts, gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return permanent(fmt.Errorf("mail server %s: %w", m.server.Host, err))
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return m.judge("greet", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := client.SendWithSMTPClient(session, msg); err != nil {
		return m.judge("send through", err)
	}
	// The server answered 250: the mail is its own now, whatever becomes of the good-bye.
	_ = client.CloseWithSMTPClient(session)
	return nil
}

// judge tells a lasting refusal (5xx) from a passing one.
func (m *Mail) judge(doing string, err error) error {
	err = fmt.Errorf("%s %s: %w", doing, net.JoinHostPort(m.server.Host, strconv.Itoa(m.server.Port)), err)
	code := 0
	if sent, ok := errors.AsType[*gomail.SendError](err); ok {
		code = sent.ErrorCode()
	} else if answer, ok := errors.AsType[*textproto.Error](err); ok {
		code = answer.Code
	}
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad || code >= 500 {
		return permanent(err)
	}
	return err
}

func (m *Mail) options() ([]gomail.Option, error) {
	s := m.server
	opts := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTimeout(attemptLimit), gomail.WithoutNoop()}
	switch s.TLS {
	case TLSNone:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	case TLSStart:
		config, err := m.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(config))
	case TLSImplicit:
		opts = append(opts, gomail.WithSSL())
	default:
		return nil, fmt.Errorf("notify.smtp.tls %q is none of none, starttls, tls", s.TLS)
	}
	if s.Auth == "" || s.Auth == "none" {
		return opts, nil
	}
	secret, err := readSecret(s.PasswordFile)
	if err != nil {
		return nil, err
	}
	clear := s.TLS == TLSNone
	if ip := net.ParseIP(s.Host); clear && s.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("a password is never sent to %s in the clear: set notify.smtp.tls to starttls or tls", s.Host)
	}
	kind := map[string]gomail.SMTPAuthType{"plain": gomail.SMTPAuthPlain, "login": gomail.SMTPAuthLogin}[s.Auth]
	if m.server.TLS != TLSStart {
		// go-mail sees no TLS in a connection that our dialer made; the line above has looked already.
		kind = map[string]gomail.SMTPAuthType{"plain": gomail.SMTPAuthPlainNoEnc, "login": gomail.SMTPAuthLoginNoEnc}[s.Auth]
	}
	if kind == "" {
		return nil, fmt.Errorf("notify.smtp.auth %q is none of none, plain, login", s.Auth)
	}
	return append(opts, gomail.WithSMTPAuth(kind), gomail.WithUsername(s.Username), gomail.WithPassword(secret)), nil
}

func (m *Mail) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: m.server.Host, MinVersion: tls.VersionTLS12}
	if m.server.CAFile == "" {
		return config, nil
	}
	roots, err := readRoots(m.server.CAFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = roots
	return config, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

// message writes the mail. Its Message-ID follows from the notices, so that a receiver can tell a
// message that was sent twice because the server died between the mail and the note of it.
func (m *Mail) message(notices []Notice) *gomail.Msg {
	// Base64 keeps Japanese text whole through servers without 8BITMIME and folds subjects between
	// characters; quoted-printable would triple them.
	msg := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingB64), gomail.WithCharset(gomail.CharsetUTF8), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(m.to)
	subject := strings.Join(strings.Fields(m.server.Voice.Subject(notices)), " ")
	msg.SetGenHeaderPreformatted(gomail.HeaderSubject, encodeSubject(subject))
	msg.SetDate()
	h := sha256.New()
	h.Write([]byte(m.to.Address))
	for _, n := range notices {
		h.Write([]byte("\n" + n.Tenant.String() + " " + n.Key))
		if n.Kind == Trial {
			h.Write([]byte(n.Time.String()))
		}
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg.SetMessageIDWithValue(hex.EncodeToString(h.Sum(nil)[:16]) + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	if l := m.server.Voice.languages(); len(l) == 1 {
		msg.SetGenHeader("Content-Language", l[0])
	}
	msg.SetBodyString(gomail.TypeTextPlain, strings.ReplaceAll(m.server.Voice.Body(notices), "\n", "\r\n"))
	return msg
}

// encodeSubject writes a subject as encoded words (RFC 2047) of at most 76 characters a line, cut between
// characters. go-mail would leave the first line empty, which some readers show as a space and some
// filters take for a forgery.
func encodeSubject(s string) string {
	const ascii, first, rest = 60, 39, 45 // bytes before base64: the first line holds "Subject: " too
	if len(s) <= ascii && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7E }) < 0 {
		return s
	}
	var words []string
	for limit := first; s != ""; limit = rest {
		n := min(limit, len(s))
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, "\r\n ")
}

// readSecret reads a password or key file: one line, without its line end.
func readSecret(path string) (string, error) {
	const limit = 4 << 10
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	b := make([]byte, limit+1)
	n, err := f.Read(b)
	if n == 0 {
		return "", fmt.Errorf("read secret %s: the file is empty or cannot be read (%w)", path, err)
	}
	if n > limit {
		return "", fmt.Errorf("read secret %s: over %d bytes: this is no password file", path, limit)
	}
	secret := strings.TrimRight(string(b[:n]), "\r\n")
	if secret == "" || strings.ContainsAny(secret, "\r\n\x00") {
		return "", fmt.Errorf("read secret %s: want one line", path)
	}
	return secret, nil
}
