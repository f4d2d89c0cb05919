// Package tenant names the customer that every row, file and log record belongs to, and carries it
// through a context. It knows nothing about tenants beyond their id.
package tenant

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// ID is the UUIDv7 of a tenant. The zero ID is no tenant and is refused by every store.
type ID uuid.UUID

// String gives the text form "t-…".
func (id ID) String() string { return "t-" + uuid.UUID(id).String() }

// Parse reads the text form.
func Parse(s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, "t-")
	if !ok {
		return ID{}, fmt.Errorf("tenant id %q does not start with t-", s)
	}
	u, err := uuid.Parse(rest)
	if err != nil {
		return ID{}, fmt.Errorf("tenant id %q: %w", s, err)
	}
	return ID(u), nil
}

type key struct{}

// With returns a context that carries id.
func With(ctx context.Context, id ID) context.Context { return context.WithValue(ctx, key{}, id) }

// From gives the tenant of ctx; ok is false when it carries none.
func From(ctx context.Context) (id ID, ok bool) {
	id, ok = ctx.Value(key{}).(ID)
	return id, ok
}
