package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
)

// How a key leaves the operator list before the list ends: a list of the next generation without it. Hosts and servers
// that have met that list take neither its orders nor an older list.

// Errors of Remove.
var (
	ErrUnlisted = errors.New("it is not on the operator list: `yagura authority show` prints the keys that are")
	ErrLastKey  = errors.New("it is the last key that signs orders, and nobody could order a host without it: --new FILE makes another in its place")
)

// Remove signs a list without a key. A new key, when given, takes its place: of the same person, for the same things.
func (a *Authority) Remove(now time.Time, id string, place ed25519.PublicKey) error {
	old := a.ops.Find(id)
	if old == nil {
		return fmt.Errorf("key %.64q: %w", id, ErrUnlisted)
	}
	orders := func(k Key) bool {
		return k.ID != id && (k.Role == CLI || k.Role == Console) && k.NotAfter.After(now) && slices.ContainsFunc(k.Classes, func(c Class) bool { return c >= C1 })
	}
	if place == nil && !slices.ContainsFunc(a.ops.Keys, orders) {
		return fmt.Errorf("key %s: %w", id, ErrLastKey)
	}
	return a.Renew(now, func(o *Operators) {
		at := slices.IndexFunc(o.Keys, func(k Key) bool { return k.ID == id })
		if place == nil {
			o.Keys = slices.Delete(o.Keys, at, at+1)
			return
		}
		k := &o.Keys[at]
		k.ID, k.Public = KeyID(place), place
		if !k.NotAfter.After(now) { // it had ended: the new one goes with the list
			k.NotAfter = time.Time{}
		}
	})
}

// NewKey is an operator key that waits for the list that names it.
type NewKey struct {
	Public ed25519.PublicKey
	File   string // where it will be
}

const notYet = ".new"

// MakeOperator makes an operator key for a file, or for a folder under its usual name, and gives it when it lies beside
// its place, synced. Only the key that it replaces is ever written over.
func MakeOperator(to, replaces string, authority ed25519.PublicKey) (*NewKey, error) {
	if st, err := os.Stat(to); err == nil && st.IsDir() {
		to = filepath.Join(to, OperatorFile)
	}
	to, err := filepath.Abs(to)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		if !holds(to, replaces) {
			return nil, fmt.Errorf("%s: %w", to, ErrTaken)
		}
	}
	if pinned, _, err := Pinned(filepath.Dir(to)); err != nil || pinned != nil && !pinned.Equal(authority) {
		return nil, fmt.Errorf("%s is of another authority: choose another folder: %w", filepath.Join(filepath.Dir(to), publicFile), errors.Join(err, ErrTaken))
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make operator key: %w", err)
	}
	if err := writeKey(to+notYet, key); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	if err := proveKey(to+notYet, key); err != nil {
		return nil, errors.Join(err, os.Remove(to+notYet))
	}
	return &NewKey{Public: public, File: to}, nil
}

// holds says whether a file is the operator key with an id.
func holds(file, id string) bool {
	st, err := os.Lstat(file)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	key, err := readKey(file)
	return err == nil && KeyID(key.Public().(ed25519.PublicKey)) == id
}

// Place puts the key where it belongs.
func (k *NewKey) Place() error {
	if err := os.Rename(k.File+notYet, k.File); err != nil {
		return fmt.Errorf("write key %s: %w", k.File, err)
	}
	return durable.SyncFolder(filepath.Dir(k.File))
}

// Drop removes a key that no list names.
func (k *NewKey) Drop() error { return os.Remove(k.File + notYet) }

// Settle makes an authority directory agree with the newest list: it keeps it, removes the operator key that was taken
// off it, and knows where the new one is. It says whether a key was removed.
func Settle(dir string, list []byte, removed, place string) (bool, error) {
	if err := KeepList(dir, list); err != nil {
		return false, err
	}
	file := filepath.Join(dir, OperatorFile)
	gone := holds(file, removed)
	if gone {
		st, err := os.Lstat(file)
		if err == nil {
			err = wipe(file, st.Size())
		}
		if err != nil {
			return false, err
		}
	}
	if place != "" && place != file {
		return gone, noteOperator(dir, place)
	}
	return gone, nil
}

// Accompany puts the list and the authority's public key beside an operator key, which signs with them.
func Accompany(file string, list []byte, authority ed25519.PublicKey) error {
	dir := filepath.Dir(file)
	_, moved, err := Pinned(dir)
	if err != nil {
		return err
	}
	return errors.Join(KeepList(dir, list), pin(dir, authority, moved))
}
