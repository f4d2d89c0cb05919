package access

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

func hashPassword(password string) (string, error) {
	h, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64 << 10, Iterations: 2, Parallelism: 2, SaltLength: 16, KeyLength: 32})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}

func (d *Desk) hash(ctx context.Context, password string) (string, error) {
	if err := enter(ctx, d.work); err != nil {
		return "", err
	}
	defer leave(d.work)
	return hashPassword(password)
}

// compare takes a place for the work. Who waits here has shown a right code, and a user and a device have GuessLimit
// tries each, so that few ever wait; known browsers never wait for strangers longer than one comparison takes.
func (d *Desk) compare(ctx context.Context, password, hash string, known bool) (bool, error) {
	if !known {
		if err := enter(ctx, d.strangers); err != nil {
			return false, err
		}
		defer leave(d.strangers)
	}
	if err := enter(ctx, d.work); err != nil {
		return false, err
	}
	defer leave(d.work)
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return ok, nil
}

func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the password check: %w", context.Cause(ctx))
	}
}

func leave(places chan struct{}) { <-places }

func checkPassword(name, password string) error {
	n := utf8.RuneCountInString(password)
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case n < MinPassword:
		return &InputError{Field: "password", Reason: fmt.Sprintf("is shorter than %d characters", MinPassword)}
	case len(password) > MaxPassword:
		return &InputError{Field: "password", Reason: fmt.Sprintf("is longer than %d bytes", MaxPassword)}
	case len(distinct) < 5 || strings.Contains(strings.ToLower(password), strings.ToLower(name)) && n < len(name)+MinPassword:
		return &InputError{Field: "password", Reason: "is too easy to guess"}
	}
	return nil
}
