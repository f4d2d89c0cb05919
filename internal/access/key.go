package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/yagura-edr/yagura/internal/durable"
)

// Key seals secrets that the database must not hold in plain.
type Key [32]byte

// LogValue hides the key.
func (Key) LogValue() slog.Value { return slog.StringValue("[key]") }

// String hides the key.
func (Key) String() string { return "[key]" }

// LoadKey reads the key file at path, and makes it (0600) when there is none.
func LoadKey(path string) (Key, error) {
	var k Key
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(b) == len(k):
		copy(k[:], b)
		return k, nil
	case err == nil:
		return k, fmt.Errorf("%s is damaged, it holds %d bytes instead of %d: put it back from a backup; without one move it aside, start again, and let every user sign in anew with `yagura sign-in`", path, len(b), len(k))
	case !errors.Is(err, fs.ErrNotExist):
		return k, fmt.Errorf("read key file: %w", err)
	}
	if _, err := rand.Read(k[:]); err != nil {
		return k, fmt.Errorf("draw key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return k, fmt.Errorf("make key file: %w", err)
	}
	_, err = f.Write(k[:])
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return k, fmt.Errorf("write key file %s: %w", path, err)
	}
	if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
		return k, fmt.Errorf("keep key file: %w", err)
	}
	return k, nil
}

func (k Key) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, fmt.Errorf("use key: %w", err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("use key: %w", err)
	}
	return a, nil
}

// seal encrypts secret for one owner; only the same owner's open gives it back.
func (k Key) seal(secret, owner string) ([]byte, error) {
	a, err := k.aead()
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, nil, []byte(secret), []byte(owner)), nil //nolint:gosec // the nonce is drawn by Seal: NewGCMWithRandomNonce
}

func (k Key) open(sealed []byte, owner string) (string, error) {
	a, err := k.aead()
	if err != nil {
		return "", err
	}
	b, err := a.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return "", fmt.Errorf("open the sealed secret of %s: %w", owner, err)
	}
	return string(b), nil
}
