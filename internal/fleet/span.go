package fleet

import (
	"crypto/x509"
	"time"
)

// span is the time from the earlier to the later of what the machine says and what is believed. The two differ only
// after the machine's clock jumped, and until somebody says which is right, no sensor is shut out by either: what
// one of them calls valid is, and what is made is valid by both.
type span struct{ believed func() time.Time }

func (s span) early() time.Time {
	b, now := s.believed(), time.Now()
	if b.Before(now) {
		return b
	}
	return now
}

func (s span) late() time.Time {
	b, now := s.believed(), time.Now()
	if b.After(now) {
		return b
	}
	return now
}

// holds says whether a certificate is valid at a time of the span, and for so much longer after its end.
func (s span) holds(c *x509.Certificate, grace time.Duration) bool {
	return !s.late().Before(c.NotBefore) && !s.early().After(c.NotAfter.Add(grace))
}
