package fleet

import (
	"context"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Store is where the fleet is kept; controldb implements it. What every implementation promises is tested by
// controldb/storetest.
type Store interface {
	HostStore
	TokenStore
	BootStore
}

// HostStore keeps the enrolled hosts.
type HostStore interface {
	AddHost(ctx context.Context, h Host) error
	SaveHosts(ctx context.Context, hosts []Host) error // what changes by itself: everything but id, machine, enrolment and revocation
	Hosts(ctx context.Context) ([]Host, error)         // of all tenants; read once at start
	// RevokeHost notes the first time that a host was revoked; an unknown host is no error.
	RevokeHost(ctx context.Context, t tenant.ID, h event.HostID, at int64) error
}

// TokenStore keeps the enrolment tokens, never their secrets.
type TokenStore interface {
	AddToken(ctx context.Context, t Token) error // and forgets those that expired more than KeepEnded before
	Tokens(ctx context.Context) ([]Token, error) // ended ones too, while they are kept
	// UseToken takes one use of a token that is not expired at now; false when there was none left.
	UseToken(ctx context.Context, t tenant.ID, id string, now int64) (bool, error)
}

// BootStore keeps the clocks of the last boots of each host.
type BootStore interface {
	SaveBoot(ctx context.Context, t tenant.ID, h event.HostID, b Boot) error
	Boots(ctx context.Context, t tenant.ID, h event.HostID) ([]Boot, error) // newest first, at most 16
}
