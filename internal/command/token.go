package command

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/yagura-edr/yagura/internal/tenant"
)

const (
	tokenPrefix = "yagura1."
	maxToken    = 4096
)

// Token is what a host needs to enrol: where, and what to believe. The sensor refuses a server or an
// authority that does not match. It hides itself from logs.
type Token struct {
	URL       string   // of the sensors' listener
	CA        [32]byte // SHA-256 of the server CA's certificate (DER)
	Authority [32]byte // SHA-256 of the tenant authority's public key
	Tenant    tenant.ID
	Secret    string
}

type tokenJSON struct {
	URL       string `json:"url"`
	CA        string `json:"ca"`
	Authority string `json:"authority"`
	Tenant    string `json:"tenant"`
	Secret    string `json:"secret"`
}

// LogValue keeps the secret out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue("[token]") }

// String keeps the secret off screens; Encode gives the text form.
func (t Token) String() string { return "[token for " + t.URL + "]" }

// Encode gives the text form: yagura1. and base64url.
func (t Token) Encode() string {
	b, err := json.Marshal(tokenJSON{URL: t.URL, CA: hex.EncodeToString(t.CA[:]), Authority: hex.EncodeToString(t.Authority[:]), Tenant: t.Tenant.String(), Secret: t.Secret}) //nolint:gosec // the token's text form is what carries the secret
	if err != nil {
		panic("five strings do not marshal: " + err.Error())
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads the text form. Its errors never carry the secret.
func ParseToken(s string) (Token, error) {
	var t Token
	s = strings.TrimSpace(s)
	if len(s) > maxToken {
		return t, flawf("enrolment token of %d characters, at most %d are read", len(s), maxToken)
	}
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok {
		return t, flawf("enrolment token does not start with %s: copy it whole from `yagura enroll token`", tokenPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return t, flawf("enrolment token is not whole: copy it again from `yagura enroll token`")
	}
	var j tokenJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return t, flawf("enrolment token is not whole: copy it again from `yagura enroll token`")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return t, flawf("enrolment token has something after its end")
	}
	u, err := url.Parse(j.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return t, flawf("enrolment token names no https address")
	}
	t.URL = j.URL
	if err := errors.Join(hash(j.CA, &t.CA), hash(j.Authority, &t.Authority)); err != nil {
		return t, fmt.Errorf("enrolment token: %w", err)
	}
	if t.Tenant, err = tenant.Parse(j.Tenant); err != nil || t.Tenant == (tenant.ID{}) {
		return t, flawf("enrolment token names no tenant")
	}
	if len(j.Secret) < 16 || len(j.Secret) > 256 {
		return t, flawf("enrolment token has no secret of 16 to 256 characters")
	}
	t.Secret = j.Secret
	return t, nil
}

func hash(s string, into *[32]byte) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		return flawf("a hash is not 64 hex digits")
	}
	copy(into[:], b)
	return nil
}
