package storetest

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func coverageTable(c subject) {
	c.that("rows of a span come oldest first, of their tenant only, and after a reopening", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		closed := coverage.Row{Tenant: a, Host: h, ID: "c-1", Class: "file", From: 10, To: 20, State: coverage.Partial, Cause: coverage.Lost, Lost: 7, Reason: hostile}
		open := coverage.Row{Tenant: a, Host: h, ID: "c-2", Class: "file", From: 20, State: coverage.Full, Cause: coverage.Declared}
		theirs := coverage.Row{Tenant: newTenant(), Host: h, ID: "c-1", Class: "file", From: 10, To: 20, State: coverage.Blind}
		check(t, s.Coverage.SaveCoverage(t.Context(), []coverage.Row{open, theirs, closed}, nil))
		s = s.reopened(t)
		for _, q := range []struct {
			t        tenant.ID
			from, to int64
			want     []coverage.Row
		}{
			{a, 0, 0, []coverage.Row{closed, open}},
			{a, 19, 21, []coverage.Row{closed, open}},
			{a, 20, 0, []coverage.Row{open}}, // the end of a row is not in it
			{a, 0, 20, []coverage.Row{closed}},
			{a, 0, 10, nil},
			{theirs.Tenant, 0, 0, []coverage.Row{theirs}},
			{newTenant(), 0, 0, nil},
		} {
			same(t, "rows", must[[]coverage.Row](t)(s.Coverage.Coverage(t.Context(), q.t, q.from, q.to)), q.want)
		}
		same(t, "open rows", must[[]coverage.Row](t)(s.Coverage.OpenCoverage(t.Context())), []coverage.Row{open})
	})
	c.that("saving again changes state, cause, end, loss and reason, and makes no second row", func(t *testing.T, s Stores) {
		r := coverage.Row{Tenant: newTenant(), Host: newHost(), ID: "c-1", Class: "file", From: 10, State: coverage.Full}
		check(t, s.Coverage.SaveCoverage(t.Context(), []coverage.Row{r, r}, nil))
		r.To, r.State, r.Cause, r.Lost, r.Reason = 30, coverage.Silent, coverage.NoSign, 2, "gone"
		for range 2 {
			check(t, s.Coverage.SaveCoverage(t.Context(), []coverage.Row{r}, nil))
		}
		same(t, "rows", must[[]coverage.Row](t)(s.Coverage.Coverage(t.Context(), r.Tenant, 0, 0)), []coverage.Row{r})
	})
	// A sensor says how much it lost. One that said 2^64-1 made Home of the whole tenant unreadable.
	c.that("no loss that a host says makes the table unreadable", func(t *testing.T, s Stores) {
		r := coverage.Row{Tenant: newTenant(), Host: newHost(), ID: "l-1", Class: "file", From: 10, To: 20, State: coverage.Partial, Cause: coverage.Lost, Lost: huge}
		check(t, s.Coverage.SaveCoverage(t.Context(), []coverage.Row{r}, nil))
		same(t, "rows", must[[]coverage.Row](t)(s.Coverage.Coverage(t.Context(), r.Tenant, 0, 0)), []coverage.Row{r})
	})
	c.that("rows that ended before a time are forgotten, open ones never", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		var want []coverage.Row
		for _, r := range []coverage.Row{{ID: "c-1", From: 1, To: 9}, {ID: "c-2", From: 2, To: 10}, {ID: "c-3", From: 3}} {
			r.Tenant, r.Host, r.Class, r.State = a, h, "file", coverage.Full
			check(t, s.Coverage.SaveCoverage(t.Context(), []coverage.Row{r}, nil))
			want = append(want, r)
		}
		check(t, s.Coverage.PruneCoverage(t.Context(), 10))
		same(t, "rows", must[[]coverage.Row](t)(s.Coverage.Coverage(t.Context(), a, 0, 0)), want[1:])
	})
	c.that("of each host of each tenant the last proof stands", func(t *testing.T, s Stores) {
		a, b, h := newTenant(), newTenant(), newHost()
		check(t, s.Coverage.SaveCoverage(t.Context(), nil, []coverage.Proof{{Tenant: a, Host: h, At: 3}, {Tenant: b, Host: h, At: 9}}))
		check(t, s.Coverage.SaveCoverage(t.Context(), nil, []coverage.Proof{{Tenant: a, Host: h, At: 4}}))
		s = s.reopened(t)
		got := map[tenant.ID]int64{}
		for _, p := range must[[]coverage.Proof](t)(s.Coverage.Proofs(t.Context())) {
			got[p.Tenant] = p.At
		}
		same(t, "proofs", got, map[tenant.ID]int64{a: 4, b: 9})
	})
	c.that("every enrolled host is known, with what became of it", func(t *testing.T, s Stores) {
		h := newHostOf(newTenant())
		h.Recording = true
		check(t, s.Fleet.AddHost(t.Context(), h))
		h.LastSeen, h.Name = 30, hostile
		check(t, s.Fleet.SaveHosts(t.Context(), []fleet.Host{h}))
		check(t, s.Fleet.RevokeHost(t.Context(), h.Tenant, h.ID, 40))
		same(t, "known hosts", must[[]coverage.Known](t)(s.Coverage.KnownHosts(t.Context())),
			[]coverage.Known{{Tenant: h.Tenant, Host: h.ID, Name: hostile, Enrolled: 5, LastSeen: 30, Revoked: 40, Recording: true}})
	})
}

func faults(c subject) {
	fault := func() coverage.Fault {
		return coverage.Fault{Tenant: newTenant(), Host: newHost(), Kind: "clone", Class: coverage.ClassTamper, Severity: detection.High, What: detection.Said{En: hostile, Ja: "二台"}, Fix: detection.Said{En: "enrol", Ja: "登録"}, Since: 5}
	}
	c.that("a fault stands until it ends, and one of the same kind may come again", func(t *testing.T, s Stores) {
		f := fault()
		check(t, s.Coverage.SaveFault(t.Context(), f))
		f.Severity, f.What.En = detection.Critical, "three"
		check(t, s.Coverage.SaveFault(t.Context(), f))
		s = s.reopened(t)
		same(t, "faults", must[[]coverage.Fault](t)(s.Coverage.Faults(t.Context())), []coverage.Fault{f})
		f.Until = 9
		check(t, s.Coverage.SaveFault(t.Context(), f))
		same(t, "faults after the end", len(must[[]coverage.Fault](t)(s.Coverage.Faults(t.Context()))), 0)
		f.Since, f.Until = 20, 0
		check(t, s.Coverage.SaveFault(t.Context(), f))
		same(t, "faults", must[[]coverage.Fault](t)(s.Coverage.Faults(t.Context())), []coverage.Fault{f})
	})
	c.that("faults of two tenants and of the server itself stand beside each other", func(t *testing.T, s Stores) {
		f := fault()
		other, server := f, f
		other.Tenant = newTenant()
		server.Host = [16]byte{}
		for _, x := range []coverage.Fault{f, other, server} {
			check(t, s.Coverage.SaveFault(t.Context(), x))
		}
		f.Until = 9
		check(t, s.Coverage.SaveFault(t.Context(), f))
		got := must[[]coverage.Fault](t)(s.Coverage.Faults(t.Context()))
		if len(got) != 2 || got[0].Tenant == got[1].Tenant {
			t.Errorf("faults = %+v; want the other tenant's and the server's", got)
		}
	})
}
