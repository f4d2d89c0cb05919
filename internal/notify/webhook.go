package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// Headers of a webhook call (docs/format/webhook.md).
const (
	HeaderTimestamp = "Yagura-Timestamp" // seconds since 1970
	HeaderSignature = "Yagura-Signature" // v1= and HMAC-SHA256 in hex
	HeaderDelivery  = "Yagura-Delivery"  // the same for each attempt of a delivery
)

// WebhookTarget is a receiver of signed calls.
type WebhookTarget struct {
	Name          string // shown to operators; the URL is not, since many carry a secret
	URL           string
	SecretFile    string // HMAC key, read at each attempt
	CAFile        string // PEM; empty: the system's authorities
	AllowLoopback bool   // the receiver runs on this machine
	AllowHTTP     bool   // plain http, for receivers inside a closed network
	Voice         Voice
}

// Webhook carries notices by HTTP POST.
//
// A URL in a configuration must not become a way into the server's own machine or a cloud's metadata
// service, so the address that is really dialled, after DNS, is checked (address.go): this machine only when
// the target says so; link-local, metadata services and tunnels never. Private networks are allowed: receivers
// of a security team usually stand there. Redirects are not followed, and no proxy of the environment is
// used, because either would dial what nobody configured.
type Webhook struct {
	target WebhookTarget
	client *http.Client
}

// NewWebhook makes the channel.
func NewWebhook(t WebhookTarget) (*Webhook, error) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("webhook %s: its url is not https://HOST/… without a user", t.Name)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !t.AllowHTTP) {
		return nil, fmt.Errorf("webhook %s: its url is %s, want https (or allow_http: true inside a closed network)", t.Name, u.Scheme)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		if config.RootCAs, err = readRoots(t.CAFile); err != nil {
			return nil, fmt.Errorf("webhook %s: %w", t.Name, err)
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return dialable(address, t.AllowLoopback)
	}}
	return &Webhook{target: t, client: &http.Client{
		Timeout:       attemptLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second},
	}}, nil
}

// Name gives webhook:NAME.
func (w *Webhook) Name() string { return "webhook:" + w.target.Name }

// message is the body of a call, version 1. Fields are added, never renamed.
type message struct {
	Version int           `json:"version"`
	Text    string        `json:"text"` // a short message in the channel's language, as a chat shows it
	Notices []messageItem `json:"notices"`
}

type messageItem struct {
	Key      string   `json:"key"`
	Kind     Kind     `json:"kind"`
	Tenant   string   `json:"tenant"`
	Severity string   `json:"severity"`
	Title    bothSaid `json:"title"`
	Summary  bothSaid `json:"summary"`
	Todo     bothSaid `json:"todo"`
	Hosts    []string `json:"hosts"`
	Credits  []string `json:"credits"`
	Link     string   `json:"link"`
	Time     string   `json:"time"` // RFC 3339, UTC
	Process  *Act     `json:"process,omitempty"`
}

// shown gives an act as it may stand on a screen; nil when there is none.
func shown(a Act) *Act {
	if a.Key == "" {
		return nil
	}
	a.Host, a.User, a.Path, a.CommandLine = event.Show(a.Host), event.Show(a.User), event.Show(a.Path), event.Clip(event.Show(a.CommandLine), 4096)
	addresses := []string{}
	for _, x := range a.Addresses {
		addresses = append(addresses, event.Show(x))
	}
	a.Addresses = addresses
	return &a
}

type bothSaid struct {
	En string `json:"en"`
	Ja string `json:"ja"`
}

// Deliver posts one signed body. Any 2xx answer is taken as delivered.
func (w *Webhook) Deliver(ctx context.Context, notices []Notice) error {
	secret, err := readSecret(w.target.SecretFile)
	if err != nil {
		return permanent(err)
	}
	notices = w.target.Voice.fit(notices)
	m := message{Version: 1, Text: w.target.Voice.Chat(notices)}
	delivery := sha256.New()
	for _, n := range notices {
		item := messageItem{
			Key: n.Key, Kind: n.Kind, Tenant: n.Tenant.String(), Severity: n.Severity.String(),
			Title: bothSaid(n.Title), Summary: bothSaid(n.Summary), Todo: bothSaid(n.Todo), Hosts: []string{}, Credits: n.Credits,
			Link: w.target.Voice.link(n), Time: n.Time.UTC().Format(time.RFC3339Nano),
		}
		for _, s := range []*string{&item.Title.En, &item.Title.Ja, &item.Summary.En, &item.Summary.Ja, &item.Todo.En, &item.Todo.Ja} {
			*s = event.Show(*s)
		}
		for _, h := range n.Hosts {
			item.Hosts = append(item.Hosts, event.Show(h))
		}
		item.Process = shown(n.Act)
		m.Notices = append(m.Notices, item)
		delivery.Write([]byte(n.Tenant.String() + " " + n.Key + "\n"))
	}
	body, err := json.Marshal(m)
	if err != nil {
		return permanent(fmt.Errorf("write the message: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.target.URL, bytes.NewReader(body))
	if err != nil {
		return permanent(fmt.Errorf("make the call: %w", err))
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "yagura")
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, Sign([]byte(secret), stamp, body))
	req.Header.Set(HeaderDelivery, hex.EncodeToString(delivery.Sum(nil)[:16]))
	resp, err := w.client.Do(req)
	if err != nil {
		return w.judge(err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("the receiver answered %d %q", resp.StatusCode, strings.TrimSpace(string(said)))
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return err
	}
	if resp.StatusCode >= 500 {
		return err
	}
	return permanent(err) // also a redirect: it is not followed
}

// judge hides the URL, which often carries a secret, and tells lasting errors from passing ones.
func (w *Webhook) judge(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	if cert || errors.Is(err, errAddress) {
		return permanent(err)
	}
	return err
}

// Sign gives the value of the signature header: HMAC-SHA256 over the timestamp, a full stop and the
// body. A receiver computes the same, compares in constant time, and refuses timestamps that are more
// than five minutes old.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}
