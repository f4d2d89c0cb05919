package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// story is an incident as the join makes it, created and updated at a time.
func story(t tenant.ID, at int64) incident.Kept {
	h := newHost()
	return incident.Kept{
		Row: incident.Row{
			ID: incident.ID(uuid.Must(uuid.NewV7())), Tenant: t, Title: incident.Said{En: hostile, Ja: "題"}, Severity: detection.High, Why: incident.Said{En: "why", Ja: "理由"}, State: incident.StateNew,
			First: 1, Last: at, Hosts: []event.HostID{h}, Hostnames: []string{"web-" + fmt.Sprint(at)}, Detections: 1, Processes: 2, ATTACK: []string{"T1059"},
			Entry: incident.Said{En: "ssh", Ja: "SSH"}, Route: "ssh", User: "user-" + fmt.Sprint(at), Created: at, Updated: at, Unseen: 1,
		},
		Story:   []byte(`{"nodes":[]}` + "\x00\xff"),
		Members: []event.Ref{{Host: h, Key: event.LinuxKey(1, 2, 3)}},
	}
}

func keep(t *testing.T, s Stores, k incident.Kept, added ...detection.Detection) incident.Kept {
	t.Helper()
	check(t, s.Incidents.SaveIncident(t.Context(), k, added))
	return k
}

func incidentOf(t *testing.T, s Stores, k incident.Kept) incident.Kept {
	t.Helper()
	return must[incident.Kept](t)(s.Incidents.Incident(t.Context(), k.Row.Tenant, k.Row.ID))
}

func ids(rows []incident.Row) string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r.Created))
	}
	return strings.Join(out, " ")
}

func stories(c subject) {
	c.that("an incident comes back with story and members as they were, and after a reopening", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		s = s.reopened(t)
		same(t, "the incident", incidentOf(t, s, k), k)
	})
	c.that("growth replaces the story, adds members, and leaves what people set", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		check(t, s.Incidents.SetIncidentState(t.Context(), k.Row.Tenant, k.Row.ID, "", "mika", incident.Change{At: 6, Who: "mika", State: incident.StateClosed, Verdict: "BTP", Text: "seen"}))
		grown, first := k, k.Members[0]
		grown.Row.Title.En, grown.Row.Severity, grown.Row.Updated, grown.Row.Unseen, grown.Story = "grown", detection.Critical, 9, 3, []byte("{}")
		grown.Members = []event.Ref{{Host: first.Host, Key: event.LinuxKey(9, 9, 9)}, first}
		keep(t, s, grown)
		got := incidentOf(t, s, k)
		if len(got.Members) != 2 || string(got.Story) != "{}" || got.Row.Title.En != "grown" || got.Row.Unseen != 3 || got.Row.Created != 5 {
			t.Errorf("after growth: %+v", got)
		}
		if got.Row.State != incident.StateClosed || got.Row.Verdict != "BTP" || got.Row.Reason != "seen" || got.Row.Owner != "mika" {
			t.Errorf("growth changed what a person set: %+v", got.Row)
		}
	})
	c.that("detections join their incident, known ones too, and are read by time", func(t *testing.T, s Stores) {
		a := newTenant()
		one, two, low := found(a, 2), found(a, 1), found(a, 3)
		save(t, s, one, low)
		k := keep(t, s, story(a, 5), one, two)
		got := must[[]detection.Detection](t)(s.Incidents.IncidentDetections(t.Context(), a, k.Row.ID))
		if len(got) != 2 || got[0].ID != two.ID || got[1].ID != one.ID || got[0].Tenant != a {
			t.Errorf("detections of the incident: %+v; want the two, oldest event first", got)
		}
		id, ok, err := s.Incidents.IncidentOf(t.Context(), a, one.ID)
		if err != nil || !ok || id != k.Row.ID {
			t.Errorf("IncidentOf = %s, %v, %v; want %s", id, ok, err, k.Row.ID)
		}
		same(t, "the queue of the incident", list(t, s, detect.Query{Tenant: a, Incident: k.Row.ID.String()}).Total, uint64(2))
		free := must[[]detection.Detection](t)(s.Incidents.Unjoined(t.Context(), 0, 10))
		if len(free) != 1 || free[0].ID != low.ID {
			t.Errorf("unjoined = %+v; want the third", free)
		}
		for _, ask := range []struct {
			t  tenant.ID
			id string
		}{{a, low.ID}, {a, "d-none"}, {newTenant(), one.ID}} {
			if _, ok, err := s.Incidents.IncidentOf(t.Context(), ask.t, ask.id); ok || err != nil {
				t.Errorf("IncidentOf(%s) = %v, %v; want none", ask.id, ok, err)
			}
		}
	})
	c.that("what no incident holds is given of every tenant, newest first, since a time, bounded, canaries left out", func(t *testing.T, s Stores) {
		a, b, canary := newTenant(), newTenant(), found(newTenant(), 9)
		canary.Canary = true
		save(t, s, found(a, 1), found(a, 2), found(b, 3), canary)
		for _, ask := range []struct {
			since int64
			limit int
			want  string
		}{{0, 10, "[3 2 1]"}, {2, 10, "[3 2]"}, {0, 1, "[3]"}} {
			var got []int64
			for _, d := range must[[]detection.Detection](t)(s.Incidents.Unjoined(t.Context(), ask.since, ask.limit)) {
				got = append(got, d.Detected)
			}
			same(t, fmt.Sprintf("Unjoined(%d, %d)", ask.since, ask.limit), fmt.Sprint(got), ask.want)
		}
	})
	c.that("a save is whole or nothing", func(t *testing.T, s Stores) {
		k := story(newTenant(), 5)
		if err := s.Incidents.SaveIncident(t.Context(), k, []detection.Detection{found(k.Row.Tenant, 1), found(tenant.ID{}, 2)}); err == nil {
			t.Error("a detection without a tenant was kept")
		}
		if _, err := s.Incidents.Incident(t.Context(), k.Row.Tenant, k.Row.ID); !errors.Is(err, incident.ErrNotFound) {
			t.Errorf("the incident of a save that failed = %v; want ErrNotFound", err)
		}
	})
	c.that("a merged incident leads to the other, which has its detections and members", func(t *testing.T, s Stores) {
		a := newTenant()
		from, into := keep(t, s, story(a, 5), found(a, 1)), keep(t, s, story(a, 6), found(a, 2))
		check(t, s.Incidents.MergeIncident(t.Context(), newTenant(), into.Row.ID, from.Row.ID)) // another tenant changes nothing
		check(t, s.Incidents.MergeIncident(t.Context(), a, from.Row.ID, into.Row.ID))
		s = s.reopened(t)
		if got := incidentOf(t, s, from); got.Row.MergedInto != into.Row.ID || len(got.Members) != 0 {
			t.Errorf("the merged incident: %+v", got)
		}
		if got := incidentOf(t, s, into); got.Row.MergedInto != (incident.ID{}) || len(got.Members) != 2 {
			t.Errorf("the other: %+v", got)
		}
		same(t, "its detections", len(must[[]detection.Detection](t)(s.Incidents.IncidentDetections(t.Context(), a, into.Row.ID))), 2)
		rows, total, err := s.Incidents.Incidents(t.Context(), a, incident.Query{})
		check(t, err)
		same(t, "listed", fmt.Sprintf("%s of %d", ids(rows), total), "6 of 1")
		same(t, "open", ids(must[[]incident.Row](t)(s.Incidents.OpenIncidents(t.Context(), 0))), "6")
	})
	c.that("incidents that changed since a time come back of every tenant, oldest first", func(t *testing.T, s Stores) {
		for _, at := range []int64{7, 5, 6} {
			keep(t, s, story(newTenant(), at))
		}
		same(t, "since 6", ids(must[[]incident.Row](t)(s.Incidents.OpenIncidents(t.Context(), 6))), "6 7")
	})
}

func verdicts(c subject) {
	closed := incident.Change{At: 10, Who: hostile, State: incident.StateClosed, Verdict: "BTP", Text: hostile}
	c.that("a state is set from the state that was seen, or from any", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		set := func(from incident.State) error {
			return s.Incidents.SetIncidentState(t.Context(), k.Row.Tenant, k.Row.ID, from, "mika", closed)
		}
		if err := set(incident.StateTriaging); !errors.Is(err, incident.ErrMoved) {
			t.Errorf("from a state it is not in = %v; want ErrMoved", err)
		}
		same(t, "history of a refused change", len(must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), k.Row.Tenant, k.Row.ID))), 0)
		check(t, set(incident.StateNew))
		check(t, set(""))
		s = s.reopened(t)
		got := incidentOf(t, s, k).Row
		if got.State != incident.StateClosed || got.Verdict != "BTP" || got.Reason != hostile || got.Owner != "mika" || got.Unseen != 0 || got.Updated != 10 {
			t.Errorf("the incident: %+v", got)
		}
	})
	c.that("nobody's verdict reaches an incident of another tenant or one that is not there", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		for _, x := range []struct {
			t  tenant.ID
			id incident.ID
		}{{newTenant(), k.Row.ID}, {tenant.ID{}, k.Row.ID}, {k.Row.Tenant, incident.ID{1}}} {
			if err := s.Incidents.SetIncidentState(t.Context(), x.t, x.id, "", "x", closed); !errors.Is(err, incident.ErrNotFound) {
				t.Errorf("SetIncidentState of %s in %s = %v; want ErrNotFound", x.id, x.t, err)
			}
			if err := s.Incidents.AddIncidentNote(t.Context(), x.t, x.id, incident.Change{At: 1, Text: "x"}); !errors.Is(err, incident.ErrNotFound) {
				t.Errorf("AddIncidentNote of %s in %s = %v; want ErrNotFound", x.id, x.t, err)
			}
			if _, err := s.Incidents.Incident(t.Context(), x.t, x.id); !errors.Is(err, incident.ErrNotFound) {
				t.Errorf("Incident %s in %s = %v; want ErrNotFound", x.id, x.t, err)
			}
			same(t, "history", len(must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), x.t, x.id))), 0)
		}
		same(t, "the state", incidentOf(t, s, k).Row.State, incident.StateNew)
	})
	c.that("of many verdicts at once one stands", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		same(t, "verdicts taken", atOnce(t, 8, func(int) (bool, error) {
			err := s.Incidents.SetIncidentState(t.Context(), k.Row.Tenant, k.Row.ID, incident.StateNew, "x", closed)
			if errors.Is(err, incident.ErrMoved) {
				return false, nil
			}
			return err == nil, err
		}), 1)
		same(t, "lines of history", len(must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), k.Row.Tenant, k.Row.ID))), 1)
	})
	c.that("history keeps the order in which it was written, whatever the clock says, and loses nothing", func(t *testing.T, s Stores) {
		k := keep(t, s, story(newTenant(), 5))
		for i, at := range []int64{10, 10, 3} {
			check(t, s.Incidents.AddIncidentNote(t.Context(), k.Row.Tenant, k.Row.ID, incident.Change{At: at, Who: "mika", State: "closed", Verdict: "BTP", Text: fmt.Sprint(i)}))
		}
		atOnce(t, 8, func(i int) (bool, error) {
			return true, s.Incidents.AddIncidentNote(t.Context(), k.Row.Tenant, k.Row.ID, incident.Change{At: 10, Text: "at once"})
		})
		got := must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), k.Row.Tenant, k.Row.ID))
		if len(got) != 11 {
			t.Fatalf("%d lines of history; want 11", len(got))
		}
		for i, c := range got {
			if i < 3 && c.Text != fmt.Sprint(i) || i > 0 && c.At <= got[i-1].At || c.State != "" || c.Verdict != "" {
				t.Errorf("line %d: %+v; want notes without a state, each later than the one before", i, c)
			}
		}
	})
	c.that("history of what was merged is read with the other's, by time", func(t *testing.T, s Stores) {
		a := newTenant()
		one, two, three := keep(t, s, story(a, 1)), keep(t, s, story(a, 2)), keep(t, s, story(a, 3))
		for i, k := range []incident.Kept{two, one, three} {
			check(t, s.Incidents.AddIncidentNote(t.Context(), a, k.Row.ID, incident.Change{At: int64(10 + i), Text: fmt.Sprint(i)}))
		}
		check(t, s.Incidents.MergeIncident(t.Context(), a, one.Row.ID, two.Row.ID))
		check(t, s.Incidents.MergeIncident(t.Context(), a, two.Row.ID, three.Row.ID))
		var got []string
		for _, c := range must[[]incident.Change](t)(s.Incidents.IncidentHistory(t.Context(), a, three.Row.ID)) {
			got = append(got, c.Text)
		}
		same(t, "history", fmt.Sprint(got), "[0 1 2]")
	})
}

func incidentList(c subject) {
	c.that("each question narrows, words of SQL are only words, and the total knows no limit", func(t *testing.T, s Stores) {
		a := newTenant()
		var all []incident.Kept
		for i, sev := range []detection.Severity{detection.Critical, detection.High, detection.Critical} {
			k := story(a, int64(i+1))
			k.Row.Severity, k.Row.Title = sev, incident.Said{En: "Rule 100% 'x' " + fmt.Sprint(i+1), Ja: "題"}
			all = append(all, keep(t, s, k))
		}
		check(t, s.Incidents.SetIncidentState(t.Context(), a, all[0].Row.ID, "", "jun", incident.Change{At: 9, State: incident.StateClosed, Verdict: "BTP", Text: "agreed"}))
		keep(t, s, story(newTenant(), 99))
		for _, ask := range []struct {
			q    incident.Query
			want string
		}{
			{incident.Query{}, "3 2 1 of 3"},
			{incident.Query{Limit: 2}, "3 2 of 3"},
			{incident.Query{WorstFirst: true}, "3 1 2 of 3"},
			{incident.Query{Open: true}, "3 2 of 2"},
			{incident.Query{State: incident.StateClosed}, "1 of 1"},
			{incident.Query{Severity: detection.High}, "2 of 1"},
			{incident.Query{Host: "web-2"}, "2 of 1"},
			{incident.Query{Host: "WEB-2"}, "2 of 1"},
			{incident.Query{Host: "web"}, " of 0"}, // the whole name
			{incident.Query{Host: "web-%"}, " of 0"},
			{incident.Query{Host: all[1].Row.Hosts[0].String()}, "2 of 1"},
			{incident.Query{Text: "100% rule"}, "3 2 1 of 3"},
			{incident.Query{Text: "100_"}, " of 0"},
			{incident.Query{Text: "agreed JUN btp"}, "1 of 1"},
			{incident.Query{Text: "' OR 1=1"}, " of 0"},
			{incident.Query{Text: "題 user-3"}, "3 of 1"},
			{incident.Query{Text: all[1].Row.ID.String()}, "2 of 1"},
		} {
			rows, total, err := s.Incidents.Incidents(t.Context(), a, ask.q)
			check(t, err)
			same(t, fmt.Sprintf("Incidents(%+v)", ask.q), fmt.Sprintf("%s of %d", ids(rows), total), ask.want)
		}
		same(t, "open", must[map[detection.Severity]int](t)(s.Incidents.OpenIncidentCounts(t.Context(), a)), map[detection.Severity]int{detection.Critical: 1, detection.High: 1})
	})
	c.that("a NUL that a host made hides no word of ours", func(t *testing.T, s Stores) {
		k := story(newTenant(), 5)
		k.Row.User, k.Row.Title, k.Row.Hostnames = hostile, incident.Said{En: "Title", Ja: "題"}, []string{hostile}
		keep(t, s, k)
		check(t, s.Incidents.SetIncidentState(t.Context(), k.Row.Tenant, k.Row.ID, "", "mika", incident.Change{At: 9, State: incident.StateClosed, Verdict: "BTP", Text: "agreed"}))
		for _, q := range []incident.Query{{Text: k.Row.ID.String()}, {Text: "mika"}, {Text: "btp"}, {Text: "agreed"}, {Text: "title 題"}, {Text: "T1059"}, {Text: "ssh"}, {Host: hostile}} {
			if _, total, err := s.Incidents.Incidents(t.Context(), k.Row.Tenant, q); err != nil || total != 1 {
				t.Errorf("Incidents(%+v) = %d, %v; want 1", q, total, err)
			}
		}
	})
	c.that("no incident of another tenant is listed or counted", func(t *testing.T, s Stores) {
		keep(t, s, story(newTenant(), 1))
		for _, other := range []tenant.ID{newTenant(), {}} {
			rows, total, err := s.Incidents.Incidents(t.Context(), other, incident.Query{})
			if err != nil || len(rows) != 0 || total != 0 {
				t.Errorf("%s lists %d of %d, %v; want none", other, len(rows), total, err)
			}
			same(t, "counted", len(must[map[detection.Severity]int](t)(s.Incidents.OpenIncidentCounts(t.Context(), other))), 0)
		}
	})
}
