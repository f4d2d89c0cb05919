package controldb_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// TestRowsOfAnOlderServerGetTheirCause takes a table back to what it was before causes, puts in what older servers
// wrote, and opens it again.
func TestRowsOfAnOlderServerGetTheirCause(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	db, err := controldb.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	do := func(query string, args ...any) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	do(`ALTER TABLE coverage DROP COLUMN cause`)
	do(`DELETE FROM goose_db_version WHERE version_id >= 15`)
	ten, host := tenant.ID(uuid.Must(uuid.NewV7())), event.HostID(uuid.Must(uuid.NewV7()))
	type row struct {
		state, reason string
		lost          int
		cause         coverage.Cause
		text          string
	}
	rows := []row{
		{"full", "", 0, coverage.Declared, ""},
		{"blind", "no BPF LSM", 0, coverage.Declared, "no BPF LSM"},
		{"partial", "the canary's file creation did not come through", 0, coverage.Missed, "the canary's file creation did not come through"},
		{"partial", "the canary did not come through whole", 0, coverage.Missed, "the canary did not come through whole"},
		{"partial", "held back, and counted: file events of /usr/bin/cc1 (pid 7): it made too many", 9, coverage.Held, "file events held back, and counted: /usr/bin/cc1 (pid 7): it made too many"},
		{"partial", "held back, and counted: one process: it made too many", 9, coverage.Throttled, "held back, and counted: one process: it made too many"},
		{"partial", "in quarantine: seal worker crashed", 4, coverage.Detained, "in quarantine: seal worker crashed"},
		{"partial", "it was in quarantine and is stored now", 0, coverage.Returned, "it was in quarantine and is stored now"},
		{"partial", "the sensor's spool gave them up", 3, coverage.Lost, "the sensor's spool gave them up"},
		{"silent", "no sign of life from the sensor", 0, coverage.NoSign, "no sign of life from the sensor"},
		{"silent", "the sensor was stopped on request", 0, coverage.Stopped, "the sensor was stopped"},
		{"silent", "the sensor was stopped", 0, coverage.Stopped, "the sensor was stopped"},
		{"silent", `the sensor was stopped: SIGTERM from "kill" (pid 9, root)`, 0, coverage.Stopped, `the sensor was stopped: SIGTERM from "kill" (pid 9, root)`},
		{"silent", "the sensor was stopped: the host shuts down", 0, coverage.ShutDown, "the sensor was stopped: the host shuts down"},
		{"silent", "the sensor was stopped during a maintenance that was ordered", 0, coverage.Planned, "the sensor was stopped during a maintenance that was ordered"},
		{"silent", "a recording that was replayed: nothing is watched there", 0, coverage.Replayed, "a recording that was replayed: nothing is watched there"},
	}
	for i, r := range rows {
		do(`INSERT INTO coverage (tenant_id, host_id, coverage_id, class, from_time, to_time, state, lost, reason) VALUES ($1, $2, $3, 'file', $4, 0, $5, $6, $7)`,
			ten.String(), host.String(), "c-"+string(rune('a'+i)), i+1, r.state, r.lost, r.reason)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = controldb.Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	got, err := db.Coverage().OpenCoverage(t.Context())
	if err != nil || len(got) != len(rows) {
		t.Fatalf("%d rows, %v; want %d", len(got), err, len(rows))
	}
	for i, r := range got {
		if r.Cause != rows[i].cause || r.Text() != rows[i].text {
			t.Errorf("%q became cause %q, text %q; want %q, %q", rows[i].reason, r.Cause, r.Text(), rows[i].cause, rows[i].text)
		}
	}
}
