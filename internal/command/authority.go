package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Files of an authority directory.
const (
	authorityFile = "authority.key"
	operatorFile  = "operator.key"
	listFile      = "operators.list"
)

// ListLife is how long a list made here is valid.
const ListLife = MaxListLife

// DefaultHostCap is the host cap of a list made here.
const DefaultHostCap = 5

// Authority is the directory DIR/authority: the tenant's authority key, one operator key for the command
// line, and the newest operator list. Only the CLI opens it; the server is handed the public key and
// the list, and never reads the folder.
type Authority struct {
	Tenant tenant.ID
	dir    string
	key    ed25519.PrivateKey
	op     ed25519.PrivateKey
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
	if err := errors.Join(writeKey(filepath.Join(dir, authorityFile), a.key), writeKey(filepath.Join(dir, operatorFile), a.op)); err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	pub := a.op.Public().(ed25519.PublicKey)
	ops := &Operators{Tenant: t, Generation: 1, HostCap: DefaultHostCap, Keys: []Key{{
		ID: KeyID(pub), Algorithm: Ed25519, Public: pub, Role: CLI, Person: person, Classes: []Class{C0, C1, C2, C3, C4},
	}}}
	return a, a.sign(ops, now)
}

// LoadAuthority opens a directory that CreateAuthority made.
func LoadAuthority(dir string) (*Authority, error) {
	a := &Authority{dir: dir}
	var err error
	if a.key, err = readKey(filepath.Join(dir, authorityFile)); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if a.op, err = readKey(filepath.Join(dir, operatorFile)); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if a.list, err = os.ReadFile(filepath.Join(dir, listFile)); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if a.ops, err = ParseList(a.list, a.Public()); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	a.Tenant = a.ops.Tenant
	return a, nil
}

// Public is the authority's public key.
func (a *Authority) Public() ed25519.PublicKey { return a.key.Public().(ed25519.PublicKey) }

// Operator is the operator key for the command line.
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
	// An hour back: a host whose clock is a little late must not refuse a fresh list.
	ops.Issued = now.Add(-time.Hour).Truncate(time.Microsecond).UTC()
	ops.Expiry = ops.Issued.Add(ListLife)
	for i := range ops.Keys {
		if k := &ops.Keys[i]; k.NotAfter.IsZero() || k.ID == KeyID(a.op.Public().(ed25519.PublicKey)) {
			k.NotAfter = ops.Expiry
		}
	}
	list, err := SignList(ops, a.key)
	if err != nil {
		return err
	}
	if err := durable.Replace(filepath.Join(a.dir, listFile), list); err != nil {
		return fmt.Errorf("keep operator list: %w", err)
	}
	a.list, a.ops = list, ops
	return nil
}

func writeKey(path string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return durable.Replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // Windows has no such bits

		return nil, fmt.Errorf("key %s can be read by others (mode %o): chmod 600 it: %w", path, info.Mode().Perm(), fs.ErrPermission)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, flawf("key %s is not PEM", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, flawf("key %s is not ed25519", path)
	}
	return key, nil
}
