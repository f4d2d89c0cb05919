package storetest

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func newUser(t tenant.ID, name string) access.User {
	return access.User{ID: access.UserID(uuid.Must(uuid.NewV7())), Tenant: t, Name: name, Password: "no real hash", TOTPSealed: []byte{0, 255, 1}, Created: 7}
}

// firstUser makes a tenant's first user by a link.
func firstUser(t *testing.T, s Stores, u access.User) {
	t.Helper()
	link := access.Hash{1}
	check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: u.Tenant, Hash: link, Expires: 100}))
	check(t, s.Access.CreateFirstUser(t.Context(), u, link, 50))
}

func users(c subject) {
	c.that("a user comes back as it was, and after a reopening", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), hostile)
		firstUser(t, s, u)
		s = s.reopened(t)
		same(t, "the user", must[access.User](t)(s.Access.UserByName(t.Context(), u.Tenant, u.Name)), u)
	})
	c.that("a name is found exactly or not at all, and in its tenant only", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), "y.sato")
		firstUser(t, s, u)
		for _, ask := range []struct {
			t    tenant.ID
			name string
		}{{u.Tenant, "Y.SATO"}, {u.Tenant, "y_sato"}, {u.Tenant, "y.sat%"}, {u.Tenant, ""}, {newTenant(), "y.sato"}, {tenant.ID{}, "y.sato"}} {
			if _, err := s.Access.UserByName(t.Context(), ask.t, ask.name); !errors.Is(err, access.ErrNotFound) {
				t.Errorf("UserByName(%s, %q) = %v; want ErrNotFound", ask.t, ask.name, err)
			}
		}
		same(t, "names of another tenant", len(must[[]string](t)(s.Access.UserNames(t.Context(), newTenant()))), 0)
		same(t, "names", must[[]string](t)(s.Access.UserNames(t.Context(), u.Tenant)), []string{"y.sato"})
	})
	c.that("the first user of a tenant is the first, whatever other tenants have", func(t *testing.T, s Stores) {
		a, b := newUser(newTenant(), "a"), newUser(newTenant(), "a")
		firstUser(t, s, a)
		firstUser(t, s, b)
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: a.Tenant, Hash: access.Hash{2}, Expires: 100}))
		if err := s.Access.CreateFirstUser(t.Context(), newUser(a.Tenant, "second"), access.Hash{2}, 50); !errors.Is(err, access.ErrSetUp) {
			t.Errorf("a second first user = %v; want ErrSetUp", err)
		}
		if l := must[access.Link](t)(s.Access.Link(t.Context(), a.Tenant, access.Hash{2})); l.Used {
			t.Error("the link that made nobody is used up")
		}
	})
	c.that("no user is made with a link that is unknown, used, expired or of another tenant", func(t *testing.T, s Stores) {
		mine, theirs := newTenant(), newTenant()
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: mine, Hash: access.Hash{1}, Expires: 100}))
		for _, try := range []struct {
			what string
			t    tenant.ID
			link access.Hash
			now  int64
		}{{"unknown", mine, access.Hash{9}, 50}, {"expired", mine, access.Hash{1}, 100}, {"of another tenant", theirs, access.Hash{1}, 50}} {
			if err := s.Access.CreateFirstUser(t.Context(), newUser(try.t, "x"), try.link, try.now); !errors.Is(err, access.ErrLink) {
				t.Errorf("a link that is %s = %v; want ErrLink", try.what, err)
			}
			same(t, "users of "+try.what, len(must[[]string](t)(s.Access.UserNames(t.Context(), try.t))), 0)
		}
	})
	c.that("of many first users at once one is made", func(t *testing.T, s Stores) {
		mine := newTenant()
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: mine, Hash: access.Hash{1}, Expires: 100}))
		won := atOnce(t, 8, func(int) (bool, error) {
			err := s.Access.CreateFirstUser(t.Context(), newUser(mine, "x"), access.Hash{1}, 50)
			if errors.Is(err, access.ErrSetUp) || errors.Is(err, access.ErrLink) {
				return false, nil
			}
			return err == nil, err
		})
		same(t, "users that were made", won, 1)
	})
	c.that("a replacement takes the place of the tenant's users and devices, and of nobody else's", func(t *testing.T, s Stores) {
		a, b := newUser(newTenant(), "a"), newUser(newTenant(), "b")
		for i, u := range []access.User{a, b} {
			firstUser(t, s, u)
			check(t, s.Access.PutDevice(t.Context(), access.Device{Tenant: u.Tenant, Hash: access.Hash{byte(10 + i)}, User: u.ID, Used: 1}, 5))
		}
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: a.Tenant, Hash: access.Hash{3}, Expires: 100, Reset: true}))
		fresh := newUser(a.Tenant, "fresh")
		check(t, s.Access.ReplaceUser(t.Context(), fresh, access.Hash{3}, 50))
		same(t, "users", must[[]string](t)(s.Access.UserNames(t.Context(), a.Tenant)), []string{"fresh"})
		if _, err := s.Access.Device(t.Context(), a.Tenant, access.Hash{10}); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("the device of a replaced user = %v; want ErrNotFound", err)
		}
		same(t, "users of the other tenant", must[[]string](t)(s.Access.UserNames(t.Context(), b.Tenant)), []string{"b"})
		same(t, "the other tenant's device", must[access.Device](t)(s.Access.Device(t.Context(), b.Tenant, access.Hash{11})).User, b.ID)
	})
	c.that("a replacement that is refused changes nothing", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), "a")
		firstUser(t, s, u)
		check(t, s.Access.PutDevice(t.Context(), access.Device{Tenant: u.Tenant, Hash: access.Hash{10}, User: u.ID, Used: 1}, 5))
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: u.Tenant, Hash: access.Hash{3}, Expires: 100})) // no reset link
		if err := s.Access.ReplaceUser(t.Context(), newUser(u.Tenant, "thief"), access.Hash{3}, 50); !errors.Is(err, access.ErrLink) {
			t.Errorf("a replacement by a link for first users = %v; want ErrLink", err)
		}
		same(t, "users", must[[]string](t)(s.Access.UserNames(t.Context(), u.Tenant)), []string{"a"})
		must[access.Device](t)(s.Access.Device(t.Context(), u.Tenant, access.Hash{10}))
	})
	c.that("a step of one-time codes is taken once, never again nor an earlier one", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), "a")
		firstUser(t, s, u)
		for _, take := range []struct {
			step int64
			want bool
		}{{10, true}, {10, false}, {9, false}, {11, true}} {
			same(t, "taken", must[bool](t)(s.Access.TakeStep(t.Context(), u.Tenant, u.ID, take.step)), take.want)
		}
		same(t, "taken in another tenant", must[bool](t)(s.Access.TakeStep(t.Context(), newTenant(), u.ID, 99)), false)
		s = s.reopened(t)
		same(t, "taken again after a reopening", must[bool](t)(s.Access.TakeStep(t.Context(), u.Tenant, u.ID, 11)), false)
	})
	c.that("of many who take one step at once one gets it", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), "a")
		firstUser(t, s, u)
		same(t, "takers", atOnce(t, 8, func(int) (bool, error) { return s.Access.TakeStep(t.Context(), u.Tenant, u.ID, 5) }), 1)
	})
}
