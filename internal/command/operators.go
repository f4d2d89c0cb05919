package command

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of an operator list.
const (
	MaxListBytes = 128 << 10
	MaxKeys      = 256
	MaxListLife  = 30 * 24 * time.Hour
)

const listMagic = "yagura-operators-v1\n"

// Role says what kind of hand holds a key.
type Role string

// The roles.
const (
	CLI        Role = "cli"        // a person, at the command line
	Console    Role = "console"    // a person, in the browser
	Automation Role = "automation" // a program, for the verbs it was granted
	Relay      Role = "relay"      // the server, for reading
)

// Key is a signer that the tenant's authority vouches for.
type Key struct {
	ID        string // KeyID of Public
	Algorithm string // Ed25519
	Public    ed25519.PublicKey
	Role      Role
	Person    string  // who holds it: two keys of one person count once
	Classes   []Class // what it may sign
	Verbs     []Verb  // of these classes only these; none: all (never for automation)
	NotAfter  time.Time
}

func (k *Key) may(c Class) bool { return slices.Contains(k.Classes, c) }

// Operators is the list of keys that may command a tenant's hosts, signed by the tenant's authority.
type Operators struct {
	Tenant     tenant.ID
	Generation uint64 // grows with each list; a sensor never goes back
	Issued     time.Time
	Expiry     time.Time // at most MaxListLife after Issued
	HostCap    int       // a command that names more hosts is wide (C4)
	Keys       []Key
}

// Find gives the key with an id.
func (o *Operators) Find(id string) *Key {
	for i := range o.Keys {
		if o.Keys[i].ID == id {
			return &o.Keys[i]
		}
	}
	return nil
}

func (o *Operators) body() []byte {
	b := []byte(listMagic)
	b = appendField(b, o.Tenant[:])
	b = appendNumber(b, o.Generation)
	b = appendNumber(b, uint64(o.Issued.UnixMicro()))
	b = appendNumber(b, uint64(o.Expiry.UnixMicro()))
	b = appendNumber(b, uint64(o.HostCap))
	b = appendNumber(b, uint64(len(o.Keys)))
	for _, k := range o.Keys {
		classes := make([]byte, 0, len(k.Classes))
		for _, c := range k.Classes {
			classes = append(classes, byte(c))
		}
		verbs := make([]string, 0, len(k.Verbs))
		for _, v := range k.Verbs {
			verbs = append(verbs, string(v))
		}
		b = appendField(b, []byte(k.ID))
		b = appendField(b, []byte(k.Algorithm))
		b = appendField(b, k.Public)
		b = appendField(b, []byte(k.Role))
		b = appendField(b, []byte(k.Person))
		b = appendField(b, classes)
		b = appendField(b, []byte(strings.Join(verbs, ",")))
		b = appendNumber(b, uint64(k.NotAfter.UnixMicro()))
	}
	return b
}

func (o *Operators) valid() error {
	switch {
	case o.Tenant == (tenant.ID{}):
		return flawf("operator list names no tenant")
	case o.Generation == 0:
		return flawf("operator list has no generation")
	case !o.Issued.Before(o.Expiry) || o.Expiry.Sub(o.Issued) > MaxListLife:
		return flawf("operator list lives %s, at most %s are allowed", o.Expiry.Sub(o.Issued), MaxListLife)
	case o.HostCap < 1 || o.HostCap > MaxHosts:
		return flawf("host cap %d is not between 1 and %d", o.HostCap, MaxHosts)
	case len(o.Keys) > MaxKeys:
		return flawf("%d keys, at most %d are allowed", len(o.Keys), MaxKeys)
	}
	seen := map[string]bool{}
	for _, k := range o.Keys {
		switch {
		case k.Algorithm != Ed25519 || len(k.Public) != ed25519.PublicKeySize:
			return flawf("key %q is not ed25519", k.ID)
		case k.ID != KeyID(k.Public) || seen[k.ID]:
			return flawf("key %q has not the id of its bytes or stands twice", k.ID)
		case k.Role != CLI && k.Role != Console && k.Role != Automation && k.Role != Relay:
			return flawf("role %q of key %s does not exist", k.Role, k.ID)
		case k.Person == "":
			return flawf("key %s names nobody who holds it", k.ID)
		case k.Role == Relay && slices.ContainsFunc(k.Classes, func(c Class) bool { return c != C0 }):
			return flawf("relay key %s may sign more than reading", k.ID)
		case k.Role == Automation && (len(k.Verbs) == 0 || slices.ContainsFunc(k.Classes, func(c Class) bool { return c > C1 })):
			return flawf("automation key %s needs named verbs of C0 and C1", k.ID)
		}
		seen[k.ID] = true
	}
	return nil
}

// SignList gives the list's bytes with the authority's signature as last field.
func SignList(o *Operators, authority ed25519.PrivateKey) ([]byte, error) {
	if err := o.valid(); err != nil {
		return nil, fmt.Errorf("sign operator list: %w", err)
	}
	b := o.body()
	return appendField(b, ed25519.Sign(authority, b)), nil
}

// ParseList reads a list and checks the authority's signature over it. Whether it is current for a tenant
// and newer than the list held so far is for Chain.Adopt.
func ParseList(b []byte, authority ed25519.PublicKey) (*Operators, error) {
	if len(b) > MaxListBytes {
		return nil, flawf("operator list of %d bytes, at most %d are read", len(b), MaxListBytes)
	}
	r, err := newFields(b, listMagic)
	if err != nil {
		return nil, fmt.Errorf("parse operator list: %w", err)
	}
	var o Operators
	r.fixed("tenant", o.Tenant[:])
	o.Generation = r.number("generation")
	o.Issued = r.time("issued")
	o.Expiry = r.time("expiry")
	hostCap, count := r.number("host cap"), r.number("number of keys")
	if r.err == nil && (hostCap > MaxHosts || count > MaxKeys) {
		return nil, flawf("parse operator list: host cap %d, %d keys", hostCap, count)
	}
	o.HostCap = int(hostCap)
	for i := uint64(0); i < count && r.err == nil; i++ {
		o.Keys = append(o.Keys, parseKey(r))
	}
	signed := r.at
	var sig [ed25519.SignatureSize]byte
	r.fixed("signature", sig[:])
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("parse operator list: %w", err)
	}
	if len(authority) != ed25519.PublicKeySize || !ed25519.Verify(authority, b[:signed], sig[:]) {
		return nil, refuse(ForeignAuthor, "the operator list is not signed by this tenant's authority")
	}
	if err := o.valid(); err != nil {
		return nil, fmt.Errorf("parse operator list: %w", err)
	}
	return &o, nil
}

func parseKey(r *fields) Key {
	k := Key{
		ID: string(r.field("key id", 32)), Algorithm: string(r.field("algorithm", 32)),
		Public: slices.Clone(r.field("public key", 64)), Role: Role(r.field("role", 32)), Person: string(r.field("person", 128)),
	}
	classes := r.field("classes", 5)
	verbs := string(r.field("verbs", 512))
	k.NotAfter = r.time("not-after")
	for i, c := range classes {
		if c > byte(C4) || i > 0 && classes[i-1] >= c {
			r.err = flawf("classes of key %q are not sorted or do not exist", k.ID)
			return k
		}
		k.Classes = append(k.Classes, Class(c))
	}
	if verbs != "" {
		for v := range strings.SplitSeq(verbs, ",") {
			if !Verb(v).known() {
				r.err = flawf("verb %q of key %q is not one this version knows", v, k.ID)
				return k
			}
			k.Verbs = append(k.Verbs, Verb(v))
		}
	}
	return k
}

// AuthorityHash is what an enrolment token and a sensor pin of an authority.
func AuthorityHash(key ed25519.PublicKey) [32]byte { return sha256.Sum256(key) }
