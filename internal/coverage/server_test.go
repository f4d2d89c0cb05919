package coverage_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
)

// TestEventsInQuarantineAreTheServersAffair: what the server could not store is not told as a flood of the host's, and is
// no loss any more once it was stored after all.
func TestEventsInQuarantineAreTheServersAffair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.hello()
		time.Sleep(time.Second)
		first := event.ID{Host: w.host, Stream: 7, Lane: event.Network, Seq: 5}
		w.c.Quarantined(t.Context(), w.tenant, first, 40, time.Now().UnixMicro(), "seal worker crashed")
		found := false
		for _, f := range w.summary().SilentFailures {
			if f.Class == coverage.ClassDrops {
				t.Errorf("told as a loss of the host: %s", f.What.En)
			}
			if f.Class == coverage.ClassServer {
				found = true
				if !strings.Contains(f.What.En, "40 network events") || !strings.Contains(f.Fix.En, "yagura quarantine") || strings.Contains(f.Fix.En, "flood") || !strings.Contains(f.What.Ja, "40 件") {
					t.Errorf("told: %+v", f)
				}
			}
		}
		if lost := w.summary().Health[w.host].Lost24h; !found || lost != 40 {
			t.Errorf("found %v, lost %d; want 40", found, lost)
		}
		w.c.Returned(t.Context(), w.tenant, first, time.Now().UnixMicro())
		for _, f := range w.summary().SilentFailures {
			if f.Class == coverage.ClassServer {
				t.Errorf("after they were stored: %+v", f)
			}
		}
		if lost := w.summary().Health[w.host].Lost24h; lost != 0 {
			t.Errorf("%d events are lost after they were stored", lost)
		}
	})
}

// broken is a database that cannot be read any more.
type broken struct {
	*table
	now bool
}

func (b *broken) KnownHosts(ctx context.Context) ([]coverage.Known, error) {
	if b.now {
		return nil, errors.New("database disk image is malformed")
	}
	return b.table.KnownHosts(ctx)
}

// TestFaultsOfTheServerAreToldWhenItsDatabaseIsBroken: that is when somebody asks.
func TestFaultsOfTheServerAreToldWhenItsDatabaseIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults, store := fault.NewBoard(nil), &broken{table: newTable()}
		c, err := coverage.New(t.Context(), coverage.Options{Store: store, Faults: faults, SecretFile: filepath.Join(t.TempDir(), "canary.key")})
		if err != nil {
			t.Fatal(err)
		}
		faults.Raise(fault.Workers, "seal", errors.New("exit status 1"))
		if sum, err := c.Summary(t.Context(), [16]byte{1}); err != nil || len(sum.SilentFailures) != 1 || sum.SilentFailures[0].Severity != detection.Critical || sum.SilentFailures[0].ID != "server/workers seal" {
			t.Errorf("Summary = %+v, %v", sum.SilentFailures, err)
		}
		store.now = true
		if _, err := c.Summary(t.Context(), [16]byte{1}); err == nil {
			t.Error("a broken database was read")
		}
		time.Sleep(time.Minute)
		sum, err := c.Summary(t.Context(), [16]byte{1})
		if err == nil || len(sum.SilentFailures) != 2 {
			t.Errorf("Summary of a broken database = %+v, %v; want the workers and the database", sum.SilentFailures, err)
		}
	})
}

// A call that was under way when its host was revoked opened the watch over it again: silent for ever.
func TestACallUnderWayDoesNotBringARevokedHostBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		w.whole()
		w.c.Retired(t.Context(), w.host)
		w.whole()
		w.beat()
		time.Sleep(5 * time.Minute)
		if open, err := w.table.OpenCoverage(t.Context()); err != nil || len(open) != 0 {
			t.Errorf("open rows of a revoked host: %+v, %v", open, err)
		}
	})
}
