package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// apart holds what is hardest to get wrong in one place and right in all others: two tenants whose ids are the same. A
// host chooses some of them, and a restored or copied tenant has all of them.
func apart(c subject) {
	c.that("hosts of one id keep their own boots", func(t *testing.T, s Stores) {
		a, b, h := newTenant(), newTenant(), newHost()
		check(t, s.Fleet.SaveBoot(t.Context(), a, h, fleet.Boot{ID: "mine", Seen: 1}))
		for i := range int64(16) {
			check(t, s.Fleet.SaveBoot(t.Context(), b, h, fleet.Boot{ID: fmt.Sprint(i), Seen: 10 + i}))
		}
		check(t, s.Fleet.SaveBoot(t.Context(), a, h, fleet.Boot{ID: "mine too", Seen: 2}))
		check(t, s.Fleet.SaveBoot(t.Context(), b, h, fleet.Boot{ID: "last", Seen: 99}))
		same(t, "boots of one", len(must[[]fleet.Boot](t)(s.Fleet.Boots(t.Context(), a, h))), 2)
		same(t, "boots of the other", len(must[[]fleet.Boot](t)(s.Fleet.Boots(t.Context(), b, h))), 16)
	})
	c.that("users of one id keep their own devices", func(t *testing.T, s Stores) {
		a, b := newUser(newTenant(), "a"), newUser(newTenant(), "b")
		b.ID = a.ID
		put := func(u access.User, n byte, used int64) {
			t.Helper()
			check(t, s.Access.PutDevice(t.Context(), access.Device{Tenant: u.Tenant, Hash: access.Hash{n}, User: u.ID, Used: used}, 2))
		}
		put(a, 1, 1)
		put(a, 2, 2)
		put(b, 11, 50)
		put(b, 12, 51)
		put(b, 13, 52)
		put(a, 2, 3) // looks again what to forget
		for _, x := range []struct {
			u    access.User
			n    byte
			want bool
		}{{a, 1, true}, {a, 2, true}, {b, 11, false}, {b, 12, true}, {b, 13, true}} {
			if _, err := s.Access.Device(t.Context(), x.u.Tenant, access.Hash{x.n}); errors.Is(err, access.ErrNotFound) == x.want {
				t.Errorf("device %d: %v; want it kept: %v", x.n, err, x.want)
			}
		}
	})
	c.that("commands of one nonce wait for their own actions", func(t *testing.T, s Stores) {
		mine, done := submitted(newTenant(), "00ff")
		theirs, waits := submitted(newTenant(), "00ff")
		done.State = response.Done
		check(t, s.Response.AddCommand(t.Context(), mine, []response.Action{done}))
		check(t, s.Response.AddCommand(t.Context(), theirs, []response.Action{waits}))
		same(t, "open commands", must[[]response.Stored](t)(s.Response.OpenCommands(t.Context())), []response.Stored{theirs})
	})
	c.that("incidents of one id keep story, members, detections, verdict and history", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		mine, theirs := story(a, 5), story(b, 6)
		theirs.Row.ID, theirs.Story = mine.Row.ID, []byte("theirs")
		other := story(a, 7)
		keep(t, s, mine, found(a, 1))
		keep(t, s, theirs, found(b, 2))
		keep(t, s, other)
		check(t, s.Incidents.AddIncidentNote(t.Context(), b, theirs.Row.ID, incident.Change{At: 100, Text: "theirs"}))
		check(t, s.Incidents.AddIncidentNote(t.Context(), a, mine.Row.ID, incident.Change{At: 9, Text: "mine"}))
		check(t, s.Incidents.SetIncidentState(t.Context(), b, theirs.Row.ID, "", "x", incident.Change{At: 101, State: incident.StateClosed}))
		check(t, s.Incidents.AddIncidentNote(t.Context(), b, theirs.Row.ID, incident.Change{At: 102, Text: "theirs"}))
		same(t, "mine", incidentOf(t, s, mine), mine)
		same(t, "their members", incidentOf(t, s, theirs).Members, theirs.Members)
		same(t, "their story", string(incidentOf(t, s, theirs).Story), "theirs")
		for ten, want := range map[tenant.ID]string{a: "1", b: "2"} {
			got := must[[]detection.Detection](t)(s.Incidents.IncidentDetections(t.Context(), ten, mine.Row.ID))
			if len(got) != 1 || fmt.Sprint(got[0].Detected) != want {
				t.Errorf("detections of %s: %+v; want its own", ten, got)
			}
		}
		same(t, "my history", must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), a, mine.Row.ID)), []incident.Change{{At: 9, Text: "mine"}})
		check(t, s.Incidents.MergeIncident(t.Context(), a, mine.Row.ID, other.Row.ID))
		same(t, "members after my merge", incidentOf(t, s, other).Members, sorted(mine.Members[0], other.Members[0]))
		same(t, "their merge", incidentOf(t, s, theirs).Row.MergedInto, incident.ID{})
	})
	c.that("detections of one id join the incidents of their own tenant", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		save(t, s, found(a, 1), found(b, 1))
		k := keep(t, s, story(a, 5), found(a, 1))
		if id, ok, err := s.Incidents.IncidentOf(t.Context(), a, found(a, 1).ID); err != nil || !ok || id != k.Row.ID {
			t.Errorf("the incident of mine = %s, %v, %v; want %s", id, ok, err, k.Row.ID)
		}
		if id, ok, err := s.Incidents.IncidentOf(t.Context(), b, found(b, 1).ID); err != nil || ok {
			t.Errorf("the incident of theirs = %s, %v, %v; want none", id, ok, err)
		}
		into := keep(t, s, story(a, 6))
		theirs := story(b, 7)
		theirs.Row.ID = k.Row.ID
		keep(t, s, theirs, found(b, 1))
		check(t, s.Incidents.MergeIncident(t.Context(), a, k.Row.ID, into.Row.ID))
		if id, ok, err := s.Incidents.IncidentOf(t.Context(), b, found(b, 1).ID); err != nil || !ok || id != theirs.Row.ID {
			t.Errorf("the incident of theirs after my merge = %s, %v, %v; want %s", id, ok, err, theirs.Row.ID)
		}
		same(t, "their incident's members after my merge", incidentOf(t, s, theirs).Members, theirs.Members)
	})
	c.that("what was merged in one tenant brings no history to another's", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		into, from := keep(t, s, story(a, 5)), keep(t, s, story(a, 6))
		theirFrom, theirInto := story(b, 7), story(b, 8)
		theirInto.Row.ID = into.Row.ID
		mineOfThatID := story(a, 9) // not merged at mine, merged at theirs
		mineOfThatID.Row.ID = theirFrom.Row.ID
		for _, k := range []incident.Kept{theirFrom, theirInto, mineOfThatID} {
			keep(t, s, k)
		}
		check(t, s.Incidents.MergeIncident(t.Context(), b, theirFrom.Row.ID, theirInto.Row.ID))
		for i, k := range []incident.Kept{into, from, mineOfThatID} {
			check(t, s.Incidents.AddIncidentNote(t.Context(), a, k.Row.ID, incident.Change{At: int64(i + 1), Text: fmt.Sprint(i)}))
		}
		same(t, "history", must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), a, into.Row.ID)), []incident.Change{{At: 1, Text: "0"}})
	})
	c.that("hosts and streams of one id settle their own numbers, and forget their own", func(t *testing.T, s Stores) {
		a, b, h := newTenant(), newTenant(), newHost()
		check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: 1, Last: 1, Covered: []eventstore.Covered{covered(a, h, wide, 1, 5), covered(b, h, wide, 6, 9)}}))
		for ten, want := range map[tenant.ID]seq.Set{a: {{First: 1, Last: 5}}, b: {{First: 6, Last: 9}}} {
			got := must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), ten, h, wide))
			same(t, "settled", got[wide], want)
			all := must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), ten, h))
			same(t, "all that is settled", all[wide], want)
		}
		for batch := range uint64(9) { // more than a host may have
			var many []eventstore.Covered
			for i := range uint64(100) {
				many = append(many, covered(b, h, eventstore.StreamLane{Stream: batch*100 + i}, 1, 1))
			}
			check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: batch + 2, Last: batch + 2, Covered: many}))
		}
		same(t, "the lanes of the first", len(must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), a, h))), 1)
	})
	c.that("lanes of hosts of one id are counted apart", func(t *testing.T, s Stores) {
		a, b, h := newTenant(), newTenant(), newHost()
		for i, part := range []struct {
			t    tenant.ID
			from uint64
			n    uint64
		}{{a, 0, 350}, {b, 0, 100}, {a, 350, 350}} { // together more than one host may have
			var many []eventstore.Covered
			for n := range part.n {
				many = append(many, covered(part.t, h, eventstore.StreamLane{Stream: part.from + n}, 1, 1))
			}
			check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: uint64(i) + 1, Last: uint64(i) + 1, Covered: many}))
		}
		for ten, want := range map[tenant.ID]int{a: 700, b: 100} {
			same(t, "lanes", len(must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), ten, h))), want)
		}
	})
	c.that("rows of two audits are numbered apart", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		for i := range int64(6) {
			check(t, s.Access.AppendAudit(t.Context(), access.Entry{Tenant: []tenant.ID{a, b}[i%2], Time: i, Verb: "x"}))
		}
		for ten, want := range map[tenant.ID]string{a: "4 2 0", b: "5 3 1"} {
			rows := must[[]access.Entry](t)(s.Access.Audit(t.Context(), ten, 10))
			if len(rows) != 3 || fmt.Sprint(rows[0].Time, rows[1].Time, rows[2].Time) != want {
				t.Errorf("the audit: %+v; want %s", rows, want)
			}
		}
	})
}

// sorted gives two members in the order of their texts.
func sorted(a, b event.Ref) []event.Ref {
	if a.String() > b.String() {
		a, b = b, a
	}
	return []event.Ref{a, b}
}
