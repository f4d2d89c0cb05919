package command

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/yagura-edr/yagura/internal/durable"
)

// Private keys and pinned public keys as files: PEM, readable by their owner only.

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
		return nil, fmt.Errorf("key %s can be read by others (mode %o): chmod 600 it, or choose a disk that keeps modes: %w", path, info.Mode().Perm(), fs.ErrPermission)
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

// Headers of a pinned public key: where its private half was moved, and where the operator key that lay beside it was.
const (
	movedTo    = "Moved-To"
	operatorTo = "Operator-Moved-To"
)

// pin writes an authority's public key into dir, with the place to which the private one was moved, if it was. What
// was known of the operator key stays.
func pin(dir string, key ed25519.PublicKey, moved string) error {
	headers := map[string]string{}
	if b, err := os.ReadFile(filepath.Join(dir, publicFile)); err == nil {
		if old, _ := pem.Decode(b); old != nil && old.Headers[operatorTo] != "" {
			headers[operatorTo] = old.Headers[operatorTo]
		}
	}
	if moved != "" {
		headers[movedTo] = strconv.Quote(moved)
	}
	return writePin(dir, key, headers)
}

// NoteMoved writes down in an authority directory where its authority key was met last.
func NoteMoved(dir string, key ed25519.PublicKey, file string) error { return pin(dir, key, file) }

// noteOperator writes down where the operator key went; empty: it is here.
func noteOperator(dir, file string) error {
	public, moved, err := Pinned(dir)
	if err != nil || public == nil {
		return err
	}
	headers := map[string]string{}
	if moved != "" {
		headers[movedTo] = strconv.Quote(moved)
	}
	if file != "" {
		headers[operatorTo] = strconv.Quote(file)
	}
	return writePin(dir, public, headers)
}

func writePin(dir string, key ed25519.PublicKey, headers map[string]string) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("encode %s: %w", publicFile, err)
	}
	block := &pem.Block{Type: "PUBLIC KEY", Headers: headers, Bytes: der}
	return durable.Replace(filepath.Join(dir, publicFile), pem.EncodeToMemory(block))
}

// Pinned gives the authority's public key as it stands in a directory, and the place to which its private half was
// moved; both are empty where the directory does not say.
func Pinned(dir string) (key ed25519.PublicKey, moved string, err error) {
	path := filepath.Join(dir, publicFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // made before this file was
		if private, err := readKey(filepath.Join(dir, AuthorityFile)); err == nil {
			return private.Public().(ed25519.PublicKey), "", nil
		}
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the authority's public key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, "", flawf("public key %s is not PEM", path)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", fmt.Errorf("public key %s: %w", path, err)
	}
	key, ok := public.(ed25519.PublicKey)
	if !ok {
		return nil, "", flawf("public key %s is not ed25519", path)
	}
	moved, _ = strconv.Unquote(block.Headers[movedTo])
	return key, moved, nil
}

// ErrTaken says that a key cannot be moved to a file that is there already.
var ErrTaken = errors.New("it is there already, and nothing is written over it")

// MoveAuthority moves the authority key of dir to another file, or into another folder under its own name, and
// gives the file. The old one goes when the new one has been synced, read back and tried; what stood at the new place
// is never written over. Broken off at any moment, at least one whole key is left, and the same call ends the move.
func MoveAuthority(dir, to string) (file string, err error) {
	from := filepath.Join(dir, AuthorityFile)
	if file, err = moveKey(from, to, func(key ed25519.PrivateKey, file string) error {
		return pin(dir, key.Public().(ed25519.PublicKey), file)
	}); err != nil {
		return "", fmt.Errorf("move the authority key: %w", err)
	}
	return file, nil
}

// MoveOperator does the same with the operator key. The newest list and the authority's public key are put beside
// it: with them it signs orders from there.
func MoveOperator(dir, to string) (file string, err error) {
	from := filepath.Join(dir, OperatorFile)
	public, moved, err := Pinned(dir)
	if err != nil {
		return "", err
	}
	if file, err = moveKey(from, to, func(_ ed25519.PrivateKey, file string) error {
		beside := filepath.Dir(file)
		if other, _, err := Pinned(beside); err != nil || other != nil && !other.Equal(public) {
			return fmt.Errorf("%s is of another authority: choose another folder: %w", filepath.Join(beside, publicFile), errors.Join(err, ErrTaken))
		}
		list, err := os.ReadFile(filepath.Join(dir, listFile))
		if err == nil {
			err = KeepList(beside, list)
		}
		if err == nil && public != nil {
			err = pin(beside, public, moved)
		}
		if err == nil {
			err = noteOperator(dir, file)
		}
		if err != nil {
			return fmt.Errorf("put the operator list beside it: %w", err)
		}
		return nil
	}); err != nil {
		return "", fmt.Errorf("move the operator key: %w", err)
	}
	return file, nil
}

// moveKey moves a key; before the old one goes, told is called with the new place.
func moveKey(from, to string, told func(key ed25519.PrivateKey, file string) error) (file string, err error) {
	info, err := os.Lstat(from)
	if err != nil {
		return "", fmt.Errorf("it is not here: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", flawf("%s is not a file", from)
	}
	key, err := readKey(from)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(to); err == nil && st.IsDir() {
		to = filepath.Join(to, filepath.Base(from))
	}
	if to, err = filepath.Abs(to); err != nil {
		return "", err
	}
	made, err := copyKey(from, to, key)
	if err == nil {
		err = proveKey(to, key)
	}
	if err == nil {
		err = told(key, to)
	}
	if err != nil {
		if made {
			err = errors.Join(err, os.Remove(to))
		}
		return "", err
	}
	return to, errors.Join(wipe(from, info.Size()), durable.SyncFolder(filepath.Dir(from)))
}

// copyKey makes the new file; one that holds the same key is left by a move that was broken off.
func copyKey(from, to string, key ed25519.PrivateKey) (made bool, err error) {
	b, err := os.ReadFile(from)
	if err != nil {
		return false, fmt.Errorf("read key: %w", err)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // exclusive: no link is followed
	if errors.Is(err, fs.ErrExist) {
		old, st := os.Lstat(from)
		there, err := os.Lstat(to)
		if st != nil || err != nil || !there.Mode().IsRegular() || os.SameFile(old, there) {
			return false, fmt.Errorf("%s: %w", to, ErrTaken)
		}
		if same, err := readKey(to); err != nil || !same.Equal(key) {
			return false, fmt.Errorf("%s: %w", to, ErrTaken)
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write key: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close(), durable.SyncFolder(filepath.Dir(to))); err != nil {
		return true, fmt.Errorf("write key %s: %w", to, err)
	}
	return true, nil
}

// proveKey reads the new file as the next user of it will, and signs with what it read.
func proveKey(file string, want ed25519.PrivateKey) error {
	got, err := readKey(file)
	if err != nil {
		return err
	}
	const text = "yagura-key-moved\n"
	if !bytes.Equal(got, want) || !ed25519.Verify(want.Public().(ed25519.PublicKey), []byte(text), ed25519.Sign(got, []byte(text))) {
		return flawf("key %s is not what was written: the disk does not keep what it takes", file)
	}
	return nil
}

// wipe removes a key's file after writing over it. Where the disk writes elsewhere, as flash does, the old bytes may
// live on in it; on others they are gone.
func wipe(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	_, err = f.Write(make([]byte, size))
	if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("remove key %s: %w", path, err)
	}
	return nil
}

// Astray says which private keys are not in a directory that never saw them moved away. It reads no private key.
func Astray(dir string) (authority, operator bool) {
	gone := func(name string) bool {
		st, err := os.Lstat(filepath.Join(dir, name))
		return err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && !st.Mode().IsRegular()
	}
	moved := map[string]string{}
	if b, err := os.ReadFile(filepath.Join(dir, publicFile)); err == nil {
		if block, _ := pem.Decode(b); block != nil {
			moved = block.Headers
		}
	}
	return gone(AuthorityFile) && moved[movedTo] == "", gone(OperatorFile) && moved[operatorTo] == ""
}
