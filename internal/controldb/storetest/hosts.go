package storetest

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func newHostOf(t tenant.ID) fleet.Host {
	return fleet.Host{Tenant: t, ID: newHost(), Name: "web-1", OS: "linux", Version: "0.1.0", Machine: "ab", Enrolled: 5, Addresses: []string{}}
}

// hostNamed finds one host among all.
func hostNamed(t *testing.T, s Stores, of tenant.ID, id event.HostID) fleet.Host {
	t.Helper()
	for _, h := range must[[]fleet.Host](t)(s.Fleet.Hosts(t.Context())) {
		if h.Tenant == of && h.ID == id {
			return h
		}
	}
	t.Fatalf("host %s is not there", id)
	return fleet.Host{}
}

func hosts(c subject) {
	c.that("a host comes back with all it said of itself, and after a reopening", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		h.Recording = true
		check(t, s.Fleet.AddHost(t.Context(), h))
		same(t, "the host", hostNamed(t, s, h.Tenant, h.ID), h)
		h.Name, h.OS, h.Kernel, h.Version, h.LastSeen, h.Boot, h.ClockSkew, h.Twice = hostile, "linux"+hostile, hostile, hostile, 9, "0102", -7, 8
		h.SpoolEvents, h.SpoolBytes, h.Addresses = 3, 4, []string{"192.0.2.1", "2001:db8::1"}
		check(t, s.Fleet.SaveHosts(t.Context(), []fleet.Host{h}))
		s = s.reopened(t)
		same(t, "the host", hostNamed(t, s, h.Tenant, h.ID), h)
	})
	// A sensor says how much its spool holds. One that said 2^64-1 made every later start of the server fail.
	c.that("no count that a host says makes the table unreadable", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		check(t, s.Fleet.AddHost(t.Context(), h))
		h.SpoolEvents, h.SpoolBytes = huge, 1<<63
		check(t, s.Fleet.SaveHosts(t.Context(), []fleet.Host{h}))
		same(t, "the host", hostNamed(t, s, h.Tenant, h.ID), h)
	})
	c.that("what a host says changes no enrolment, no machine, no revocation and no host that is not there", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		check(t, s.Fleet.AddHost(t.Context(), h))
		check(t, s.Fleet.RevokeHost(t.Context(), h.Tenant, h.ID, 12))
		said := h
		said.Enrolled, said.Machine, said.Revoked, said.Recording, said.Name = 99, "other", 0, true, "renamed"
		stranger, foreign := newHostOf(h.Tenant), said
		foreign.Tenant, foreign.Name = newTenant(), "stolen"
		check(t, s.Fleet.SaveHosts(t.Context(), []fleet.Host{said, stranger, foreign}))
		h.Revoked, h.Name = 12, "renamed"
		same(t, "hosts", must[[]fleet.Host](t)(s.Fleet.Hosts(t.Context())), []fleet.Host{h})
	})
	c.that("a host is revoked the first time, in its tenant only, and stays so", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		check(t, s.Fleet.AddHost(t.Context(), h))
		check(t, s.Fleet.RevokeHost(t.Context(), newTenant(), h.ID, 11))
		same(t, "revoked by another tenant", hostNamed(t, s, h.Tenant, h.ID).Revoked, int64(0))
		check(t, s.Fleet.RevokeHost(t.Context(), h.Tenant, newHost(), 11)) // one that is not there
		check(t, s.Fleet.RevokeHost(t.Context(), h.Tenant, h.ID, 12))
		check(t, s.Fleet.RevokeHost(t.Context(), h.Tenant, h.ID, 13))
		s = s.reopened(t)
		same(t, "revoked", hostNamed(t, s, h.Tenant, h.ID).Revoked, int64(12))
	})
	c.that("a host is added once, whoever tries", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		check(t, s.Fleet.AddHost(t.Context(), h))
		other := h
		other.Name = "taken over"
		if err := s.Fleet.AddHost(t.Context(), other); err == nil {
			t.Error("a host was added over one that is there")
		}
		same(t, "the name", hostNamed(t, s, h.Tenant, h.ID).Name, h.Name)
	})
}

func tokens(c subject) {
	token := func(t tenant.ID) fleet.Token {
		return fleet.Token{Tenant: t, ID: "k-1", Hash: "cafe", Created: 1, Expires: 100, UsesLeft: 2, CreatedBy: hostile, Recording: true}
	}
	c.that("a token comes back as it was, and after a reopening", func(t *testing.T, s Stores) {
		k := token(newTenant())
		check(t, s.Fleet.AddToken(t.Context(), k))
		s = s.reopened(t)
		same(t, "tokens", must[[]fleet.Token](t)(s.Fleet.Tokens(t.Context())), []fleet.Token{k})
	})
	c.that("a token has so many uses, until it expires, in its tenant", func(t *testing.T, s Stores) {
		k := token(newTenant())
		check(t, s.Fleet.AddToken(t.Context(), k))
		for _, use := range []struct {
			what string
			t    tenant.ID
			id   string
			now  int64
			want bool
		}{
			{"of another tenant", newTenant(), k.ID, 50, false},
			{"unknown", k.Tenant, "k-2", 50, false},
			{"expired", k.Tenant, k.ID, 101, false},
			{"the first use", k.Tenant, k.ID, 50, true},
			{"the last use, at the last moment", k.Tenant, k.ID, 100, true},
			{"used up", k.Tenant, k.ID, 50, false},
		} {
			same(t, use.what, must[bool](t)(s.Fleet.UseToken(t.Context(), use.t, use.id, use.now)), use.want)
		}
		same(t, "uses left", must[[]fleet.Token](t)(s.Fleet.Tokens(t.Context()))[0].UsesLeft, 0)
	})
	c.that("of many who take the last uses at once no one more gets one", func(t *testing.T, s Stores) {
		k := token(newTenant())
		check(t, s.Fleet.AddToken(t.Context(), k))
		same(t, "uses", atOnce(t, 8, func(int) (bool, error) { return s.Fleet.UseToken(t.Context(), k.Tenant, k.ID, 50) }), 2)
	})
	c.that("a token that ended is forgotten a week later, when its tenant makes another", func(t *testing.T, s Stores) {
		old, theirs := token(newTenant()), token(newTenant())
		check(t, s.Fleet.AddToken(t.Context(), old))
		check(t, s.Fleet.AddToken(t.Context(), theirs))
		fresh := old
		fresh.ID, fresh.Hash, fresh.Created, fresh.Expires = "k-2", "f00d", old.Expires+fleet.KeepEnded.Microseconds(), 1<<50
		check(t, s.Fleet.AddToken(t.Context(), fresh))
		same(t, "tokens at the end of the week", len(must[[]fleet.Token](t)(s.Fleet.Tokens(t.Context()))), 3)
		last := fresh
		last.ID, last.Hash, last.Created = "k-3", "beef", fresh.Created+1
		check(t, s.Fleet.AddToken(t.Context(), last))
		for _, k := range must[[]fleet.Token](t)(s.Fleet.Tokens(t.Context())) {
			if k == old {
				t.Error("a token is remembered longer than a week after its end")
			}
		}
		same(t, "tokens after it, with the other tenant's", len(must[[]fleet.Token](t)(s.Fleet.Tokens(t.Context()))), 3)
	})
}

func boots(c subject) {
	c.that("the newest sixteen boots of a host are kept, newest first, with how their clocks bent", func(t *testing.T, s Stores) {
		a, h, other := newTenant(), newHost(), newHost()
		check(t, s.Fleet.SaveBoot(t.Context(), a, other, fleet.Boot{ID: "z", Seen: 1}))
		for i := range int64(20) {
			check(t, s.Fleet.SaveBoot(t.Context(), a, h, fleet.Boot{ID: string(rune('a' + i)), Offset: i, Seen: i}))
		}
		bent := fleet.Boot{ID: "t", Offset: 19, Seen: 19, Bends: []fleet.Bend{{At: -5, Offset: -5}, {From: 1 << 53, At: 1<<53 - 5, Offset: 19}}}
		check(t, s.Fleet.SaveBoot(t.Context(), a, h, bent))
		s = s.reopened(t)
		got := must[[]fleet.Boot](t)(s.Fleet.Boots(t.Context(), a, h))
		if len(got) != 16 || got[15].ID != "e" {
			t.Fatalf("%d boots: %+v; want 16 down to e", len(got), got)
		}
		same(t, "the newest", got[0], bent)
		same(t, "boots of the other host", len(must[[]fleet.Boot](t)(s.Fleet.Boots(t.Context(), a, other))), 1)
		same(t, "boots seen by another tenant", len(must[[]fleet.Boot](t)(s.Fleet.Boots(t.Context(), newTenant(), h))), 0)
	})
}
