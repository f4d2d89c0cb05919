package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// watched gives what `yagura-sensor watch` prints of n events, step apart.
func watched(n int, begin, step int64) (lines []string) {
	for i := range int64(n) {
		e := &event.Event{Kind: event.ProcessExit, OS: event.Linux, BootNS: uint64(5e12 + i*step*1000), HostTime: begin + i*step, Actor: event.Process{Key: event.LinuxKey(uint64(i), 7, 1), PID: uint64(100 + i), Path: "/usr/bin/true"}}
		lines = append(lines, string(e.JSON()))
	}
	return lines
}

func TestARecordingGetsTimesOfItsOwn(t *testing.T) {
	const now = int64(1_790_000_000_000_000)
	at := func(host, boot int64) *event.Event {
		return &event.Event{Kind: event.ProcessExec, OS: event.Linux, HostTime: host, BootNS: uint64(boot) * 1000}
	}
	for _, c := range []struct {
		name    string
		events  []*event.Event
		want    []int64
		undated int
	}{
		{"its host's, whatever boot_ns says", []*event.Event{at(500, 9e6), at(700, 8e6)}, []int64{500, 700}, 0},
		{"boot_ns alone: distances, ending now", []*event.Event{at(0, 1e6), at(0, 5e6), at(0, 3e6)}, []int64{now - 4e6, now, now - 2e6}, 0},
		{"boot_ns of some: tied to those that have both", []*event.Event{at(0, 2e6), at(50e6, 3e6), at(0, 4e6)}, []int64{49e6, 50e6, 51e6}, 0},
		{"the server's, where it has one", []*event.Event{{Time: 900, HostTime: 500}}, []int64{900}, 0},
		{"none in the middle", []*event.Event{at(500, 0), at(0, 0), at(0, 0), at(900, 0)}, []int64{500, 501, 502, 900}, 2},
		{"none at the beginning", []*event.Event{at(0, 0), at(0, 0), at(900, 0)}, []int64{898, 899, 900}, 2},
		{"none at all", []*event.Event{at(0, 0), at(0, 0)}, []int64{now - 2, now - 1}, 2},
	} {
		if n := date(c.events, now); n != c.undated {
			t.Errorf("%s: %d without a time; want %d", c.name, n, c.undated)
		}
		for i, e := range c.events {
			if e.HostTime != c.want[i] || e.Time != 0 || e.Flags&event.FlagImported == 0 {
				t.Errorf("%s: event %d at %d, flags %d; want %d, imported", c.name, i, e.HostTime, e.Flags, c.want[i])
			}
		}
	}
	moved := []*event.Event{at(500, 0), at(200, 0), at(4500, 0)}
	if err := (replayVerb{Now: true}).move(moved, now); err != nil || moved[0].HostTime != now-4000 || moved[1].HostTime != now-4300 || moved[2].HostTime != now {
		t.Errorf("--now: %v, %d %d %d; want the same distances, ending now", err, moved[0].HostTime, moved[1].HostTime, moved[2].HostTime)
	}
	if err := (replayVerb{Now: true}).move([]*event.Event{at(now, 0), at(1<<63-1, 0)}, now); err == nil || !strings.Contains(err.Error(), "1970") {
		t.Errorf("an event moved before all time: %v; want it refused", err)
	}
	if err := (replayVerb{}).move([]*event.Event{at(now+1, 0)}, now); err == nil || !strings.Contains(err.Error(), "--now") {
		t.Errorf("a recording of tomorrow: %v; want --now named", err)
	}
}

// TestAReplayedRecordingHasItsOwnTimes takes the whole way: 155 events over 17.6 s once came to one instant.
func TestAReplayedRecordingHasItsOwnTimes(t *testing.T) {
	c := newCounter(t)
	const n, begin, step = 155, int64(1_789_000_000_000_000), int64(114_286)
	lines := watched(n, begin, step)
	file := filepath.Join(t.TempDir(), "w.ndjson")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := strings.NewReplacer(`"host_time":`, `"received":`).Replace(strings.Join(lines, "\n")) // boot_ns alone
	for _, x := range []struct {
		name  string
		args  []string
		in    string
		first int64 // 0: now, less the span
	}{
		{"own times", []string{file}, "", begin},
		{"now", []string{"--now", file}, "", 0},
		{"boot_ns alone", []string{"-"}, bare, 0},
	} {
		host := "rec-" + strings.ReplaceAll(x.name, " ", "-")
		before := time.Now().UnixMicro()
		if _, said, code := c.in("en", strings.NewReader(x.in), append([]string{"replay", "--host", host}, x.args...)...); code != exitOK {
			t.Fatalf("%s: exit %d: %s", x.name, code, said)
		}
		after := time.Now().UnixMicro()
		times := map[int64]bool{}
		oldest, newest := int64(1)<<62, int64(0)
		c.eventually(time.Minute, "its events are in the store", func() error {
			clear(times)
			out, said, code := c.in("en", nil, "events", "list", "--host", host, "--from", "2000-01-01", "--limit", "1000", "--json")
			if code != exitOK {
				return errors.New(said)
			}
			for l := range strings.Lines(out) {
				var e struct{ Time int64 }
				if err := json.Unmarshal([]byte(l), &e); err != nil {
					return err
				}
				times[e.Time] = true
				oldest, newest = min(oldest, e.Time), max(newest, e.Time)
			}
			if len(times) == 0 {
				return errors.New("no events")
			}
			return nil
		})
		first := x.first
		if first == 0 {
			first = newest - (n-1)*step
			if newest < before || newest > after {
				t.Errorf("%s: the last event is %d µs from now", x.name, after-newest)
			}
		}
		if len(times) != n || oldest != first || newest-oldest != (n-1)*step {
			t.Errorf("%s: %d distinct times from %d over %d µs; want %d from %d over %d", x.name, len(times), oldest, newest-oldest, n, first, (n-1)*step)
		}
	}
}

// Each replayed recording stood in doctor as a failure: a sensor that somebody had stopped.
// TestSilenceSaysWhatToDo: doctor said that the one host does not report, and events list nothing at all.
func TestSilenceSaysWhatToDo(t *testing.T) {
	c := ownCounter(t)
	c.enrolled("quiet", strings.Repeat("cd", 32))
	for language, words := range map[string][2]string{"en": {"start the sensor there", "no event is stored that fits"}, "ja": {"センサーを起動し", "該当するイベントは保存されていません"}} {
		if out, _, _ := c.in(language, nil, "doctor"); !strings.Contains(strings.Join(strings.Fields(out), " "), words[0]) {
			t.Errorf("%s: doctor with a host that does not report: %s", language, out)
		}
		if out, errOut, code := c.in(language, nil, "events", "list"); out != "" || !strings.Contains(errOut, words[1]) || code != exitOK {
			t.Errorf("%s: events list of nothing: exit %d, %s%s", language, code, out, errOut)
		}
	}
}

func TestDoctorKnowsARecording(t *testing.T) {
	c := newCounter(t)
	var checks []struct {
		Name, State string
		What        struct{ En, Ja string }
	}
	out, said, code := c.in("en", nil, "doctor", "--json")
	if err := json.Unmarshal([]byte(out), &checks); err != nil || code != exitOK {
		t.Fatalf("doctor = %d %s %s: %v", code, out, said, err)
	}
	seen := map[string]string{}
	for _, x := range checks {
		if x.State != "ok" && x.Name != "hosts" || strings.Contains(x.What.En, "stopped on request") {
			t.Errorf("%s is %s: %s", x.Name, x.State, x.What.En)
		}
		if strings.HasPrefix(x.What.En, "web-07 ") || x.Name == "hosts" {
			seen[x.Name] = x.What.En + "\n" + x.What.Ja
		}
	}
	if !strings.Contains(seen["recording"], "再生された記録") || !strings.Contains(seen["hosts"], "no host is enrolled but recordings") {
		t.Errorf("doctor says %q", seen)
	}
	if ja, _, _ := c.in("ja", nil, "doctor"); !strings.Contains(ja, "再生した記録") || strings.Contains(ja, "停止") {
		t.Errorf("doctor in Japanese: %s", ja)
	}
}
