// Package command holds the words of an order to a host: its canonical bytes, its class, who may sign
// it, and the check that a sensor makes before it obeys. The server relays commands and cannot make
// them: it has no key that a sensor would accept for anything beyond what the tenant's authority granted.
// Sensor, server, CLI and console share this one implementation (docs/format/command.md has the bytes and
// test vectors). It knows nothing of transport, storage or of how an order is carried out.
package command

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of a command.
const (
	MaxBytes      = 32 << 10         // canonical bytes
	MaxHosts      = 1000             // hosts that one command may name
	MaxArguments  = 16 << 10         // bytes of arguments
	MaxLife       = 10 * time.Minute // from not-before to expiry
	MaxSignatures = 4
)

// Orders are dated by one clock and judged by another, and reach a host within milliseconds: without room an order that
// was faster than the last word on the time came from the future. Nonce and expiry stop a replay, not the beginning.
const (
	Backdate = 2 * time.Minute    // New sets the beginning back by this
	Early    = 2 * time.Minute    // Check takes an order this long before it begins
	Life     = MaxLife - Backdate // the longest that New gives
)

const magic = "yagura-command-v1\n"

// Ed25519 is the one way a key signs: the text that stands for it in commands and lists.
const Ed25519 = "ed25519"

// Nonce makes a command unique: a sensor acts on each at most once.
type Nonce [16]byte

// String gives lower-case hex.
func (n Nonce) String() string { return hex.EncodeToString(n[:]) }

// NewNonce draws a nonce.
func NewNonce() Nonce {
	var n Nonce
	rand.Read(n[:]) // never fails: crypto/rand ends the program instead
	return n
}

// Command is an order to named hosts of one tenant. Its life starts when it is signed.
type Command struct {
	Tenant     tenant.ID
	Generation uint64         // of the operator list it was made under
	Hosts      []event.HostID // explicit, sorted, no duplicates
	Verb       Verb
	Arguments  [32]byte // SHA-256 of the arguments
	Class      Class
	NotBefore  time.Time // µs precision
	Expiry     time.Time // at most MaxLife after NotBefore
	Nonce      Nonce
	RoE        uint64 // version of the tenant's rules of engagement, 0 when none
}

// New makes a command for hosts, valid for life (at most Life), with a fresh nonce. The class follows from the
// verb and from how many hosts are named: more than hostCap (of the operator list) is wide.
func New(t tenant.ID, generation uint64, hostCap int, verb Verb, arguments []byte, now time.Time, life time.Duration, hosts ...event.HostID) (*Command, error) {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, compareHosts)
	c := &Command{
		Tenant: t, Generation: generation, Hosts: slices.Compact(hosts), Verb: verb, Arguments: sha256.Sum256(arguments),
		NotBefore: now.Add(-Backdate).Truncate(time.Microsecond).UTC(), Expiry: now.Add(life).Truncate(time.Microsecond).UTC(), Nonce: NewNonce(),
	}
	class, err := ClassOf(verb, len(c.Hosts), hostCap)
	if err != nil {
		return nil, err
	}
	c.Class = class
	if err := checkArguments(verb, arguments); err != nil {
		return nil, err
	}
	if err := c.valid(); err != nil {
		return nil, err
	}
	return c, nil
}

func compareHosts(a, b event.HostID) int { return bytes.Compare(a[:], b[:]) }

// valid checks what the bytes alone can tell.
func (c *Command) valid() error {
	switch {
	case c.Tenant == (tenant.ID{}):
		return flawf("command names no tenant")
	case len(c.Hosts) == 0:
		return flawf("command names no host")
	case len(c.Hosts) > MaxHosts:
		return flawf("command names %d hosts, at most %d are allowed", len(c.Hosts), MaxHosts)
	case !c.Verb.known():
		return flawf("verb %q is not one this version knows", c.Verb)
	case c.Class > C4:
		return flawf("class %d does not exist", c.Class)
	case !c.NotBefore.Before(c.Expiry):
		return flawf("command ends before it begins")
	case c.Expiry.Sub(c.NotBefore) > MaxLife:
		return flawf("command lives %s, at most %s are allowed", c.Expiry.Sub(c.NotBefore), MaxLife)
	case c.Nonce == (Nonce{}):
		return flawf("command has no nonce")
	}
	for i, h := range c.Hosts {
		if h == (event.HostID{}) || i > 0 && compareHosts(c.Hosts[i-1], h) >= 0 {
			return flawf("hosts of the command are not sorted or name one twice")
		}
	}
	return nil
}

// Canonical gives the bytes that are signed: the magic line and each field as uvarint length and bytes,
// numbers as 8 bytes big-endian.
func (c *Command) Canonical() []byte {
	hosts := make([]byte, 0, 16*len(c.Hosts))
	for _, h := range c.Hosts {
		hosts = append(hosts, h[:]...)
	}
	b := make([]byte, 0, len(magic)+len(hosts)+192)
	b = append(b, magic...)
	b = appendField(b, c.Tenant[:])
	b = appendNumber(b, c.Generation)
	b = appendField(b, hosts)
	b = appendField(b, []byte(c.Verb))
	b = appendField(b, c.Arguments[:])
	b = appendField(b, []byte{byte(c.Class)})
	b = appendNumber(b, uint64(c.NotBefore.UnixMicro()))
	b = appendNumber(b, uint64(c.Expiry.UnixMicro()))
	b = appendField(b, c.Nonce[:])
	return appendNumber(b, c.RoE)
}

// Parse reads canonical bytes. It takes exactly one spelling of a command: anything that Canonical would
// not have written is refused.
func Parse(b []byte) (*Command, error) {
	if len(b) > MaxBytes {
		return nil, flawf("command of %d bytes, at most %d are read", len(b), MaxBytes)
	}
	r, err := newFields(b, magic)
	if err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	var c Command
	r.fixed("tenant", c.Tenant[:])
	c.Generation = r.number("generation")
	hosts := r.field("hosts", 16*MaxHosts)
	c.Verb = Verb(r.field("verb", 32))
	r.fixed("arguments", c.Arguments[:])
	var class [1]byte
	r.fixed("class", class[:])
	c.Class = Class(class[0])
	c.NotBefore = r.time("not-before")
	c.Expiry = r.time("expiry")
	r.fixed("nonce", c.Nonce[:])
	c.RoE = r.number("rules of engagement")
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	if len(hosts)%16 != 0 {
		return nil, flawf("parse command: hosts of %d bytes are not whole ids", len(hosts))
	}
	for ; len(hosts) > 0; hosts = hosts[16:] {
		c.Hosts = append(c.Hosts, event.HostID(hosts[:16]))
	}
	if err := c.valid(); err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	return &c, nil
}

// Signature is one signer's word over the canonical bytes.
type Signature struct {
	KeyID     string
	Algorithm string
	Signature []byte
}

// Signed is a command as it travels: nothing in it is to be believed before a Chain has checked it.
type Signed struct {
	Canonical  []byte
	Arguments  []byte
	Signatures []Signature
}

// Sign signs the canonical bytes with an operator's key.
func Sign(canonical []byte, key ed25519.PrivateKey) Signature {
	return Signature{KeyID: KeyID(key.Public().(ed25519.PublicKey)), Algorithm: Ed25519, Signature: ed25519.Sign(key, canonical)}
}

// KeyID names a public key: "k-" and the first 16 hex digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	h := sha256.Sum256(key)
	return "k-" + hex.EncodeToString(h[:8])
}
