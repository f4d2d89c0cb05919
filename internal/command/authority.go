package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Files of an authority directory.
const (
	AuthorityFile = "authority.key"  // signs operator lists; to be kept elsewhere
	OperatorFile  = "operator.key"   // signs orders
	listFile      = "operators.list" // the newest list that was made or met here
	publicFile    = "authority.pub"  // the public half of AuthorityFile, and where that was moved
)

// ListLife is how long a list made here is valid.
const ListLife = MaxListLife

// DefaultHostCap is the host cap of a list made here.
const DefaultHostCap = 5

// Authority is the tenant's authority key with the newest operator list. Only the CLI opens it; the server
// is handed the public key and the list, and never reads them.
type Authority struct {
	Tenant tenant.ID
	dir    string // where the list is kept; empty: nowhere
	key    ed25519.PrivateKey
	op     ed25519.PrivateKey // nil: not beside it
	list   []byte
	ops    *Operators
}

// CreateAuthority makes the directory (0700) with its files (0600). It refuses to write over one that
// exists: a lost authority key cannot be made again.
func CreateAuthority(dir string, t tenant.ID, person string, now time.Time) (*Authority, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	a := &Authority{Tenant: t, dir: dir}
	var err error
	if _, a.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	if _, a.op, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("make operator key: %w", err)
	}
	if err := errors.Join(writeKey(filepath.Join(dir, AuthorityFile), a.key), writeKey(filepath.Join(dir, OperatorFile), a.op), pin(dir, a.Public(), "")); err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	pub := a.op.Public().(ed25519.PublicKey)
	ops := &Operators{Tenant: t, Generation: 1, HostCap: DefaultHostCap, Keys: []Key{{
		ID: KeyID(pub), Algorithm: Ed25519, Public: pub, Role: CLI, Person: person, Classes: []Class{C0, C1, C2, C3, C4},
	}}}
	return a, a.sign(ops, now)
}

// LoadAuthority opens a directory that CreateAuthority made and whose authority key was not moved away.
func LoadAuthority(dir string) (*Authority, error) {
	list, err := os.ReadFile(filepath.Join(dir, listFile))
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	a, err := OpenAuthority(filepath.Join(dir, AuthorityFile), list, dir)
	if err != nil {
		return nil, err
	}
	if a.op, err = readKey(filepath.Join(dir, OperatorFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	return a, nil
}

// OpenAuthority opens an authority key by its path, with a list that it signed: the newest one there is. Lists that
// are made with it are kept in dir; an empty dir keeps none.
func OpenAuthority(keyFile string, list []byte, dir string) (*Authority, error) {
	a := &Authority{dir: dir, list: list}
	var err error
	if a.key, err = readKey(keyFile); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if a.ops, err = ParseList(list, a.Public()); err != nil {
		return nil, fmt.Errorf("open authority %s: %w", keyFile, err)
	}
	a.Tenant = a.ops.Tenant
	return a, nil
}

// Public is the authority's public key.
func (a *Authority) Public() ed25519.PublicKey { return a.key.Public().(ed25519.PublicKey) }

// Operator is the operator key for the command line, nil when it is kept elsewhere.
func (a *Authority) Operator() ed25519.PrivateKey { return a.op }

// List is the newest operator list, signed, with what it says.
func (a *Authority) List() ([]byte, *Operators) { return a.list, a.ops }

// Chain gives the chain that hosts of the tenant check with.
func (a *Authority) Chain() *Chain {
	return &Chain{Tenant: a.Tenant, Authority: a.Public(), List: a.ops}
}

// Renew signs the list again for ListLife, with the next generation; change, when given, edits it first.
func (a *Authority) Renew(now time.Time, change func(*Operators)) error {
	ops := *a.ops
	ops.Keys = append([]Key(nil), a.ops.Keys...)
	ops.Generation++
	if change != nil {
		change(&ops)
	}
	return a.sign(&ops, now)
}

func (a *Authority) sign(ops *Operators, now time.Time) error {
	ended := ops.Expiry
	// An hour back: a host whose clock is a little late must not refuse a fresh list.
	ops.Issued = now.Add(-time.Hour).Truncate(time.Microsecond).UTC()
	ops.Expiry = ops.Issued.Add(ListLife)
	for i := range ops.Keys { // a key that ended with the old list goes on; one that was to end on its own day ends then
		if k := &ops.Keys[i]; k.NotAfter.IsZero() || k.NotAfter.Equal(ended) {
			k.NotAfter = ops.Expiry
		}
	}
	list, err := SignList(ops, a.key)
	if err != nil {
		return err
	}
	if a.dir != "" {
		if err := KeepList(a.dir, list); err != nil {
			return err
		}
	}
	a.list, a.ops = list, ops
	return nil
}

// KeepList writes the newest list down in an authority directory.
func KeepList(dir string, list []byte) error {
	if err := durable.Replace(filepath.Join(dir, listFile), list); err != nil {
		return fmt.Errorf("keep operator list: %w", err)
	}
	return nil
}
