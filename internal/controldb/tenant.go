package controldb

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Tenant is a customer as the installation knows it, with the public half of its authority key.
type Tenant struct {
	ID        tenant.ID
	Name      string
	Authority ed25519.PublicKey
}

// CreateTenant adds a tenant with its authority in one transaction.
func (db *DB) CreateTenant(ctx context.Context, t Tenant, now int64) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tenant (tenant_id, name, created) VALUES ($1, $2, $3)`, t.ID.String(), t.Name, now); err != nil {
			return fmt.Errorf("add tenant %s: %w", t.Name, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO tenant_authority (tenant_id, public_key, created) VALUES ($1, $2, $3)`, t.ID.String(), []byte(t.Authority), now); err != nil {
			return fmt.Errorf("pin the authority of tenant %s: %w", t.Name, err)
		}
		return nil
	})
}

// TenantByName finds a tenant; ok is false when there is none of that name.
func (db *DB) TenantByName(ctx context.Context, name string) (t Tenant, ok bool, err error) {
	var id string
	var key []byte
	err = db.read.QueryRowContext(ctx, `
		SELECT t.tenant_id, a.public_key FROM tenant t JOIN tenant_authority a ON a.tenant_id = t.tenant_id
		WHERE t.name = $1`, name).Scan(&id, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return Tenant{}, false, nil
	}
	if err != nil {
		return Tenant{}, false, fmt.Errorf("find tenant %s: %w", name, err)
	}
	t = Tenant{Name: name, Authority: ed25519.PublicKey(key)}
	if t.ID, err = tenant.Parse(id); err != nil {
		return Tenant{}, false, fmt.Errorf("find tenant %s: %w", name, err)
	}
	return t, true, nil
}
