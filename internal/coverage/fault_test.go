package coverage_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
)

// A host that hangs up in the moment in which its fault ends left it in the table, where it stood again after a restart.
func TestTheEndOfAFaultIsWrittenWhoeverHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer func() { w.stop() }()
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		f := coverage.Fault{Tenant: w.tenant, Host: w.host, Kind: "spool", Class: coverage.ClassDrops, Severity: detection.Medium, What: detection.Said{En: "full", Ja: "満杯"}}
		stands := func() bool {
			left, err := w.table.Faults(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(left) > 0
		}
		w.c.Report(gone, f)
		if !stands() {
			t.Error("the fault is not in the table")
		}
		w.c.Clear(gone, w.tenant, w.host, "spool")
		if stands() {
			t.Error("the fault stands in the table after its end")
		}
		w.c.Report(gone, f)
		w.table.mu.Lock()
		w.table.broken = true
		w.table.mu.Unlock()
		w.c.Clear(gone, w.tenant, w.host, "spool") // a full disk
		time.Sleep(3 * time.Second)
		w.table.mu.Lock()
		w.table.broken = false
		w.table.mu.Unlock()
		time.Sleep(2 * time.Second)
		if stands() {
			t.Error("the end is not written when the disk takes something again")
		}
	})
}
