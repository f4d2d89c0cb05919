package controldb_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func manifestDB(t *testing.T) *controldb.DB {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func segmentOf(owner tenant.ID, path string, from, to, received int64) eventstore.File {
	return eventstore.File{Tenant: owner, Path: path, Day: "2026-11-22", Group: "process", MinTime: from, MaxTime: to, Received: received, MinHost: "h-1", MaxHost: "h-5", Rows: 3, Bytes: 200, Registry: 1, Shard: 2, First: 1, Last: 9}
}

func TestSealIsWholeOrNothing(t *testing.T) {
	db := manifestDB(t)
	ctx := t.Context()
	mine, h := tenant.ID(uuid.Must(uuid.NewV7())), event.HostID(uuid.Must(uuid.NewV7()))
	lane := eventstore.StreamLane{Stream: 1<<64 - 1, Lane: event.Bulk}
	cover := func(first, last uint64) []eventstore.Covered {
		return []eventstore.Covered{{Tenant: mine, Host: h, StreamLane: lane, Ranges: seq.Set{{First: first, Last: last}}}}
	}
	if err := db.Seal(ctx, eventstore.Seal{Shard: 2, First: 1, Last: 9, Files: []eventstore.File{segmentOf(mine, "a", 10, 20, 100)}, Covered: cover(1, 5)}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []eventstore.Seal{
		{Shard: 2, First: 1, Last: 9},   // again
		{Shard: 2, First: 11, Last: 12}, // a record left out
		{Shard: 3, First: 5, Last: 6},   // a shard that was never sealed begins at 1
	} {
		s.Files, s.Covered = []eventstore.File{segmentOf(mine, "b", 1, 2, 3)}, cover(6, 99)
		if err := db.Seal(ctx, s); !errors.Is(err, eventstore.ErrStale) {
			t.Errorf("seal of %d..%d of shard %d = %v; want ErrStale", s.First, s.Last, s.Shard, err)
		}
	}
	// The last file of a seal cannot be stored (its name is taken): nothing of it may stand.
	err := db.Seal(ctx, eventstore.Seal{Shard: 2, First: 10, Last: 12, Files: []eventstore.File{segmentOf(mine, "c", 1, 2, 3), segmentOf(mine, "a", 1, 2, 3)}, Covered: cover(6, 99)})
	if err == nil {
		t.Error("a second segment under one name was stored")
	}
	snap, err := db.Snapshot(ctx, eventstore.Want{Tenant: mine})
	if err != nil || len(snap.Files) != 1 || snap.Cursors[2] != 9 || snap.Cursors[3] != 0 {
		t.Errorf("after refused seals the manifest holds %+v, %v; want segment a and cursor 9", snap, err)
	}
	if through, err := db.SealedThrough(ctx, mine, h); err != nil || through[lane] != 5 {
		t.Errorf("SealedThrough = %v, %v; want 5", through, err)
	}
	if err := db.Seal(ctx, eventstore.Seal{Shard: 2, First: 10, Last: 12, Covered: append(cover(8, 9), cover(6, 7)...)}); err != nil {
		t.Fatal(err)
	}
	if through, err := db.SealedThrough(ctx, mine, h); err != nil || through[lane] != 9 {
		t.Errorf("SealedThrough after the hole closed = %v, %v; want 9", through, err)
	}
}

func TestManifestOfAnotherTenantIsNotSeen(t *testing.T) {
	db := manifestDB(t)
	ctx := t.Context()
	mine, theirs, h := tenant.ID(uuid.Must(uuid.NewV7())), tenant.ID(uuid.Must(uuid.NewV7())), event.HostID(uuid.Must(uuid.NewV7()))
	err := db.Seal(ctx, eventstore.Seal{
		Shard: 0, First: 1, Last: 1, Files: []eventstore.File{segmentOf(mine, "a", 10, 20, 100)},
		Covered: []eventstore.Covered{{Tenant: mine, Host: h, Ranges: seq.Set{{First: 1, Last: 5}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if snap, err := db.Snapshot(ctx, eventstore.Want{Tenant: theirs}); err != nil || len(snap.Files) != 0 {
		t.Errorf("another tenant's snapshot = %v, %v; want no segment", snap.Files, err)
	}
	if snap, err := db.Snapshot(ctx, eventstore.Want{}); err != nil || len(snap.Files) != 0 {
		t.Errorf("a snapshot without a tenant = %v, %v; want no segment", snap.Files, err)
	}
	if through, err := db.SealedThrough(ctx, theirs, h); err != nil || len(through) != 0 {
		t.Errorf("another tenant's watermarks = %v, %v; want none", through, err)
	}
	stolen := segmentOf(theirs, "a", 10, 20, 100)
	if err := db.Swap(ctx, []eventstore.File{stolen}, nil); !errors.Is(err, eventstore.ErrStale) {
		t.Errorf("swapping a segment of another tenant = %v; want ErrStale", err)
	}
}

func TestSnapshotNarrowsByTimeHostAndGroup(t *testing.T) {
	db := manifestDB(t)
	ctx := t.Context()
	mine := tenant.ID(uuid.Must(uuid.NewV7()))
	if err := db.Seal(ctx, eventstore.Seal{Shard: 0, First: 1, Last: 1, Files: []eventstore.File{segmentOf(mine, "old", 10, 20, 100), segmentOf(mine, "new", 20, 30, 200)}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		w    eventstore.Want
		want int
	}{
		{eventstore.Want{}, 2},
		{eventstore.Want{From: 20}, 2},
		{eventstore.Want{From: 21}, 1},
		{eventstore.Want{To: 20}, 1},
		{eventstore.Want{To: 10}, 0},
		{eventstore.Want{Host: "h-3"}, 2},
		{eventstore.Want{Host: "h-6"}, 0},
		{eventstore.Want{Groups: []string{"file"}}, 0},
		{eventstore.Want{Groups: []string{"file", "process"}}, 2},
	} {
		c.w.Tenant = mine
		if snap, err := db.Snapshot(ctx, c.w); err != nil || len(snap.Files) != c.want {
			t.Errorf("Snapshot(%+v) = %d segments, %v; want %d", c.w, len(snap.Files), err, c.want)
		}
	}
	gone, err := db.Expire(ctx, 200)
	if err != nil || len(gone) != 1 || gone[0].Path != "old" {
		t.Errorf("Expire(200) = %v, %v; want the segment received at 100", gone, err)
	}
	if err := db.Swap(ctx, []eventstore.File{segmentOf(mine, "old", 0, 0, 0), segmentOf(mine, "new", 0, 0, 0)}, []eventstore.File{segmentOf(mine, "both", 0, 0, 0)}); !errors.Is(err, eventstore.ErrStale) {
		t.Errorf("Swap of an expired segment = %v; want ErrStale", err)
	}
	if all, err := db.Segments(ctx); err != nil || len(all) != 1 || all[0].Path != "new" {
		t.Errorf("after a stale swap the manifest holds %v, %v; want the new segment", all, err)
	}
}
