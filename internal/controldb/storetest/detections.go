package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// found is a detection of the n-th event of a host, at time n.
func found(t tenant.ID, n uint64) detection.Detection {
	e := event.Event{Kind: event.ProcessExec, OS: event.Linux, Time: int64(n), Received: int64(n), Actor: event.Process{Path: "/usr/bin/" + fmt.Sprint(n), CommandLine: hostile, UserName: "web"}}
	id := event.ID{Host: event.HostID{15: 1}, Stream: huge, Seq: n}
	return detection.Detection{
		ID: detection.NewID("rule", "1", id), Tenant: t, RuleID: "rule", RuleVersion: "1", Title: detection.Said{En: "title " + hostile, Ja: "題"}, Why: detection.Said{En: "why", Ja: "理由"}, Todo: detection.Said{En: "todo", Ja: "対応"},
		Severity: detection.High, ATTACK: []string{"T1059"}, Author: "a", Licence: "l", Matched: []detection.Match{{Field: "f", Value: hostile, Selection: "s"}},
		Event: event.Stamped{ID: id, Event: &e}, Detected: int64(n),
	}
}

func save(t *testing.T, s Stores, ds ...detection.Detection) {
	t.Helper()
	check(t, s.Detections.SaveDetections(t.Context(), ds))
}

func list(t *testing.T, s Stores, q detect.Query) detect.Page {
	t.Helper()
	return must[detect.Page](t)(s.Detections.List(t.Context(), q))
}

func detections(c subject) {
	c.that("a detection comes back with its event as it was, and after a reopening", func(t *testing.T, s Stores) {
		d := found(newTenant(), 7)
		save(t, s, d)
		s = s.reopened(t)
		k, ok, err := s.Detections.Detection(t.Context(), d.Tenant, d.ID)
		check(t, err)
		if !ok || k.Event.Event == nil {
			t.Fatalf("Detection = %+v, %v", k, ok)
		}
		same(t, "the event's bytes", k.Event.Event.Append(nil), d.Event.Event.Append(nil))
		k.Event.Event = d.Event.Event
		same(t, "the detection", k, detect.Kept{Detection: d})
	})
	c.that("judging twice keeps the first", func(t *testing.T, s Stores) {
		d := found(newTenant(), 7)
		save(t, s, d, d)
		again := d
		again.Title.En, again.Detected = "judged again", 99
		save(t, s, again)
		p := list(t, s, detect.Query{Tenant: d.Tenant})
		if p.Total != 1 || p.Detections[0].Title != d.Title || p.Detections[0].Detected != 7 {
			t.Errorf("after judging again: %+v; want the first alone", p)
		}
	})
	c.that("no detection of another tenant is found, listed or counted", func(t *testing.T, s Stores) {
		d := found(newTenant(), 7)
		save(t, s, d)
		for _, other := range []tenant.ID{newTenant(), {}} {
			if _, ok, err := s.Detections.Detection(t.Context(), other, d.ID); ok || err != nil {
				t.Errorf("Detection asked for in %s = %v, %v; want none", other, ok, err)
			}
			same(t, "listed", list(t, s, detect.Query{Tenant: other}), detect.Page{})
			same(t, "hits", len(must[map[string]uint64](t)(s.Detections.RuleHits(t.Context(), other, 0))), 0)
			same(t, "severities", len(must[map[detection.Severity]uint64](t)(s.Detections.SeverityCounts(t.Context(), other, 0))), 0)
		}
	})
	c.that("a save is whole or nothing, and a detection without a tenant is refused", func(t *testing.T, s Stores) {
		d := found(newTenant(), 7)
		if err := s.Detections.SaveDetections(t.Context(), []detection.Detection{d, found(tenant.ID{}, 8)}); err == nil {
			t.Error("a detection without a tenant was kept")
		}
		same(t, "listed", list(t, s, detect.Query{Tenant: d.Tenant}).Total, uint64(0))
	})
	c.that("hits and severities are counted since a time, canaries left out", func(t *testing.T, s Stores) {
		a := newTenant()
		one, two, old, canary := found(a, 10), found(a, 11), found(a, 9), found(a, 12)
		two.RuleID, two.Severity, canary.Canary = "rule two", detection.Low, true
		save(t, s, one, two, old, canary)
		same(t, "hits", must[map[string]uint64](t)(s.Detections.RuleHits(t.Context(), a, 10)), map[string]uint64{"rule": 1, "rule two": 1})
		same(t, "severities", must[map[detection.Severity]uint64](t)(s.Detections.SeverityCounts(t.Context(), a, 10)), map[detection.Severity]uint64{detection.High: 1, detection.Low: 1})
	})
}

func detectionQueue(c subject) {
	c.that("pages follow one another newest first, each detection once, whatever came meanwhile", func(t *testing.T, s Stores) {
		a := newTenant()
		for n := range uint64(10) {
			d := found(a, n)
			d.Detected = int64(n / 3) // several of one moment
			save(t, s, d)
		}
		seen := map[string]bool{}
		last := int64(1 << 60)
		for q := (detect.Query{Tenant: a, Limit: 4}); ; {
			p := list(t, s, q)
			if q.Cursor == "" {
				same(t, "total", p.Total, uint64(10))
				save(t, s, found(a, 100)) // newer than the page: it belongs before it
			}
			for _, d := range p.Detections {
				if seen[d.ID] || d.Detected > last {
					t.Errorf("%s of time %d came twice or out of order", d.ID, d.Detected)
				}
				seen[d.ID], last = true, d.Detected
			}
			if q.Cursor = p.Cursor; p.Cursor == "" {
				break
			}
		}
		same(t, "detections on all pages", len(seen), 10)
	})
	c.that("a cursor that no page gave is refused", func(t *testing.T, s Stores) {
		for _, cursor := range []string{"x", "1", "x/d-1", hostile, "99999999999999999999/d-1"} {
			if _, err := s.Detections.List(t.Context(), detect.Query{Tenant: newTenant(), Cursor: cursor}); !errors.Is(err, detect.ErrCursor) {
				t.Errorf("List with cursor %q = %v; want ErrCursor", cursor, err)
			}
		}
	})
	c.that("a limit is kept: 200 when none is asked for, 1000 at most", func(t *testing.T, s Stores) {
		a := newTenant()
		var all []detection.Detection
		for n := range uint64(1001) {
			all = append(all, found(a, n))
		}
		save(t, s, all...)
		for _, ask := range []struct{ limit, want int }{{0, 200}, {-1, 200}, {1, 1}, {5000, 1000}} {
			same(t, fmt.Sprintf("detections for limit %d", ask.limit), len(list(t, s, detect.Query{Tenant: a, Limit: ask.limit}).Detections), ask.want)
		}
	})
	c.that("each question narrows, and words of SQL are only words", func(t *testing.T, s Stores) {
		a := newTenant()
		one, two, canary := found(a, 1), found(a, 2), found(a, 3)
		two.RuleID, two.Severity, two.Title.En, canary.Canary = "rule_two", detection.Low, "100% SURE", true
		save(t, s, one, two, canary)
		for _, ask := range []struct {
			q    detect.Query
			want uint64
		}{
			{detect.Query{}, 2},
			{detect.Query{Canary: true}, 1},
			{detect.Query{Severity: detection.Low}, 1},
			{detect.Query{RuleID: "rule"}, 1},
			{detect.Query{Incident: "i-none"}, 0},
			{detect.Query{Search: "100% sure"}, 1},
			{detect.Query{Search: "%"}, 2}, // the letter, which both hold in their text
			{detect.Query{Search: "rule_two"}, 1},
			{detect.Query{Search: "ruleXtwo"}, 0},
			{detect.Query{Search: "/usr/bin/1"}, 1},
			{detect.Query{Search: "題"}, 2}, // a NUL stands before it
			{detect.Query{Search: hostile}, 2},
			{detect.Query{Search: "' OR 1=1 --"}, 0},
		} {
			ask.q.Tenant = a
			same(t, fmt.Sprintf("List(%+v)", ask.q), list(t, s, ask.q).Total, ask.want)
		}
	})
}

func positions(c subject) {
	c.that("a shard's judged position goes on and never back, across a reopening", func(t *testing.T, s Stores) {
		same(t, "positions of a new database", must[map[int]uint64](t)(s.Detections.Judged(t.Context())), map[int]uint64{})
		for _, p := range []map[int]uint64{{0: 5, 1: 7}, {0: 4, 1: 8}, {}} {
			check(t, s.Detections.SaveJudged(t.Context(), p))
		}
		s = s.reopened(t)
		same(t, "positions", must[map[int]uint64](t)(s.Detections.Judged(t.Context())), map[int]uint64{0: 5, 1: 8})
	})
	c.that("held-back detections add up by tenant, rule, host and hour, and are read since a time", func(t *testing.T, s Stores) {
		const hour = 3_600_000_000
		a, h := newTenant(), newHost()
		held := func(ten tenant.ID, rule string, n uint64, from, to int64) {
			t.Helper()
			check(t, s.Detections.SaveSuppressed(t.Context(), []detect.Suppressed{{Tenant: ten, Host: h, RuleID: rule, Count: n, From: from, To: to}}))
		}
		held(a, "r", 2, hour+1, hour+2)
		held(a, "r", 3, hour+5, hour+9)
		held(a, "r", 4, 2*hour, 2*hour+1)
		held(a, hostile, 20, hour, hour+2)
		held(newTenant(), "r", 100, hour, hour+2)
		same(t, "held back", must[[]detect.Suppressed](t)(s.Detections.Suppressed(t.Context(), a, 0)), []detect.Suppressed{
			{Tenant: a, Host: h, RuleID: hostile, Count: 20, From: hour, To: hour + 2},
			{Tenant: a, Host: h, RuleID: "r", Count: 9, From: hour + 1, To: 2*hour + 1},
		})
		same(t, "held back since the second hour", must[[]detect.Suppressed](t)(s.Detections.Suppressed(t.Context(), a, 2*hour)), []detect.Suppressed{
			{Tenant: a, Host: h, RuleID: "r", Count: 4, From: 2 * hour, To: 2*hour + 1},
		})
	})
	c.that("no count is lost when shards add at once", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		atOnce(t, 8, func(i int) (bool, error) {
			check := s.Detections.SaveJudged(t.Context(), map[int]uint64{i: 1, 15: uint64(i)})
			return true, errors.Join(check, s.Detections.SaveSuppressed(t.Context(), []detect.Suppressed{{Tenant: a, Host: h, RuleID: "r", Count: 1, From: 1, To: 2}}))
		})
		same(t, "held back", must[[]detect.Suppressed](t)(s.Detections.Suppressed(t.Context(), a, 0))[0].Count, uint64(8))
		same(t, "the position that all moved", must[map[int]uint64](t)(s.Detections.Judged(t.Context()))[15], uint64(7))
	})
}
