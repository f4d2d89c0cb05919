package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// TestAStartOnADamagedFolderSaysWhatToDo takes parts of a data folder away, in both languages: no start goes on with
// new ones in silence, and none answers with the words of SQLite alone.
func TestAStartOnADamagedFolderSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	c, end, err := serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	end()
	enrol(t, c.data)
	control, keys := filepath.Join(c.data, "control.db"), filepath.Join(c.data, "ca")
	for _, d := range []struct {
		name, gone, text string // a text stands where something else was
		en, ja           string
	}{
		{"control.db lost", control, "", "put the newest backup of control.db back", "最新のバックアップを戻してください"},
		{"control.db is none", control, strings.Repeat("no database ", 999), "it is damaged, move it", "壊れています。"},
		{"the sensors' authority lost", keys, "", "1 hosts are enrolled with it: put the folder", "ホスト 1 台がこの鍵で登録されています"},
		{"its root lost", filepath.Join(keys, "root.pem"), "", "every host must enrol again", "すべてのホストの再登録が必要です"},
	} {
		aside := filepath.Join(dir, "aside")
		if err := os.Rename(d.gone, aside); err != nil {
			t.Fatal(err)
		}
		for language, want := range map[string]string{"C.UTF-8": d.en, "ja_JP.UTF-8": d.ja} {
			if d.text != "" {
				if err := os.WriteFile(d.gone, []byte(d.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			said, code := startOnce(t, c.data, language, time.Minute)
			if code != 1 || !strings.Contains(said, want) {
				t.Errorf("%s, %s: exit %d, want 1 and %q:\n%s", d.name, language, code, want, said)
			}
			for _, rest := range []string{"", "-wal", "-shm"} { // what a refused start made
				if err := os.RemoveAll(d.gone + rest); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Rename(aside, d.gone); err != nil {
			t.Fatal(err)
		}
	}

	// Who has no backup goes on as the answer says: once.
	if err := os.RemoveAll(keys); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "lost"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, end, err = serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	end()
	if isFile(filepath.Join(keys, "lost")) || !isFile(filepath.Join(keys, "root.pem")) {
		t.Error("the next start makes no new authority of the sensors")
	}
}

// enrol puts a host into the control database of a server that does not run.
func enrol(t *testing.T, data string) {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(data, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	owner, ok, err := db.TenantByName(t.Context(), tenantName)
	if err != nil || !ok {
		t.Fatalf("tenant: %v, %v", ok, err)
	}
	if err := db.Fleet().AddHost(t.Context(), fleet.Host{Tenant: owner.ID, ID: event.HostID(uuid.Must(uuid.NewV7())), Name: "db-01", OS: "linux", Enrolled: 1}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func startOnce(t *testing.T, data, language string, within time.Duration) (said string, code int) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	code = run(ctx, []string{"server", "--data", data, "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"}, strings.NewReader(""), &out, &out, func(k string) string {
		return map[string]string{"LANG": language, "HOME": filepath.Dir(data)}[k]
	})
	return out.String(), code
}
