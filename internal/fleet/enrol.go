package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of what an unknown caller may send.
const (
	maxRequest  = 4096 // bytes of a certificate request
	maxName     = 255
	maxTokens   = 10000  // that can still enrol
	maxKept     = 100000 // with those that ended
	maxTokenTTL = 30 * 24 * time.Hour
)

// KeepEnded is how long a token is remembered after it expired, so that a host that brings it is told why it ended.
const KeepEnded = 7 * 24 * time.Hour

// Enrolment is what a host says when it asks to be taken in.
type Enrolment struct {
	Secret   string
	Request  []byte // PKCS #10
	Hostname []byte
	OS       string
	Version  string
	Machine  []byte // SHA-256 of the machine id; empty when unknown
}

// Enrolled is the answer: who the host is now.
type Enrolled struct {
	Host        Host
	Certificate []byte // DER
	Twin        *Host  // another host with the same machine id that is alive: a clone, or one enrolled twice
}

// CreateToken makes an enrolment token and gives its secret, which is kept nowhere. That a host is a recording stands in
// its token and never in what it says of itself: a host that could say so could go dark unmissed.
func (f *Fleet) CreateToken(ctx context.Context, t tenant.ID, uses int, ttl time.Duration, recording bool, by string) (Token, string, error) {
	if uses < 1 || uses > 100000 {
		return Token{}, "", fmt.Errorf("a token is for 1 to 100000 hosts, not %d", uses)
	}
	if ttl <= 0 || ttl > maxTokenTTL {
		return Token{}, "", fmt.Errorf("a token lives up to 30 days, not %s", ttl)
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return Token{}, "", fmt.Errorf("draw secret: %w", err)
	}
	secret := base64.RawURLEncoding.EncodeToString(raw)
	at := f.span.early()
	token := Token{Tenant: t, ID: "k-" + uuid.Must(uuid.NewV7()).String(), Hash: hashOf(secret), Created: at.UnixMicro(), Expires: f.span.late().Add(ttl).UnixMicro(), UsesLeft: uses, Recording: recording, CreatedBy: by}
	open := 0
	f.mu.Lock()
	for h, old := range f.tokens {
		if old.Expires < at.Add(-KeepEnded).UnixMicro() {
			delete(f.tokens, h)
		} else if old.UsesLeft > 0 && old.Expires >= at.UnixMicro() {
			open++
		}
	}
	kept := len(f.tokens)
	f.mu.Unlock()
	switch {
	case open >= maxTokens:
		return Token{}, "", fmt.Errorf("%d enrolment tokens are open: let some expire before making more", open)
	case kept >= maxKept:
		return Token{}, "", fmt.Errorf("%d enrolment tokens are remembered, most of them ended: make more when the oldest are forgotten, %.0f days after they expired", kept, KeepEnded.Hours()/24)
	}
	if err := f.store.AddToken(ctx, token); err != nil {
		return Token{}, "", fmt.Errorf("keep enrolment token: %w", err)
	}
	f.mu.Lock()
	f.tokens[token.Hash] = &token
	f.mu.Unlock()
	return token, secret, nil
}

// Tokens lists the tenant's tokens that can still enrol, newest first.
func (f *Fleet) Tokens(t tenant.ID) []Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Token
	for _, token := range f.tokens {
		if token.Tenant == t && token.UsesLeft > 0 && token.Expires > f.span.early().UnixMicro() {
			out = append(out, *token)
		}
	}
	slices.SortFunc(out, func(a, b Token) int { return strings.Compare(b.ID, a.ID) })
	return out
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Enroll takes a host in. A bad token costs one hash and no I/O. A token makes new hosts only: it never
// binds an id that exists.
func (f *Fleet) Enroll(ctx context.Context, e Enrolment) (Enrolled, error) {
	f.mu.Lock()
	found := f.tokens[hashOf(e.Secret)]
	var token Token
	if found != nil {
		token = *found
	}
	f.mu.Unlock()
	// Whoever has the secret may know what became of the token; nobody else learns anything.
	switch {
	case found == nil:
		return Enrolled{}, ErrToken
	case token.UsesLeft < 1:
		return Enrolled{}, ErrTokenUsed
	case token.Expires < f.span.early().UnixMicro():
		return Enrolled{}, ErrTokenExpired
	}
	public, err := checkRequest(e.Request)
	if err != nil {
		return Enrolled{}, err
	}
	if len(e.Machine) != 0 && len(e.Machine) != sha256.Size {
		return Enrolled{}, fmt.Errorf("machine id hash of %d bytes: %w", len(e.Machine), ErrRequest)
	}
	ok, err := f.store.UseToken(ctx, token.Tenant, token.ID, f.span.early().UnixMicro())
	if err != nil {
		return Enrolled{}, fmt.Errorf("use enrolment token: %w", err)
	}
	f.mu.Lock()
	if ok {
		found.UsesLeft--
	} else {
		found.UsesLeft = 0
	}
	f.mu.Unlock()
	if !ok {
		return Enrolled{}, ErrTokenUsed
	}
	h := Host{
		Tenant: token.Tenant, ID: event.HostID(uuid.Must(uuid.NewV7())), Name: event.Cut(event.Text(string(e.Hostname)), maxName),
		OS: event.Cut(event.Text(e.OS), 32), Version: event.Cut(event.Text(e.Version), 64), Machine: hex.EncodeToString(e.Machine), Enrolled: now(), Recording: token.Recording,
	}
	der, err := f.ca.leaf(h.Tenant, h.ID, public)
	if err != nil {
		return Enrolled{}, err
	}
	if err := f.store.AddHost(ctx, h); err != nil {
		return Enrolled{}, fmt.Errorf("keep host %s: %w", h.ID, err)
	}
	var twin *Host
	if other, ok := f.Twin(h, time.Minute); ok {
		twin = &other
	}
	f.mu.Lock()
	f.hosts[h.ID] = newMember(h)
	f.mu.Unlock()
	f.log.InfoContext(ctx, "host enrolled", slog.Any("tenant", h.Tenant), slog.Any("host", h.ID), slog.String("name", event.Show(h.Name)))
	return Enrolled{Host: h, Certificate: der, Twin: twin}, nil
}

// Renew gives the calling host a new certificate. It takes an expired one of ours for 180 days: TLS has
// proved that the caller holds its key. A revoked or cloned host gets none.
func (f *Fleet) Renew(ctx context.Context, request []byte) (Identity, []byte, error) {
	id, err := f.identify(ctx, renewGrace)
	if err != nil {
		return id, nil, err
	}
	public, err := checkRequest(request)
	if err != nil {
		return id, nil, err
	}
	f.mu.Lock()
	cloned := f.hosts[id.Host].Twice != 0
	f.mu.Unlock()
	if cloned && f.Over(id.Certificate) {
		return id, nil, fmt.Errorf("%w: two machines use its identity; enrol both again and revoke %s", ErrRevoked, id.Host)
	}
	der, err := f.ca.leaf(id.Tenant, id.Host, public)
	return id, der, err
}

// checkRequest reads a certificate request and gives its key. Names in it are ignored.
func checkRequest(der []byte) (any, error) {
	if len(der) > maxRequest {
		return nil, fmt.Errorf("%d bytes: %w", len(der), ErrRequest)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("not PKCS #10: %w", ErrRequest)
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("key on curve %s, P-256 wanted: %w", key.Curve.Params().Name, ErrRequest)
		}
	case ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("key of type %s, ECDSA P-256 or Ed25519 wanted: %w", csr.PublicKeyAlgorithm, ErrRequest)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("its signature does not match its key: %w", ErrRequest)
	}
	return csr.PublicKey, nil
}
