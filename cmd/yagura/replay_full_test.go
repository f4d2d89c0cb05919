package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAReplayToAFullServerSaysWhatIsFull fills the disk of a server to its last byte, then to what it keeps in reserve:
// a recording that is not taken ends with what is full and what to do, not with a log to look at.
func TestAReplayToAFullServerSaysWhatIsFull(t *testing.T) {
	needRoot(t)
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	room := disk(t, "300m")
	dir := t.TempDir()
	if err := os.Symlink(room, filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	c, end, err := serveIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	c.t = t
	line := `{"kind":"process.running","os":"linux","time":1700000000000000,"actor_key":"p-aadgbcybl57caaaaaaaqaaaabe","actor_pid":1,"actor_path":"/sbin/init"}`
	for _, leave := range []uint64{0, 32 << 20} {
		free := fill(t, room, leave)
		for language, want := range map[string][]string{"en": {"full", "free space there"}, "ja": {"満杯", "空きを増やす"}} {
			out, errOut, code := c.in(language, strings.NewReader(line+"\n"), "replay", "-")
			for _, w := range want {
				if code != exitFailed || !strings.Contains(errOut, w) || strings.Contains(errOut, "log") {
					t.Errorf("%d bytes left, %s: exit %d, want %q:\n%s%s", leave, language, code, w, out, errOut)
				}
			}
		}
		free()
	}
}
