package command

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Operator is who signs orders at the command line: an operator key and the newest list that names it. The authority
// key is not needed, and need not be anywhere near.
type Operator struct {
	Tenant    tenant.ID
	Authority ed25519.PublicKey
	Key       ed25519.PrivateKey
	List      []byte
	Operators *Operators
}

// ErrOtherAuthority says that a server speaks of an authority other than the one that is pinned beside the operator key.
var ErrOtherAuthority = errors.New("the server names another authority than the one that is pinned beside the operator key")

// LoadOperator opens an operator key by its path. What lies beside it, the newest list and the authority's public key,
// is taken with it; what does not, and a list that is older, comes from the server: its key and list. A server cannot
// make lists, so it can at most withhold one.
func LoadOperator(keyFile string, server ed25519.PublicKey, served []byte) (*Operator, error) {
	key, err := readKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("open the operator key: %w", err)
	}
	dir := filepath.Dir(keyFile)
	pinned, _, err := Pinned(dir)
	if err != nil {
		return nil, fmt.Errorf("open the operator key: %w", err)
	}
	if pinned == nil {
		pinned = server
	}
	if len(server) > 0 && !pinned.Equal(server) {
		return nil, fmt.Errorf("open the operator key %s: %w", keyFile, ErrOtherAuthority)
	}
	o := &Operator{Authority: pinned, Key: key}
	kept, err := os.ReadFile(filepath.Join(dir, listFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the operator list: %w", err)
	}
	for _, list := range [][]byte{kept, served} {
		if len(list) == 0 {
			continue
		}
		ops, err := ParseList(list, pinned)
		if err != nil {
			return nil, fmt.Errorf("open the operator list: %w", err)
		}
		if o.Operators == nil || ops.Generation > o.Operators.Generation {
			o.List, o.Operators, o.Tenant = list, ops, ops.Tenant
		}
	}
	if o.Operators == nil {
		return nil, fmt.Errorf("open the operator list: there is none beside %s, and the server has none", keyFile)
	}
	return o, nil
}

// May says why the operator cannot sign now, nil when it can: every host would say the same.
func (o *Operator) May(now time.Time) error {
	id := KeyID(o.Key.Public().(ed25519.PublicKey))
	switch k := o.Operators.Find(id); {
	case now.After(o.Operators.Expiry):
		return refuse(ListExpired, "the operator list ended at %s: renew it with `yagura authority renew`", o.Operators.Expiry.Format(time.RFC3339))
	case k == nil:
		return refuse(UnknownKey, "key %q is not in operator list %d", id, o.Operators.Generation)
	case now.After(k.NotAfter):
		return refuse(KeyExpired, "key %s ended at %s", k.ID, k.NotAfter.Format(time.RFC3339))
	}
	return nil
}
