package controldb_test

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/controldb"
)

func TestATenantIsFoundByItsExactNameWithItsAuthorityAfterAReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	db, err := controldb.Open(t.Context(), path)
	check(t, err)
	want := controldb.Tenant{ID: newTenant(), Name: "main", Authority: ed25519.PublicKey("0123456789abcdef0123456789abcdef")}
	other := controldb.Tenant{ID: newTenant(), Name: "other", Authority: ed25519.PublicKey("fedcba9876543210fedcba9876543210")}
	for _, x := range []controldb.Tenant{want, other} {
		check(t, db.CreateTenant(t.Context(), x, 5))
	}
	check(t, db.Close())
	db, err = controldb.Open(t.Context(), path)
	check(t, err)
	defer func() { _ = db.Close() }()
	got, ok, err := db.TenantByName(t.Context(), "main")
	check(t, err)
	if !ok {
		t.Fatal("the tenant is not found")
	}
	same(t, "the tenant", got, want)
	for _, name := range []string{"", "Main", "ma%", "main ", "' OR 1=1 --"} {
		if got, ok, err := db.TenantByName(t.Context(), name); ok || err != nil {
			t.Errorf("TenantByName(%q) = %+v, %v, %v; want none", name, got, ok, err)
		}
	}
}

// A pinned authority is what every sensor of the tenant obeys: nothing may put another in its place.
func TestATenantsAuthorityIsPinnedOnce(t *testing.T) {
	db := openPlain(t)
	pinned := controldb.Tenant{ID: newTenant(), Name: "main", Authority: ed25519.PublicKey("0123456789abcdef0123456789abcdef")}
	check(t, db.CreateTenant(t.Context(), pinned, 5))
	thief := pinned
	thief.Authority = ed25519.PublicKey("fedcba9876543210fedcba9876543210")
	if err := db.CreateTenant(t.Context(), thief, 6); err == nil {
		t.Error("a tenant was made over one that is there")
	}
	got, _, err := db.TenantByName(t.Context(), "main")
	check(t, err)
	same(t, "the tenant", got, pinned)
}
