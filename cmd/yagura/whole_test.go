package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// stored waits until the server has sealed at least rows events, and gives what it says of the store.
func (c *counter) stored(rows int64) *consolev1.Store {
	c.t.Helper()
	var m consolev1.Store
	for range 600 {
		out, _, _ := c.in("en", nil, "store", "--json")
		if json.Unmarshal([]byte(out), &m) == nil && m.Rows >= rows {
			return &m
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatalf("no %d events sealed within 30 s: %s", rows, &m)
	return nil
}

func (c *counter) host(name string, lines []string) {
	c.t.Helper()
	if _, errOut, code := c.in("en", strings.NewReader(strings.Join(lines, "\n")), "replay", "--host", name, "-"); code != exitOK {
		c.t.Fatalf("replay: exit %d: %s", code, errOut)
	}
}

// control copies the control database of a server that was killed.
func control(t *testing.T, from, to string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(to, "control.db"+end))
		b, err := os.ReadFile(filepath.Join(from, "control.db"+end))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, "control.db"+end), b, 0o600)
		}
		if err != nil && end == "" {
			t.Fatal(err)
		}
	}
}

// TestAServerWithAnOlderControlDatabase starts, takes events in and has every event. It once deleted all of them
// and then waited for ever.
func TestAServerWithAnOlderControlDatabase(t *testing.T) {
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	dir, old := t.TempDir(), t.TempDir()
	serve := func() (*counter, func()) {
		c, end, err := serveIn(dir, "--seal-interval", "1s")
		if err != nil {
			t.Fatal(err)
		}
		c.t = t
		return c, end
	}
	c, kill := serve()
	begin := time.Now().Add(-time.Hour).UnixMicro()
	c.host("one", watched(50, begin, 1000))
	c.stored(50)
	kill()
	control(t, c.data, old)
	c, kill = serve()
	c.host("two", watched(70, begin+60e6, 1000))
	c.stored(120)
	time.Sleep(6 * time.Second) // the log is purged up to what is sealed
	kill()
	control(t, old, c.data)

	c, kill = serve() // within two minutes
	defer kill()
	m := c.stored(120)
	if m.Rows != 120 {
		t.Errorf("%d events are stored; want 120, each once", m.Rows)
	}
	out, errOut, code := c.in("en", nil, "events", "list", "--limit", "1000", "--json")
	if n := strings.Count(out, `"id":`); n != 120 || code != exitOK {
		t.Errorf("events list: %d events, exit %d: %s; want 120", n, code, errOut)
	}
	c.host("three", watched(10, begin+120e6, 1000))
	c.stored(130)
}

// TestAMissingSegmentIsSaidEverywhere: the answer, its exit code, doctor and the list, in both languages.
func TestAMissingSegmentIsSaidEverywhere(t *testing.T) {
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	dir := t.TempDir()
	c, end, err := serveIn(dir, "--seal-interval", "1s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { end() }()
	c.t = t
	begin := time.Now().Add(-time.Hour).UnixMicro()
	c.host("one", watched(50, begin, 1000))
	c.stored(50)
	c.host("two", watched(30, begin+60e6, 1000))
	c.stored(80)
	files, _ := filepath.Glob(filepath.Join(c.data, "segments", "t-*", "*", "process", "*.parquet"))
	if len(files) < 2 {
		t.Fatalf("files: %v", files)
	}
	if err := os.Rename(files[0], filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for language, word := range map[string]string{"en": "not whole: 1 stored file", "ja": "完全ではありません"} {
			out, errOut, code := c.in(language, nil, "events", "list", "--limit", "1000", "--json")
			if n := strings.Count(out, `"id":`); n == 0 || n >= 80 || code != exitPartial || !strings.Contains(errOut, word) {
				t.Errorf("%s, %s: events list: %d events, exit %d: %s; want some, exit 3 and %q", when, language, n, code, errOut, word)
			}
			if out, _, code := c.in(language, nil, "doctor", "--json"); code != exitFailed || !strings.Contains(out, filepath.Base(files[0])) {
				t.Errorf("%s, %s: doctor, exit %d, does not name the missing file: %s", when, language, code, out)
			}
			if out, _, code := c.in(language, nil, "store"); code != exitPartial || !strings.Contains(out, filepath.Base(files[0])) {
				t.Errorf("%s, %s: store: exit %d: %s; want 3 and the file", when, language, code, out)
			}
		}
	}
	check("while it runs")
	end()
	if c, end, err = serveIn(dir, "--seal-interval", "1s"); err != nil {
		t.Fatalf("a server with a missing segment does not start: %v", err)
	}
	c.t = t
	check("after a start")
	if err := os.Rename(filepath.Join(dir, "kept"), files[0]); err != nil {
		t.Fatal(err)
	}
	if out, _, code := c.in("en", nil, "doctor", "--deep", "--json"); code != exitOK || !strings.Contains(out, "Over since") {
		t.Errorf("doctor --deep after it was put back: exit %d: %s", code, out)
	}
	if _, errOut, code := c.in("en", nil, "events", "list", "--limit", "1000"); code != exitOK {
		t.Errorf("after it was put back: exit %d: %s", code, errOut)
	}
}

// TestAnAnswerThatIsNotWholeSaysSoInChromium opens the events behind a story whose segments are gone.
func TestAnAnswerThatIsNotWholeSaysSoInChromium(t *testing.T) {
	if testing.Short() || !hasStore {
		t.Skip("drives a browser")
	}
	web := webTools(t)
	c, end, err := serveIn(t.TempDir(), "--seal-interval", "1s")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	c.t = t
	if err := c.record(); err != nil {
		t.Fatal(err)
	}
	c.stored(20)
	time.Sleep(3 * time.Second) // the rest of the recording
	files, _ := filepath.Glob(filepath.Join(c.data, "segments", "t-*", "*", "*", "*.parquet"))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("node", "e2e/partial.mjs", "--sign-in", c.ready.SignIn)
	cmd.Dir = web
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("web/e2e/partial.mjs: %v", err)
	}
}

// TestAServerWhoseClockJumpedAsksAndDeletesNothing: what was believed last lies forty days, or ten years, before
// what the machine says within one boot, as after a jump; and an operator settles it.
func TestAServerWhoseClockJumpedAsksAndDeletesNothing(t *testing.T) {
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	for _, jump := range []time.Duration{40 * 24 * time.Hour, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		dir := t.TempDir()
		c, end, err := serveIn(dir, "--seal-interval", "1s", "--retention-days", "1")
		if err != nil {
			t.Fatal(err)
		}
		c.t = t
		c.host("one", watched(20, time.Now().Add(-time.Hour).UnixMicro(), 1000))
		c.stored(20)
		end()
		file := filepath.Join(c.data, "clock.json")
		var kept map[string]any
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &kept)
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := kept["believed"].(string)
		believed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		kept["believed"] = believed.Add(-jump)
		if b, err = json.Marshal(kept); err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, end, err = serveIn(dir, "--seal-interval", "1s", "--retention-days", "1"); err != nil {
			t.Fatalf("jump of %s: the server does not start: %v", jump, err)
		}
		c.t = t
		c.host("two", watched(20, time.Now().Add(-time.Hour).UnixMicro(), 1000)) // and it takes sensors and events
		c.stored(40)
		for language, word := range map[string]string{"en": "The clock of the server's host jumped", "ja": "時計が飛びました"} {
			if out, _, code := c.in(language, nil, "doctor", "--json"); code != exitFailed || !strings.Contains(out, word) {
				t.Errorf("jump of %s, %s: doctor, exit %d, does not tell: %s", jump, language, code, out)
			}
		}
		if out, errOut, code := c.in("en", nil, "store", "expire"); code != exitOK || !strings.Contains(onOneLine(out), "by the time that has passed") {
			t.Errorf("jump of %s: store expire: exit %d: %s%s", jump, code, out, errOut)
		}
		if out, errOut, code := c.in("en", nil, "store", "expire", "--yes"); code != exitOK || !strings.Contains(onOneLine(out), "the clock is believed") {
			t.Errorf("jump of %s: store expire --yes: exit %d: %s%s", jump, code, out, errOut)
		}
		var m consolev1.Store
		if out, _, _ := c.in("en", nil, "store", "--json"); json.Unmarshal([]byte(out), &m) != nil || m.ClockJumped || jump < 0 && m.Rows != 40 {
			t.Errorf("jump of %s: after it was confirmed: %s", jump, out)
		}
		end()
	}
}

// TestALogThatLostAcceptedEventsIsTold: a log that was removed, or that JetStream cut off because it was damaged,
// looked like one after any kill.
func TestALogThatLostAcceptedEventsIsTold(t *testing.T) {
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	dir := t.TempDir()
	c, end, err := serveIn(dir, "--seal-interval", "1h")
	if err != nil {
		t.Fatal(err)
	}
	c.t = t
	c.host("one", watched(20, time.Now().Add(-time.Hour).UnixMicro(), 1000))
	time.Sleep(7 * time.Second) // where the log ends is kept every five
	for _, damaged := range []bool{false, true} {
		end()
		if damaged {
			if err := os.RemoveAll(filepath.Join(c.data, "log")); err != nil {
				t.Fatal(err)
			}
		}
		if c, end, err = serveIn(dir, "--seal-interval", "1h"); err != nil {
			t.Fatal(err)
		}
		c.t = t
		for language, word := range map[string]string{"en": "The event log lost accepted events", "ja": "イベントログから"} {
			if out, _, _ := c.in(language, nil, "doctor"); strings.Contains(strings.Join(strings.Fields(out), " "), word) != damaged {
				t.Errorf("damaged %v, %s: doctor: %s", damaged, language, out)
			}
		}
	}
	end()
}
