package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// segment is a file of events from a time to another.
func segment(t tenant.ID, path string, from, to, received int64) eventstore.File {
	return eventstore.File{Tenant: t, Path: path, Day: "2026-11-22", Group: "process", MinTime: from, MaxTime: to, Received: received, MinHost: "h-1", MaxHost: "h-5", Rows: 3, Bytes: 200, Registry: 1, Shard: 2, First: 1, Last: 9, Sum: "ab"}
}

func covered(t tenant.ID, h event.HostID, lane eventstore.StreamLane, first, last uint64) eventstore.Covered {
	return eventstore.Covered{Tenant: t, Host: h, StreamLane: lane, Ranges: seq.Set{{First: first, Last: last}}}
}

func snapshot(t *testing.T, s Stores, w eventstore.Want) eventstore.Snapshot {
	t.Helper()
	return must[eventstore.Snapshot](t)(s.Manifest.Snapshot(t.Context(), w))
}

func paths(files []eventstore.File) string {
	out := []string{}
	for _, f := range files {
		out = append(out, f.Path)
	}
	return fmt.Sprint(out)
}

// wide is a lane whose stream needs all 64 bits.
var wide = eventstore.StreamLane{Stream: huge, Lane: event.Bulk}

func seals(c subject) {
	c.that("a seal is whole or nothing, right after the one before it, across a reopening", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		first := segment(a, "a", 10, 20, 100)
		check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 2, First: 1, Last: 9, Files: []eventstore.File{first}, Covered: []eventstore.Covered{covered(a, h, wide, 1, 5)}}))
		for what, seal := range map[string]eventstore.Seal{
			"again": {Shard: 2, First: 1, Last: 9}, "over a record left out": {Shard: 2, First: 11, Last: 12},
			"backwards": {Shard: 2, First: 10, Last: 9}, "of a new shard not from 1": {Shard: 3, First: 5, Last: 6},
		} {
			seal.Files, seal.Covered = []eventstore.File{segment(a, "b", 1, 2, 3)}, []eventstore.Covered{covered(a, h, wide, 6, 99)}
			if err := s.Manifest.Seal(t.Context(), seal); !errors.Is(err, eventstore.ErrStale) {
				t.Errorf("a seal %s = %v; want ErrStale", what, err)
			}
		}
		// The last file cannot be stored, its name is taken: nothing of the seal may stand.
		if err := s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 2, First: 10, Last: 12, Files: []eventstore.File{segment(a, "c", 1, 2, 3), first}, Covered: []eventstore.Covered{covered(a, h, wide, 6, 99)}}); err == nil {
			t.Error("a second segment under one name was stored")
		}
		if err := s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 2, First: 10, Last: 12, Files: []eventstore.File{segment(tenant.ID{}, "d", 1, 2, 3)}}); err == nil {
			t.Error("a segment without a tenant was stored")
		}
		s = s.reopened(t)
		snap := snapshot(t, s, eventstore.Want{Tenant: a})
		same(t, "files", snap.Files, []eventstore.File{first})
		same(t, "cursors", fmt.Sprint(snap.Cursors[2], snap.Cursors[3]), "9 0")
		same(t, "sealed", must[map[eventstore.StreamLane]uint64](t)(s.Manifest.SealedThrough(t.Context(), a, h)), map[eventstore.StreamLane]uint64{wide: 5})
	})
	c.that("of many who seal one range at once one does", func(t *testing.T, s Stores) {
		a := newTenant()
		same(t, "seals", atOnce(t, 8, func(i int) (bool, error) {
			err := s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: 1, Last: 9, Files: []eventstore.File{segment(a, fmt.Sprint(i), 1, 2, 3)}})
			if errors.Is(err, eventstore.ErrStale) {
				return false, nil
			}
			return err == nil, err
		}), 1)
		same(t, "files", len(snapshot(t, s, eventstore.Want{Tenant: a}).Files), 1)
	})
}

func segments(c subject) {
	seal := func(t *testing.T, s Stores, files ...eventstore.File) {
		t.Helper()
		at := snapshot(t, s, eventstore.Want{Tenant: newTenant()}).Cursors[0]
		check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: at + 1, Last: at + 1, Files: files}))
	}
	c.that("a snapshot narrows by time, host and group, newest first, to its tenant only", func(t *testing.T, s Stores) {
		a := newTenant()
		seal(t, s, segment(a, "old", 10, 20, 100), segment(a, "new", 20, 30, 200), segment(newTenant(), "theirs", 1, 99, 1))
		for _, c := range []struct {
			w    eventstore.Want
			want string
		}{
			{eventstore.Want{}, "[new old]"},
			{eventstore.Want{From: 20}, "[new old]"},
			{eventstore.Want{From: 21}, "[new]"},
			{eventstore.Want{To: 20}, "[old]"},
			{eventstore.Want{To: 10}, "[]"},
			{eventstore.Want{Host: "h-3"}, "[new old]"},
			{eventstore.Want{Host: "h-6"}, "[]"},
			{eventstore.Want{Groups: []string{"file"}}, "[]"},
			{eventstore.Want{Groups: []string{"file", "process"}}, "[new old]"},
		} {
			c.w.Tenant = a
			same(t, fmt.Sprintf("Snapshot(%+v)", c.w), paths(snapshot(t, s, c.w).Files), c.want)
		}
		for _, other := range []tenant.ID{newTenant(), {}} {
			same(t, "files of another tenant", paths(snapshot(t, s, eventstore.Want{Tenant: other}).Files), "[]")
		}
	})
	c.that("a swap happens whole, while all of the old are there, in their tenant", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		seal(t, s, segment(a, "1", 0, 0, 1), segment(a, "2", 0, 0, 1), segment(b, "1", 0, 0, 1))
		for what, old := range map[string][]eventstore.File{"of another tenant's segment": {segment(b, "2", 0, 0, 0)}, "of one that is gone": {segment(a, "1", 0, 0, 0), segment(a, "3", 0, 0, 0)}} {
			if err := s.Manifest.Swap(t.Context(), old, []eventstore.File{segment(a, "bad", 0, 0, 0)}); !errors.Is(err, eventstore.ErrStale) {
				t.Errorf("a swap %s = %v; want ErrStale", what, err)
			}
		}
		check(t, s.Manifest.Swap(t.Context(), []eventstore.File{segment(a, "1", 0, 0, 0), segment(a, "2", 0, 0, 0)}, []eventstore.File{segment(a, "both", 0, 0, 1)}))
		s = s.reopened(t)
		got := map[tenant.ID]string{}
		for _, f := range must[[]eventstore.File](t)(s.Manifest.Segments(t.Context())) {
			got[f.Tenant] += f.Path
		}
		same(t, "segments", got, map[tenant.ID]string{a: "both", b: "1"})
	})
	c.that("segments expire by their newest received, and are given once", func(t *testing.T, s Stores) {
		a := newTenant()
		old := segment(a, "old", 10, 20, 99)
		seal(t, s, old, segment(a, "new", 20, 30, 100))
		same(t, "expired", must[[]eventstore.File](t)(s.Manifest.Expire(t.Context(), 100)), []eventstore.File{old})
		same(t, "expired again", len(must[[]eventstore.File](t)(s.Manifest.Expire(t.Context(), 100))), 0)
		same(t, "left", paths(snapshot(t, s, eventstore.Want{Tenant: a}).Files), "[new]")
	})
	c.that("what a look at the bytes gave is kept, of that segment of that tenant", func(t *testing.T, s Stores) {
		f, theirs := segment(newTenant(), "a", 1, 2, 3), segment(newTenant(), "a", 1, 2, 3)
		seal(t, s, f, theirs)
		f.Sum, f.Checked, f.Bad = "cd", 7, hostile
		check(t, s.Manifest.Checked(t.Context(), f))
		s = s.reopened(t)
		same(t, "the segment", snapshot(t, s, eventstore.Want{Tenant: f.Tenant}).Files, []eventstore.File{f})
		same(t, "the other tenant's", snapshot(t, s, eventstore.Want{Tenant: theirs.Tenant}).Files, []eventstore.File{theirs})
	})
	c.that("files are taken back whole, with what they settle and without those they hold", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		seal(t, s, segment(a, "1", 0, 0, 1), segment(a, "2", 0, 0, 1))
		back, settles := segment(a, "back", 0, 0, 1), []eventstore.Covered{covered(a, h, wide, 1, 7)}
		for what, bad := range map[string]struct{ files, gone []eventstore.File }{
			"one that is there": {[]eventstore.File{back, segment(a, "2", 0, 0, 1)}, nil}, "one for what is gone already": {[]eventstore.File{back}, []eventstore.File{segment(a, "9", 0, 0, 1)}},
		} {
			if err := s.Manifest.Adopt(t.Context(), bad.files, settles, bad.gone); err == nil {
				t.Errorf("took back %s", what)
			}
		}
		same(t, "settled by what was refused", len(must[map[eventstore.StreamLane]uint64](t)(s.Manifest.SealedThrough(t.Context(), a, h))), 0)
		check(t, s.Manifest.Adopt(t.Context(), []eventstore.File{back}, settles, []eventstore.File{segment(a, "1", 0, 0, 1)}))
		same(t, "segments", paths(must[[]eventstore.File](t)(s.Manifest.Segments(t.Context()))), "[2 back]")
		same(t, "settled", must[map[eventstore.StreamLane]uint64](t)(s.Manifest.SealedThrough(t.Context(), a, h))[wide], uint64(7))
		same(t, "the cursor, which does not move", snapshot(t, s, eventstore.Want{Tenant: a}).Cursors[0], uint64(1))
	})
}

func settled(c subject) {
	seal := func(t *testing.T, s Stores, covered ...eventstore.Covered) {
		t.Helper()
		at := snapshot(t, s, eventstore.Want{Tenant: newTenant()}).Cursors[0]
		check(t, s.Manifest.Seal(t.Context(), eventstore.Seal{Shard: 0, First: at + 1, Last: at + 1, Covered: covered}))
	}
	of := func(t *testing.T, s Stores, ten tenant.ID, h event.HostID, lanes ...eventstore.StreamLane) string {
		t.Helper()
		got := must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), ten, h, lanes...))
		return fmt.Sprint(len(got), got[wide])
	}
	c.that("ranges of a lane grow together, and a spool is free up to the first hole", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		seal(t, s, covered(a, h, wide, 1, 5), covered(a, h, wide, 8, 9))
		same(t, "sealed", must[map[eventstore.StreamLane]uint64](t)(s.Manifest.SealedThrough(t.Context(), a, h))[wide], uint64(5))
		same(t, "covered", of(t, s, a, h), fmt.Sprint(1, seq.Set{{First: 1, Last: 5}, {First: 8, Last: 9}}))
		seal(t, s, covered(a, h, wide, 6, 7))
		s = s.reopened(t)
		same(t, "sealed once the hole closed", must[map[eventstore.StreamLane]uint64](t)(s.Manifest.SealedThrough(t.Context(), a, h))[wide], uint64(9))
		same(t, "covered", of(t, s, a, h, wide), fmt.Sprint(1, seq.Set{{First: 1, Last: 9}}))
	})
	c.that("lanes are apart by tenant, host, stream and lane", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		other := eventstore.StreamLane{Stream: huge, Lane: event.Critical}
		seal(t, s, covered(a, h, wide, 1, 5), covered(a, h, other, 1, 9))
		same(t, "one lane asked for", of(t, s, a, h, wide), fmt.Sprint(1, seq.Set{{First: 1, Last: 5}}))
		same(t, "all of the host", of(t, s, a, h)[:1], "2")
		same(t, "a lane that is not there", of(t, s, a, h, eventstore.StreamLane{Stream: 1})[:1], "0")
		same(t, "another tenant", of(t, s, newTenant(), h)[:1], "0")
		same(t, "another host", of(t, s, a, newHost(), wide)[:1], "0")
	})
	c.that("a sensor's word alone settles nothing of a stream that was never here", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		told := covered(a, h, wide, 1, 5)
		told.Told = true
		seal(t, s, covered(newTenant(), h, wide, 1, 5), covered(a, newHost(), wide, 1, 5)) // it was, of another tenant and of another host
		seal(t, s, told)
		same(t, "covered", of(t, s, a, h)[:1], "0")
		seal(t, s, covered(a, h, eventstore.StreamLane{Stream: huge, Lane: event.Critical}, 1, 1), told)
		same(t, "covered once another lane of the stream is", of(t, s, a, h, wide), fmt.Sprint(1, seq.Set{{First: 1, Last: 5}}))
	})
	c.that("ranges of a lane and lanes of a host are bounded, and the newest stay", func(t *testing.T, s Stores) {
		a, h := newTenant(), newHost()
		var holes seq.Set
		for i := range uint64(eventstore.MaxRanges + 10) {
			holes = append(holes, seq.Range{First: 2*i + 1, Last: 2*i + 1})
		}
		seal(t, s, eventstore.Covered{Tenant: a, Host: h, StreamLane: wide, Ranges: holes})
		got := must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), a, h, wide))[wide]
		if len(got) != eventstore.MaxRanges || got[0].First != 1 {
			t.Errorf("%d ranges from %v on; want %d from 1 on", len(got), got[0], eventstore.MaxRanges)
		}
		for batch := range uint64(8) {
			var many []eventstore.Covered
			for i := range uint64(100) {
				many = append(many, covered(a, h, eventstore.StreamLane{Stream: batch*100 + i}, 1, 1))
			}
			seal(t, s, many...)
		}
		all := must[map[eventstore.StreamLane]seq.Set](t)(s.Manifest.Covered(t.Context(), a, h))
		_, newest := all[eventstore.StreamLane{Stream: 799}]
		if len(all) > eventstore.MaxSettled || len(all) < eventstore.MaxSettled/2 || !newest || all[wide] != nil {
			t.Errorf("%d lanes, the newest there: %v, the oldest: %v; want at most %d with the newest", len(all), newest, all[wide] != nil, eventstore.MaxSettled)
		}
	})
}
