package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// Each test here is an attack that worked: one enrolled host against the whole server.

// 10,000 events of 10,000 days, in 1.1 s, made 10,000 files, and no query read so many.
func TestAHostCannotSpreadItsEventsOverDays(t *testing.T) {
	c := newSiege(t, "", "--seal-interval", "1s")
	x := c.intrude(t, "spreader")
	x.hello(t)
	day := func(i int) int64 { return int64(i) * 86400e6 }
	for b := range 5 {
		var events []*event.Event
		for i := range 2000 {
			e := ran(fmt.Sprint(b, i))
			e.Flags, e.HostTime = event.FlagImported, day(b*2000+i+1)
			events = append(events, e)
		}
		if err := x.send(t.Context(), event.Critical, events...); err != nil {
			t.Fatal(err)
		}
	}
	// The same without the flag: boots that never greeted, each dated by the host's own clock, and one that is 400 days old.
	now := time.Now().UnixMicro()
	for i := range 100 {
		e := ran("boot")
		x.boot, e.BootNS, e.HostTime = []byte(fmt.Sprintf("boot %011d", i)), 1e9, now-day(i*4)
		if err := x.send(t.Context(), event.Critical, e); err != nil {
			t.Fatal(err)
		}
	}
	x.stream, x.boot, x.next = random(), []byte("four hundred day"), [3]uint64{1, 1, 1}
	m := x.greeting()
	m.BootNs = 400 * 86400e9
	if _, err := x.Hello(t.Context(), connect.NewRequest(m)); err != nil {
		t.Fatal(err)
	}
	var old []*event.Event
	for i := range 400 {
		e := ran("old")
		e.BootNS = uint64(i+1) * 86400e9
		old = append(old, e)
	}
	if err := x.send(t.Context(), event.Critical, old...); err != nil {
		t.Fatal(err)
	}
	var all []listed
	c.eventually(time.Minute, "all is sealed and found", func() (err error) {
		if all, err = x.events("--kind", "process.exec", "--from", "1970-01-01"); err != nil {
			return err
		}
		if len(all) < 1000 || c.hot() > 0 {
			return fmt.Errorf("%d events, %d hot files", len(all), c.hot())
		}
		return nil
	})
	if n := c.segments(t); n > 60 {
		t.Errorf("one host made %d segment files; want a handful for each seal", n)
	}
	for _, e := range all {
		flags, _ := strconv.ParseUint(e.Fields["flags"], 10, 64)
		if flags&event.FlagImported != 0 || e.Time < now-2*86400e6 {
			t.Fatalf("an event of a watched host: %v, time %d; want no recording, and a time since its enrolment", e.Fields, e.Time)
		}
	}
	for language, want := range map[string]string{"en": "marked 10000 events as a recording", "ja": "10000 件のイベントを「再生された記録」と偽り"} {
		c.eventually(30*time.Second, "doctor tells of it", func() error {
			if said := flat(c.faults(language)); !strings.Contains(said, flat(want)) && !strings.Contains(said, flat(strings.Replace(want, "10000", "2000", 1))) {
				return errors.New(said)
			}
			return nil
		})
	}
}

// flat takes line ends and indents out of what doctor wrapped.
func flat(s string) string { return strings.Join(strings.Fields(s), "") }

// hot counts files that hold what is not sealed yet.
func (c *counter) hot() int {
	files, _ := filepath.Glob(filepath.Join(c.data, "hot", "*"))
	return len(files)
}

// A recording of 10,000 days keeps its times, and makes a handful of files too.
func TestAReplayOfManyDaysMakesFewFiles(t *testing.T) {
	c := newSiege(t, "", "--seal-interval", "1s")
	const n, begin = 10_000, int64(86400e6)
	file := filepath.Join(t.TempDir(), "days.ndjson")
	if err := os.WriteFile(file, []byte(strings.Join(watched(n, begin, begin), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, said, code := c.in("en", nil, "replay", "--host", "days", file); code != exitOK {
		t.Fatal(said)
	}
	find := func(day int64) (found []listed, err error) {
		from := time.UnixMicro(day * begin).UTC()
		out, said, code := c.in("en", nil, "events", "list", "--host", "days", "--from", from.Format(time.RFC3339), "--to", from.Add(time.Second).Format(time.RFC3339), "--json")
		if code != exitOK {
			return nil, errors.New(said)
		}
		for line := range strings.Lines(out) {
			var e listed
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				return nil, err
			}
			found = append(found, e)
		}
		return found, nil
	}
	c.eventually(time.Minute, "all is sealed and each day found", func() error {
		for _, day := range []int64{1, 5, n / 2, n} {
			found, err := find(day)
			if err != nil || len(found) != 1 || found[0].Time != day*begin {
				return fmt.Errorf("day %d: %v: %w", day, found, err)
			}
		}
		if c.hot() > 0 {
			return errors.New("not sealed yet")
		}
		return nil
	})
	if n := c.segments(t); n > 60 {
		t.Errorf("the replay made %d segment files; want a handful for each seal", n)
	}
}

// 100,000 notices of streams that never were made a row each; then one Hello took 20 s of a core, and 20 of them nine minutes.
func TestAHostCannotMakeItsGreetingDear(t *testing.T) {
	c := newSiege(t, "", "--seal-interval", "1s")
	x := c.intrude(t, "streams")
	x.hello(t)
	for range 50 {
		var events []*event.Event
		for range 2000 {
			events = append(events, &event.Event{Kind: event.Dropped, OS: event.Linux, Stream: random(), Lane: 2, First: 1, Last: 1})
		}
		if err := x.send(t.Context(), event.Critical, events...); err != nil {
			t.Fatal(err)
		}
	}
	c.eventually(2*time.Minute, "all is sealed", func() error {
		if n := c.hot(); n > 0 || c.segments(t) == 0 {
			return fmt.Errorf("%d hot files", n)
		}
		return nil
	})
	if info, err := os.Stat(filepath.Join(c.data, "control.db")); err != nil || info.Size() > 8<<20 {
		t.Errorf("control.db has %d bytes (%v); want no row for each stream that was named", info.Size(), err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := x.Hello(ctx, connect.NewRequest(x.greeting()))
			if code := connect.CodeOf(err); err != nil && code != connect.CodeResourceExhausted {
				t.Errorf("Hello: %v", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("40 greetings took %s", took)
	}
	// Streams that it does begin are bounded too, and told.
	var refused int
	for range 200 {
		x.stream, x.next = random(), [3]uint64{1, 1, 1}
		if err := x.send(t.Context(), event.Critical, ran("new stream")); connect.CodeOf(err) == connect.CodeResourceExhausted {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused < 50 {
		t.Errorf("of 200 streams within seconds %d were refused", refused)
	}
	if said := flat(c.faults("en")); !strings.Contains(said, flat("began more event streams")) {
		t.Errorf("doctor does not tell of it: %s", said)
	}
}

// One notice with last = 2^62 made the fleet's loss of the day 9007199254740992.
func TestAHostCannotClaimLossesItCannotHaveHad(t *testing.T) {
	c := newSiege(t, "", "--seal-interval", "1s")
	x := c.intrude(t, "loser")
	x.hello(t)
	about := func(kind event.Kind, n uint64) *event.Event {
		e := &event.Event{Kind: kind, OS: event.Linux, BootNS: 3600e9, Subject: "process", Count: n, State: "stop"}
		if kind == event.Dropped {
			e.Stream, e.Lane, e.First, e.Last, e.Count = x.stream, 2, 1, n, 0
		}
		return e
	}
	if err := x.send(t.Context(), event.Critical, about(event.Dropped, 7), about(event.Dropped, 1<<62), about(event.SensorLoss, 1<<53), about(event.SensorThrottle, 1<<60), about(event.Dropped, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for range 20 { // each for itself could be
		if err := x.send(t.Context(), event.Critical, about(event.SensorLoss, 10_000_000)); err != nil {
			t.Fatal(err)
		}
	}
	content := *x
	content.next = [3]uint64{1 << 61, 1, 1}
	if err := content.send(t.Context(), event.Critical, ran("far")); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a batch that begins with 2^61: %v; want it refused", err)
	}
	c.eventually(30*time.Second, "the notices are judged and kept", func() error {
		all, err := x.events()
		if err != nil || len(all) < 25 {
			return fmt.Errorf("%d events: %w", len(all), err)
		}
		refused := 0
		for _, e := range all {
			if strings.Contains(e.Fields["reason"], "refused by the server") {
				refused++
			}
		}
		if refused < 4 {
			return fmt.Errorf("%d notices say that they were refused", refused)
		}
		return nil
	})
	var hosts []struct {
		Lost uint64 `json:"lost_24h"`
	}
	out, said, code := c.in("en", nil, "hosts", "--json")
	if code != exitOK {
		t.Fatal(said)
	}
	if err := json.Unmarshal([]byte(out), &hosts); err != nil || len(hosts) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if hosts[0].Lost < 7 || hosts[0].Lost > 30_000_000 {
		t.Errorf("a host of some seconds lost %d events", hosts[0].Lost)
	}
	for language, want := range map[string]string{"en": "losses that it cannot have had", "ja": "起こり得ない件数の欠損"} {
		if said := flat(c.faults(language)); !strings.Contains(said, flat(want)) {
			t.Errorf("doctor does not tell of it: %s", said)
		}
	}
}

// A class named ESC ]0;X BEL ESC[2J reached the terminal of whoever asked for events, and Home as a column.
func TestAHostCannotInventClasses(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "classes")
	evil := "\x1b]0;X\a\x1b[2J"
	for name, caps := range map[string][]*sensorv1.Capability{
		"a class that moves the cursor": {{Class: evil, State: "blind"}},
		"a class that does not exist":   {{Class: "kernel", State: "full"}},
		"the server's own class":        {{Class: "canary", State: "full"}},
		"no class":                      {{State: "full"}},
		"a state that does not exist":   {{Class: "process", State: evil}},
		"too many":                      make([]*sensorv1.Capability, 300),
	} {
		for i := range caps {
			if caps[i] == nil {
				caps[i] = &sensorv1.Capability{Class: "process", State: "full"}
			}
		}
		m := x.greeting()
		m.Capabilities = caps
		_, err := x.Hello(t.Context(), connect.NewRequest(m))
		_, err2 := x.Report(t.Context(), connect.NewRequest(&sensorv1.ReportRequest{Stream: x.stream, Capabilities: caps}))
		for _, err := range []error{err, err2} {
			if connect.CodeOf(err) != connect.CodeInvalidArgument || strings.ContainsAny(err.Error(), "\x1b\a") {
				t.Errorf("%s: %q; want it refused, in words that can be shown", name, err)
			}
		}
	}
	x.hello(t)
	for i := range 64 {
		if err := x.send(t.Context(), event.Critical, &event.Event{Kind: event.SensorCapability, OS: event.Linux, Subject: fmt.Sprint(evil, i), State: "blind", Reason: evil},
			&event.Event{Kind: event.SensorLoss, OS: event.Linux, BootNS: 3600e9, Subject: fmt.Sprint(evil, i), Count: 1, Reason: evil}, &event.Event{Kind: event.SensorThrottle, OS: event.Linux, Subject: evil, State: "start"}); err != nil {
			t.Fatal(err)
		}
	}
	c.eventually(20*time.Second, "the losses are judged", func() error {
		if out, _, _ := c.in("en", nil, "hosts", "--json"); !strings.Contains(out, `"lost_24h":64`) && !strings.Contains(out, `"lost_24h": 64`) {
			return errors.New(out)
		}
		return nil
	})
	for _, args := range [][]string{{"events", "list"}, {"hosts"}, {"hosts", "--json"}, {"hosts", "show", x.host.String()}, {"doctor"}, {"detections"}, {"incidents"}} {
		out, said, _ := c.in("en", nil, args...)
		if strings.ContainsAny(out+said, "\x1b\a") || strings.Contains(out+said, "]0;X") && args[0] != "events" && args[0] != "doctor" {
			t.Errorf("%v shows a class that a host made up: %q", args, out+said)
		}
	}
}
