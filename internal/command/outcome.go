package command

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"
)

// State says how far a command came on its host.
type State string

// The states. Done, Failed, Refused and Unknown are final.
const (
	Delivered State = "delivered"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Refused   State = "refused"
	Unknown   State = "unknown" // the sensor went down between taking the command and reporting; it is not run again
)

// Final says whether nothing follows s.
func (s State) Final() bool { return s == Done || s == Failed || s == Refused || s == Unknown }

const outcomeMagic = "yagura-outcome-v1\n"

// Outcome is what a sensor says about a command, signed with the key of its certificate.
type Outcome struct {
	Nonce  []byte // of the command; what was sent in its place when that was unreadable
	State  State
	Detail string    // one sentence
	Proof  []byte    // JSON: what was measured on the host
	Time   time.Time // by the host's clock, µs precision
}

// Canonical gives the bytes that are signed.
func (o *Outcome) Canonical() []byte {
	b := []byte(outcomeMagic)
	b = appendField(b, o.Nonce)
	b = appendField(b, []byte(o.State))
	b = appendField(b, []byte(o.Detail))
	b = appendField(b, o.Proof)
	return appendNumber(b, uint64(o.Time.UnixMicro()))
}

// SignOutcome signs with a P-256 or ed25519 key.
func SignOutcome(o *Outcome, key crypto.Signer) ([]byte, error) {
	b := o.Canonical()
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return key.Sign(rand.Reader, b, crypto.Hash(0))
	}
	sum := sha256.Sum256(b)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// VerifyOutcome checks an outcome against the public key of a sensor's certificate.
func VerifyOutcome(o *Outcome, signature []byte, key crypto.PublicKey) error {
	b := o.Canonical()
	switch k := key.(type) {
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize && ed25519.Verify(k, b, signature) {
			return nil
		}
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(b)
		if ecdsa.VerifyASN1(k, sum[:], signature) {
			return nil
		}
	default:
		return fmt.Errorf("outcome signed with a key of type %T, which is not used here: %w", key, UnknownKey)
	}
	return fmt.Errorf("the signature of the outcome does not fit: %w", Altered)
}
