package storetest

import (
	"errors"
	"testing"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func links(c subject) {
	c.that("a tenant has one link: a newer one ends it, another tenant's does not", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		old, other, fresh := access.Link{Tenant: a, Hash: access.Hash{1}, Expires: 5}, access.Link{Tenant: b, Hash: access.Hash{1}, Expires: 6, Reset: true}, access.Link{Tenant: a, Hash: access.Hash{2}, Expires: 7}
		for _, l := range []access.Link{old, other, fresh} {
			check(t, s.Access.PutLink(t.Context(), l))
		}
		s = s.reopened(t)
		if _, err := s.Access.Link(t.Context(), a, old.Hash); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("the older link = %v; want ErrNotFound", err)
		}
		for _, l := range []access.Link{other, fresh} {
			same(t, "the link", must[access.Link](t)(s.Access.Link(t.Context(), l.Tenant, l.Hash)), l)
		}
	})
	c.that("a reset link is used once, in time, in its tenant", func(t *testing.T, s Stores) {
		a := newTenant()
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: a, Hash: access.Hash{1}, Expires: 100, Reset: true}))
		for _, try := range []struct {
			t    tenant.ID
			now  int64
			want error
		}{{newTenant(), 50, access.ErrLink}, {a, 100, access.ErrLink}, {a, 99, nil}, {a, 99, access.ErrLink}} {
			if err := s.Access.UseLink(t.Context(), try.t, access.Hash{1}, try.now); !errors.Is(err, try.want) {
				t.Errorf("UseLink at %d = %v; want %v", try.now, err, try.want)
			}
		}
		if l := must[access.Link](t)(s.Access.Link(t.Context(), a, access.Hash{1})); !l.Used {
			t.Error("a used link is not found as used")
		}
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: a, Hash: access.Hash{2}, Expires: 100}))
		if err := s.Access.UseLink(t.Context(), a, access.Hash{2}, 50); !errors.Is(err, access.ErrLink) {
			t.Errorf("a link for the first user used as a reset link = %v; want ErrLink", err)
		}
	})
	c.that("of many who use a link at once one does", func(t *testing.T, s Stores) {
		a := newTenant()
		check(t, s.Access.PutLink(t.Context(), access.Link{Tenant: a, Hash: access.Hash{1}, Expires: 100, Reset: true}))
		same(t, "users of the link", atOnce(t, 8, func(int) (bool, error) {
			err := s.Access.UseLink(t.Context(), a, access.Hash{1}, 50)
			if errors.Is(err, access.ErrLink) {
				return false, nil
			}
			return err == nil, err
		}), 1)
	})
}

func devices(c subject) {
	c.that("a device is found by its hash in its tenant only, and after a reopening", func(t *testing.T, s Stores) {
		u := newUser(newTenant(), "a")
		d := access.Device{Tenant: u.Tenant, Hash: access.Hash{1, 2}, User: u.ID, Used: 5}
		check(t, s.Access.PutDevice(t.Context(), d, 3))
		s = s.reopened(t)
		same(t, "the device", must[access.Device](t)(s.Access.Device(t.Context(), u.Tenant, d.Hash)), d)
		for _, ten := range []tenant.ID{newTenant(), {}} {
			if _, err := s.Access.Device(t.Context(), ten, d.Hash); !errors.Is(err, access.ErrNotFound) {
				t.Errorf("the device asked for in %s = %v; want ErrNotFound", ten, err)
			}
		}
	})
	c.that("the longest unused devices of a user are forgotten beyond the bound, of nobody else", func(t *testing.T, s Stores) {
		a, b := newUser(newTenant(), "a"), newUser(newTenant(), "b")
		colleague := newUser(a.Tenant, "c")
		put := func(u access.User, n byte, used int64) {
			t.Helper()
			check(t, s.Access.PutDevice(t.Context(), access.Device{Tenant: u.Tenant, Hash: access.Hash{n}, User: u.ID, Used: used}, 3))
		}
		put(b, 1, 1)
		put(colleague, 9, 1)
		for n := byte(1); n <= 3; n++ {
			put(a, n, int64(n))
		}
		put(a, 1, 10) // used again: 2 is now the longest unused one
		put(a, 4, 11)
		for n, want := range map[byte]bool{1: true, 2: false, 3: true, 4: true, 9: true} {
			_, err := s.Access.Device(t.Context(), a.Tenant, access.Hash{n})
			if errors.Is(err, access.ErrNotFound) == want {
				t.Errorf("device %d: %v; want it kept: %v", n, err, want)
			}
		}
		same(t, "the other tenant's device", must[access.Device](t)(s.Access.Device(t.Context(), b.Tenant, access.Hash{1})).Used, int64(1))
	})
}

func audit(c subject) {
	c.that("rows come newest first by the order in which they were written, bounded, and after a reopening", func(t *testing.T, s Stores) {
		a := newTenant()
		var want []access.Entry
		for i, at := range []int64{30, 10, 20} { // a clock that goes back does not change what happened first
			e := access.Entry{Tenant: a, Time: at, Actor: hostile, Verb: "session.open", Target: string(rune('a' + i)), Detail: hostile, Peer: "::1"}
			check(t, s.Access.AppendAudit(t.Context(), e))
			want = append([]access.Entry{e}, want...)
		}
		check(t, s.Access.AppendAudit(t.Context(), access.Entry{Tenant: newTenant(), Time: 99, Verb: "other"}))
		s = s.reopened(t)
		same(t, "the audit", must[[]access.Entry](t)(s.Access.Audit(t.Context(), a, 10)), want)
		same(t, "two rows of it", must[[]access.Entry](t)(s.Access.Audit(t.Context(), a, 2)), want[:2])
		same(t, "rows of a tenant without any", len(must[[]access.Entry](t)(s.Access.Audit(t.Context(), newTenant(), 10))), 0)
	})
	c.that("no row is lost when many write at once", func(t *testing.T, s Stores) {
		a := newTenant()
		atOnce(t, 20, func(i int) (bool, error) {
			return true, s.Access.AppendAudit(t.Context(), access.Entry{Tenant: a, Time: int64(i), Verb: "x"})
		})
		seen := map[int64]bool{}
		for _, e := range must[[]access.Entry](t)(s.Access.Audit(t.Context(), a, 100)) {
			seen[e.Time] = true
		}
		same(t, "rows", len(seen), 20)
	})
}
