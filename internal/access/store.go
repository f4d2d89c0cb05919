package access

import (
	"context"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Store keeps what access knows; controldb implements it. Each method is one transaction. What every implementation
// promises is tested by controldb/storetest.
type Store interface {
	UserStore
	LinkStore
	DeviceStore
	AuditStore
}

// UserStore keeps the users of each tenant.
type UserStore interface {
	// UserNames gives the names of the users, in order.
	UserNames(ctx context.Context, t tenant.ID) ([]string, error)
	// UserByName finds a user by exact name; ErrNotFound.
	UserByName(ctx context.Context, t tenant.ID, name string) (User, error)
	// CreateFirstUser marks the link as used and inserts u, both or neither: ErrSetUp when a user exists,
	// ErrLink when the link is used, unknown or expired at now.
	CreateFirstUser(ctx context.Context, u User, link Hash, now int64) error
	// ReplaceUser marks the reset link as used, forgets the tenant's users and devices, and inserts u, all or nothing:
	// ErrLink when the link is used, unknown, no reset link, or expired at now.
	ReplaceUser(ctx context.Context, u User, link Hash, now int64) error
	// TakeStep notes that the user's code of a TOTP step was used; false when that step or a later one was.
	TakeStep(ctx context.Context, t tenant.ID, u UserID, step int64) (bool, error)
}

// LinkStore keeps the one sign-in link that a tenant has at a time.
type LinkStore interface {
	// PutLink keeps l and forgets every other link of the tenant.
	PutLink(ctx context.Context, l Link) error
	// Link finds a link by hash, used and expired ones too; ErrNotFound.
	Link(ctx context.Context, t tenant.ID, h Hash) (Link, error)
	// UseLink marks a reset link as used: ErrLink when it is used, unknown, no reset link, or expired at now.
	UseLink(ctx context.Context, t tenant.ID, link Hash, now int64) error
}

// DeviceStore keeps the browsers that signed in.
type DeviceStore interface {
	// PutDevice keeps d, or moves its last use, and forgets the user's longest unused ones beyond most.
	PutDevice(ctx context.Context, d Device, most int) error
	// Device finds a device by hash; ErrNotFound.
	Device(ctx context.Context, t tenant.ID, h Hash) (Device, error)
}

// AuditStore keeps who did what. Nothing of it is ever changed.
type AuditStore interface {
	AppendAudit(ctx context.Context, e Entry) error
	// Audit gives the newest rows, newest first: the order in which they were appended, whatever their times say.
	Audit(ctx context.Context, t tenant.ID, limit int) ([]Entry, error)
}
