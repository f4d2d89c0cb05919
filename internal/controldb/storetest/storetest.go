// Package storetest is the promise of the control database: what every store interface of the domain (access, fleet,
// coverage, response, detect, incident, eventstore's manifest, notify's outbox, ingest's quarantine list) may rely on,
// whichever database stands behind it. It knows no SQL and no database: who implements the stores calls Run with a
// function that opens them empty. controldb runs it on SQLite; PostgreSQL will run the same.
//
// A promise is a subtest whose name says it. Each gets a database of its own. It is no fake and holds no test data for
// others.
package storetest

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Detections is what the console reads beside what the engine keeps.
type Detections interface {
	detect.Store
	Detection(ctx context.Context, t tenant.ID, id string) (k detect.Kept, ok bool, err error)
	List(ctx context.Context, q detect.Query) (detect.Page, error)
	RuleHits(ctx context.Context, t tenant.ID, since int64) (map[string]uint64, error)
	SeverityCounts(ctx context.Context, t tenant.ID, since int64) (map[detection.Severity]uint64, error)
	Suppressed(ctx context.Context, t tenant.ID, since int64) ([]detect.Suppressed, error)
}

// Manifest is the event store's manifest, and how far sensors may free their spools by it.
type Manifest interface {
	eventstore.Manifest
	SealedThrough(ctx context.Context, t tenant.ID, h event.HostID) (map[eventstore.StreamLane]uint64, error)
}

// Stores are the stores of one control database.
type Stores struct {
	Access     access.Store
	Fleet      fleet.Store
	Coverage   coverage.Store
	Response   response.Store
	Detections Detections
	Incidents  incident.Store
	Manifest   Manifest
	Outbox     notify.Outbox
	Quarantine ingest.Cellar
	Close      func() error

	again func(t *testing.T) Stores
}

// Opener opens the database that belongs to a folder: SQLite keeps it there, a server's may take its schema's name from
// it. A folder that was not given before stands for an empty database. Who opens also sees to its end, with t.Cleanup.
type Opener func(t *testing.T, folder string) Stores

// Run tests every store that open gives.
func Run(t *testing.T, open Opener) {
	for name, promises := range map[string]func(subject){
		"users": users, "links": links, "devices": devices, "audit": audit,
		"hosts": hosts, "tokens": tokens, "boots": boots,
		"coverage": coverageTable, "faults": faults,
		"commands": commands, "actions": actions, "operator lists": operatorLists,
		"detections": detections, "detection queue": detectionQueue, "positions": positions,
		"stories": stories, "verdicts": verdicts, "incident list": incidentList,
		"seals": seals, "segments": segments, "settled": settled,
		"outbox": outbox, "quarantine": quarantine, "the same ids in two tenants": apart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promises(subject{t, open})
		})
	}
}

// subject is what a group of promises is about.
type subject struct {
	t    *testing.T
	open Opener
}

// that tests one promise on an empty database.
func (s subject) that(promise string, test func(t *testing.T, s Stores)) {
	s.t.Run(promise, func(t *testing.T) { test(t, s.fresh(t, t.TempDir())) })
}

func (s subject) fresh(t *testing.T, folder string) Stores {
	t.Helper()
	stores := s.open(t, folder)
	stores.again = func(t *testing.T) Stores {
		t.Helper()
		check(t, stores.Close())
		return s.fresh(t, folder)
	}
	return stores
}

// reopened closes the database and opens it anew, as a restart of the server does.
func (s Stores) reopened(t *testing.T) Stores {
	t.Helper()
	return s.again(t)
}

func newTenant() tenant.ID  { return tenant.ID(uuid.Must(uuid.NewV7())) }
func newHost() event.HostID { return event.HostID(uuid.Must(uuid.NewV7())) }

// hostile is text that a host may send and no database may change, refuse or take for its own: quotes and wildcards of
// SQL, a NUL, an escaped invalid byte, direction marks, and 4-byte letters.
const hostile = "web'); DROP TABLE host;--%_\\\"\x00\r\n\u202e\U0010FEFF櫓😀$1?"

// huge is a count that only fits without a sign.
const huge = 1<<64 - 1

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must gives what a read gave.
func must[V any](t *testing.T) func(V, error) V {
	t.Helper()
	return func(v V, err error) V {
		t.Helper()
		check(t, err)
		return v
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v; want %+v", what, got, want)
	}
}

// atOnce calls f from n goroutines that start together, and counts those that give true.
func atOnce(t *testing.T, n int, f func(i int) (bool, error)) int {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int64
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			ok, err := f(i)
			if err != nil {
				t.Errorf("caller %d of %d at once: %v", i+1, n, err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load())
}
