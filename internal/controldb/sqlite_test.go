package controldb_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/controldb/storetest"
)

// TestSQLite holds the database to every promise that its users rely on.
func TestSQLite(t *testing.T) {
	empty := emptyDatabase(t)
	storetest.Run(t, func(t *testing.T, folder string) storetest.Stores {
		t.Helper()
		path := filepath.Join(folder, "control.db")
		if _, err := os.Stat(path); os.IsNotExist(err) {
			check(t, os.WriteFile(path, empty, 0o600))
		}
		db, err := controldb.Open(t.Context(), path)
		check(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return storetest.Stores{
			Access: db.Access(), Fleet: db.Fleet(), Coverage: db.Coverage(), Response: db.Response(), Detections: db.Detections(),
			Incidents: db.Incidents(), Manifest: db, Outbox: db, Quarantine: db.Ingest(), Close: db.Close,
		}
	})
}

// emptyDatabase gives the bytes of a database that went through every migration: a hundred tests need not wait for each.
func emptyDatabase(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	db, err := controldb.Open(t.Context(), path)
	check(t, err)
	check(t, db.Close())
	b, err := os.ReadFile(path)
	check(t, err)
	return b
}
