// Package identity is who this host is to its server, and whom it believes: its key and certificate, the server's CA, the tenant's
// authority and the newest list of operators, in a folder that only root reads. It makes no connection; package uplink enrols and
// renews by it, the agent checks commands by its chain.
package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// ErrNotEnrolled says that this host has no identity yet.
var ErrNotEnrolled = errors.New("this host is not enrolled")

const (
	identityFile = "identity.json"
	keyFile      = "key.pem"
	listFile     = "operators.list"
)

// Identity is who this host is to its server, and whom it believes. It lives in a folder (0700).
type Identity struct {
	URL       string
	Tenant    tenant.ID
	Host      event.HostID
	CA        *x509.Certificate
	Authority ed25519.PublicKey
	Key       *ecdsa.PrivateKey

	dir     string
	replace func(path string, b []byte) error // nil: durable.Replace
	saving  sync.Mutex                        // held while what is known is read and written: the newest is written last

	mu   sync.Mutex // guards cert and list
	cert *x509.Certificate
	list []byte
}

type identityJSON struct {
	URL         string `json:"url"`
	Tenant      string `json:"tenant"`
	Host        string `json:"host"`
	CA          []byte `json:"ca"`
	Authority   []byte `json:"authority"`
	Certificate []byte `json:"certificate"`
}

// Follow lets an enrolled host find its server at another address: that of a token of the same server, which
// the hashes of its CA and authority prove. Any other token changes nothing. It says whether the address moved.
func (id *Identity) Follow(token command.Token) (bool, error) {
	if token.URL == id.URL || token.Tenant != id.Tenant || token.CA != sha256.Sum256(id.CA.Raw) || token.Authority != command.AuthorityHash(id.Authority) {
		return false, nil
	}
	id.URL = token.URL
	return true, id.save()
}

// Load reads what an enrolment left.
func Load(dir string) (*Identity, error) {
	id, err := readIdentity(dir)
	var path *fs.PathError // of the disk or of rights: the identity itself may be whole
	if err != nil && !errors.Is(err, ErrNotEnrolled) && (!errors.As(err, &path) || errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("the identity of this host is damaged; put %s back from a backup, or remove it and enrol again with a new token of `yagura enroll token`: %w", dir, err)
	}
	return id, err
}

func readIdentity(dir string) (*Identity, error) {
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: run `sudo yagura-sensor enroll` first", ErrNotEnrolled)
	}
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	var j identityJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("read identity %s: %w", filepath.Join(dir, identityFile), err)
	}
	id := &Identity{URL: j.URL, Authority: j.Authority, dir: dir}
	if len(j.Authority) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("identity %s holds no authority key", filepath.Join(dir, identityFile))
	}
	if id.Tenant, err = tenant.Parse(j.Tenant); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.Host, err = event.ParseHostID(j.Host); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.CA, err = x509.ParseCertificate(j.CA); err != nil {
		return nil, fmt.Errorf("read identity: CA: %w", err)
	}
	kb, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(kb)
	if block == nil {
		return nil, fmt.Errorf("key %s is not PEM", filepath.Join(dir, keyFile))
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	var ok bool
	if id.Key, ok = k.(*ecdsa.PrivateKey); !ok {
		return nil, fmt.Errorf("key %s is not ECDSA", filepath.Join(dir, keyFile))
	}
	if err := id.take(j.Certificate); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if id.list, err = os.ReadFile(filepath.Join(dir, listFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read operator list: %w", err)
	}
	return id, nil
}

func (id *Identity) save() error {
	id.saving.Lock()
	defer id.saving.Unlock()
	id.mu.Lock()
	j := identityJSON{URL: id.URL, Tenant: id.Tenant.String(), Host: id.Host.String(), CA: id.CA.Raw, Authority: id.Authority, Certificate: id.cert.Raw}
	list := id.list
	id.mu.Unlock()
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	// The identity last: it is what says that the host is enrolled.
	if err := id.write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	if len(list) > 0 {
		if err := id.write(listFile, list); err != nil {
			return err
		}
	}
	return id.write(identityFile, append(b, '\n'))
}

func (id *Identity) write(name string, b []byte) error {
	replace := id.replace
	if replace == nil {
		replace = durable.Replace
	}
	return replace(filepath.Join(id.dir, name), b)
}

// KeepList keeps a list that the chain adopted, for the next start.
func (id *Identity) KeepList(list []byte) error {
	id.saving.Lock()
	defer id.saving.Unlock()
	id.mu.Lock()
	id.list = bytes.Clone(list)
	id.mu.Unlock()
	return id.write(listFile, list)
}

// Chain gives what commands are checked against, with the list kept so far if it is whole.
func (id *Identity) Chain() *command.Chain {
	c := &command.Chain{Tenant: id.Tenant, Authority: id.Authority}
	id.mu.Lock()
	list := id.list
	id.mu.Unlock()
	if len(list) > 0 {
		_ = c.Adopt(list) // one that is not ours is as good as none
	}
	return c
}
