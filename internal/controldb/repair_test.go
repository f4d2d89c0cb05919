package controldb_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func openPlain(t *testing.T) *controldb.DB {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newTenant() tenant.ID  { return tenant.ID(uuid.Must(uuid.NewV7())) }
func newHost() event.HostID { return event.HostID(uuid.Must(uuid.NewV7())) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v; want %+v", what, got, want)
	}
}

// A build that wrote an older state of a row over its end left rows open beside the one that stands, for ever.
func TestCoverageThatAnOlderBuildLeftOpenEndsAtTheStart(t *testing.T) {
	db, ctx := openPlain(t), t.Context()
	a, h, other := newTenant(), newHost(), newHost()
	for _, id := range []event.HostID{h, other} {
		check(t, db.Fleet().AddHost(ctx, fleet.Host{Tenant: a, ID: id, Name: "web", OS: "linux", Enrolled: 1, LastSeen: 50, Addresses: []string{}}))
	}
	row := func(host event.HostID, id, class string, from, to int64, s coverage.State) coverage.Row {
		return coverage.Row{Tenant: a, Host: host, ID: id, Class: class, From: from, To: to, State: s}
	}
	loss := coverage.Row{Tenant: a, Host: h, ID: "l-1", Class: "file", From: 11, To: 12, State: coverage.Partial, Lost: 3}
	check(t, db.Coverage().SaveCoverage(ctx, []coverage.Row{
		row(h, "c-1", "file", 10, 0, coverage.Full), // stuck
		loss, // says nothing on when c-1 ended
		row(h, "c-2", "file", 20, 30, coverage.Blind),    // whole
		row(h, "c-3", "file", 30, 0, coverage.Silent),    // stuck
		row(h, "c-4", "file", 40, 0, coverage.Full),      // stands
		row(h, "c-5", "process", 10, 0, coverage.Full),   // stands
		row(other, "c-6", "file", 5, 0, coverage.Full),   // stands
		row(other, "c-7", "memory", 8, 0, coverage.Full), // stuck, of no width
		row(other, "c-8", "memory", 8, 0, coverage.Blind),
	}, nil))
	_, err := coverage.New(ctx, coverage.Options{Store: db.Coverage(), SecretFile: filepath.Join(t.TempDir(), "canary.key")})
	check(t, err)
	got, err := db.Coverage().Coverage(ctx, a, 0, 0)
	check(t, err)
	same(t, "the table", got, []coverage.Row{
		row(other, "c-6", "file", 5, 0, coverage.Full), row(other, "c-7", "memory", 8, 9, coverage.Full), row(other, "c-8", "memory", 8, 0, coverage.Blind),
		row(h, "c-1", "file", 10, 20, coverage.Full), row(h, "c-5", "process", 10, 0, coverage.Full), loss,
		row(h, "c-2", "file", 20, 30, coverage.Blind), row(h, "c-3", "file", 30, 40, coverage.Silent), row(h, "c-4", "file", 40, 0, coverage.Full),
	})
}
