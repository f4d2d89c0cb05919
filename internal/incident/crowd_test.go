package incident_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/incident"
)

// Two rules and a minute of decoys made 120 incidents of one host, each for itself. Twenty are opened, the rest is one
// flood, in which the act stands whole; what is worse than the decoys has an incident of its own. A restart knows the flood.
func TestDecoysMakeOneFlood(t *testing.T) {
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := time.UnixMicro(t0).Add(time.Hour)
	open := func() *incident.Desk {
		return incident.New(incident.Options{Store: db.Incidents(), Now: func() time.Time { return now }})
	}
	d := open()
	tp := newTape(hostA)
	decoy := func(from, n int) {
		for i := from; i < from+n; i++ {
			tp.process(fmt.Sprint("p", i), "init", uint64(1000+i), "/usr/bin/bash", "bash")
			s := tp.start(fmt.Sprint("d", i), fmt.Sprint("p", i), uint64(10_000+i), "/usr/bin/cat", fmt.Sprint("cat /etc/shadow ", i))
			tp.detect(s, fmt.Sprint("rule ", i%2), detection.Medium)
		}
	}
	run := func(d *incident.Desk) {
		t.Helper()
		d.Observe(t.Context(), tenantMain, tp.events)
		kept := map[string]bool{}
		for _, x := range tp.dets {
			if err := db.Detections().SaveDetections(t.Context(), []detection.Detection{x}); err != nil {
				t.Fatal(err)
			}
			if kept[x.ID] {
				continue
			}
			kept[x.ID] = true
			if err := d.Receive(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	decoy(0, 2500)
	act := tp.start("act", "init", 90_000, "/usr/bin/cp", "cp /etc/shadow /tmp/x")
	tp.detect(act, "another rule", detection.Medium)
	worse := tp.start("worse", "init", 90_001, "/tmp/x", "/tmp/x")
	tp.detect(worse, "a worse rule", detection.Critical)
	run(d)
	check := func(d *incident.Desk, want int) {
		t.Helper()
		rows, err := d.List(t.Context(), tenantMain, incident.Query{})
		if err != nil {
			t.Fatal(err)
		}
		var floods, critical int
		for _, r := range rows {
			if r.Severity == detection.Critical && r.Route != "flood" {
				critical++
			}
			if r.Route != "flood" {
				continue
			}
			floods++
			if r.Detections != want || !strings.Contains(r.Title.En, "Flood") || r.Title.Ja == "" || len(r.Hosts) != 1 {
				t.Errorf("the flood is %+v; want %d detections of one host", r, want)
			}
			k, _, err := d.Get(t.Context(), tenantMain, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(k.Story), act.ID.String()) && !strings.Contains(string(k.Story), tp.dets[2500].ID) {
				t.Error("the act is not in the flood's story")
			}
			found, err := db.Incidents().IncidentDetections(t.Context(), tenantMain, r.ID)
			if err != nil || len(found) != want {
				t.Errorf("the flood keeps %d detections (%v); want %d", len(found), err, want)
			}
		}
		if floods != 1 || critical != 1 || len(rows) > 23 {
			t.Errorf("%d incidents, %d floods, %d critical; want at most 23, one, one", len(rows), floods, critical)
		}
	}
	check(d, 2500-20+1)
	now = now.Add(10 * time.Second)
	d = open()
	if err := d.Restore(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tp.events, tp.dets = nil, nil
	decoy(3000, 100)
	run(d)
	rows, err := d.List(t.Context(), tenantMain, incident.Query{})
	if err != nil || len(rows) > 44 {
		t.Errorf("after a restart and 100 more there are %d incidents (%v); want at most 20 more and no second flood", len(rows), err)
	}
	floods := 0
	for _, r := range rows {
		if r.Route == "flood" {
			floods++
		}
	}
	if floods != 1 {
		t.Errorf("%d floods; want the one", floods)
	}
}
