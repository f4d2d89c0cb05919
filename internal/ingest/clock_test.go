package ingest

import (
	"cmp"
	"container/list"
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// began is the server's time at boot time 0 in these tests, µs.
const began = int64(1_790_000_000_000_000)

// dated is one event that was stamped.
type dated struct{ boot, time, received int64 }

// send stamps one batch of events at the given boot times.
func send(src *source, boot []byte, at, back int64, boots ...int64) []dated {
	events := make([]*event.Event, len(boots))
	for i, b := range boots {
		events[i] = &event.Event{Kind: event.ProcessExec, BootNS: uint64(b) * 1000, HostTime: began + b - 7e6} // the host's own clock is behind
	}
	received := src.stamp(boot, events, at, back)
	out := make([]dated, len(boots))
	for i, e := range events {
		out[i] = dated{boots[i], e.Time, received}
	}
	return out
}

func newSource() *source {
	return &source{lanes: map[lane]*sequence{}, boots: map[string]*bootClock{}, greeted: map[uint64]string{}, order: list.New()}
}

// disorder counts neighbours by boot time whose times stand the other way round, and events that share a
// time with a neighbour.
func disorder(all []dated) (inverted, shared int) {
	slices.SortFunc(all, func(a, b dated) int { return cmp.Compare(a.boot, b.boot) })
	for i := range all[:len(all)-1] {
		switch a, b := all[i], all[i+1]; {
		case b.time < a.time:
			inverted++
		case b.time == a.time && b.boot-a.boot > slew:
			shared++
		}
	}
	return inverted, shared
}

// TestAGreetingThatCameLateDoesNotTurnTimeAround is one second of a host whose Hello took 121 ms and whose
// batches took less: lane, arrival and boot times as three lanes give them. One offset by the Hello, and
// each event no later than its batch, made 22 inverted pairs of it and gave 35 of the 66 events the time of
// another: a connection stood after the shell that it had started.
func TestAGreetingThatCameLateDoesNotTurnTimeAround(t *testing.T) {
	const first, hello = 410_126_136_000, 121_578
	src, boot := newSource(), []byte{1}
	src.greet(boot, 7, first, began+first+hello, 0)
	var all []dated
	for _, b := range []struct {
		lane    event.Lane
		arrived int64
		boots   []int64
	}{
		{0, 163949, []int64{71427, 73978, 81474}},
		{1, 234701, []int64{62430, 143824, 152620, 163371}},
		{0, 266627, []int64{184168}},
		{0, 285140, []int64{245121, 251736, 257732, 262908, 273030, 274520}},
		{0, 327337, []int64{284782}},
		{2, 377740, []int64{1949, 79327, 82962, 158231, 264983}},
		{0, 418191, []int64{345139, 375989}},
		{0, 451915, []int64{387636}},
		{1, 457554, []int64{250575, 276191, 281864, 373602, 378859, 416523}},
		{0, 612292, []int64{567016, 595966}},
		{2, 746280, []int64{353342, 377023, 395702, 656669}},
		{0, 764049, []int64{717154}},
		{1, 797703, []int64{575159, 722454, 725669, 734022}},
		{0, 845758, []int64{768182, 794281, 799907}},
		{0, 861129, []int64{813858, 819034, 832634}},
		{0, 968748, []int64{896196}},
		{0, 1032702, []int64{959309, 969982}},
		{1, 1037081, []int64{824198, 956953, 964585}},
		{2, 1117495, []int64{724658, 739300, 747403, 774103, 804939, 833960, 894860}},
		{0, 1210028, []int64{1122606, 1134088, 1142974}},
		{1, 1308494, []int64{1128478, 1144294}},
		{2, 1463086, []int64{1120383, 1131351}},
	} {
		for i := range b.boots {
			b.boots[i] += first
		}
		all = append(all, send(src, boot, began+first+b.arrived, 0, b.boots...)...)
	}
	if inverted, shared := disorder(all); len(all) != 66 || inverted != 0 || shared != 0 {
		t.Errorf("%d events, %d inverted, %d share a time; want 66, 0, 0", len(all), inverted, shared)
	}
	for _, d := range all {
		if late := d.time - (began + d.boot); late < -slack || late > hello || d.time > d.received {
			t.Errorf("boot %d: %d µs late, received %d µs later; want at most what the Hello was", d.boot, late, d.received-d.time)
		}
	}
	if off := src.boots["01"].last().Offset - began; off > 30_000 {
		t.Errorf("the boot's offset is %d µs late at the end; want that of the fastest batch", off)
	}
}

// letter is one call of a sensor in the simulation.
type letter struct {
	sent, arrives int64
	hello, beat   bool
	boots         []int64
}

// TestWhateverTheDelaysTimeHasTheOrderOfTheBoot sends what a host sees over lanes of different delay, with
// greetings later than batches, outages of up to an hour whose spool comes afterwards, and restarts of the
// server: no pair is inverted, none falls together, nothing lies after its arrival or far from the truth.
func TestWhateverTheDelaysTimeHasTheOrderOfTheBoot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, lo, hi int64) int64 { return rapid.Int64Range(lo, hi).Draw(rt, name) }
		most := draw("delay", 1, 800_000) // WAN: a greeting has two and a half round trips of 300 ms
		delay := func() int64 { return 1 + draw("jitter", 0, most) }
		var letters []letter
		var down [][2]int64 // outages, boot time
		now := draw("first", 1, 1<<40)
		for range draw("outages", 0, 2) {
			from := now + draw("up", 1, 100e6)
			down = append(down, [2]int64{from, from + draw("outage", 1, 3600e6)})
		}
		clear := func(at int64) int64 { // the first moment from at on that the server can be reached
			for _, d := range down {
				if at >= d[0] && at < d[1] {
					return d[1]
				}
			}
			return at
		}
		if rapid.Bool().Draw(rt, "greets first") {
			letters = append(letters, letter{sent: now, arrives: now + delay(), hello: true})
		}
		lingers := [3]int64{100e3, 500e3, 1e6}
		var open [3][]int64
		flush := func(l int, at int64) {
			if len(open[l]) > 0 {
				letters = append(letters, letter{sent: at, arrives: clear(at) + delay() + draw("spooled", 0, 2e6)*int64(l), boots: open[l]})
				open[l] = nil
			}
		}
		beat := now
		for range draw("events", 2, 150) {
			now += draw("gap", slew+1, 3e6)
			for l := range open {
				if len(open[l]) > 0 && now-open[l][0] > lingers[l] {
					flush(l, now)
				}
			}
			for ; beat < now; beat += 15e6 {
				if clear(beat) == beat {
					letters = append(letters, letter{sent: beat, arrives: beat + delay(), beat: true})
				}
			}
			if draw("greets", 0, 20) == 0 {
				letters = append(letters, letter{sent: clear(now), arrives: clear(now) + delay()*2, hello: true})
			}
			l := draw("lane", 0, 2)
			open[l] = append(open[l], now)
		}
		for l := range open {
			flush(l, now+1)
		}
		slices.SortStableFunc(letters, func(a, b letter) int { return cmp.Compare(a.arrives, b.arrives) })
		src, boot := newSource(), []byte{1}
		var all []dated
		up := int64(0) // when the server last came up
		for i, x := range letters {
			at := began + x.arrives
			if draw("restart", 0, 3) == 0 && i > 0 && len(src.boots) > 0 {
				at = max(at, began+letters[i-1].arrives+10e3)
				up = at - 5e3
				src = reopen(rt, src, up)
			}
			switch {
			case (x.hello || x.beat) && began+x.sent < up: // its connection ended with the server; batches are sent again
			case x.hello:
				src.greet(boot, 7, x.sent, at, 0)
			case x.beat:
				src.hear(7, x.sent, at, 0)
			default:
				all = append(all, send(src, boot, at, 0, x.boots...)...)
			}
		}
		if len(all) == 0 {
			return
		}
		if inverted, shared := disorder(all); inverted+shared > 0 {
			rt.Fatalf("%d of %d pairs inverted, %d share a time", inverted, len(all)-1, shared)
		}
		for _, d := range all {
			if late := d.time - (began + d.boot); late < -7e6-slack || late > 2*most+20e3 || d.time > d.received {
				rt.Fatalf("boot %d: %d µs late; received %d µs after its time", d.boot, late, d.received-d.time)
			}
		}
	})
}

// reopen is a restart of the server: what is known of boots comes from the control database.
func reopen(t rapid.TB, src *source, at int64) *source {
	fresh := newSource()
	for id, c := range src.boots {
		raw, err := json.Marshal(fleet.Boot{ID: id, Offset: c.last().Offset, Bends: c.bends})
		if err != nil {
			t.Fatal(err)
		}
		var b fleet.Boot
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Fatal(err)
		}
		fresh.boots[id] = restore(b, at)
	}
	fresh.greeted = src.greeted // sensors greet again; those that only send must not be turned around either
	return fresh
}

func TestABootThatNeverGreetedKeepsItsOrder(t *testing.T) {
	src, boot := newSource(), []byte{9}
	batch := func(at int64, skew int64, boots ...int64) []dated {
		events := make([]*event.Event, len(boots))
		for i, b := range boots {
			events[i] = &event.Event{BootNS: uint64(b) * 1000, HostTime: began + b + skew}
		}
		src.stamp(boot, events, at, 0)
		out := make([]dated, len(boots))
		for i, e := range events {
			out[i] = dated{boots[i], e.Time, e.Received}
		}
		return out
	}
	at := began + 7200e6
	// The host's clock was 40 s behind and was set right in the middle.
	all := append(batch(at, -40e6, 10e6, 11e6, 12e6), batch(at+5e3, 0, 10.5e6, 60e6, 61e6)...)
	if inverted, shared := disorder(all); inverted+shared > 0 {
		t.Errorf("%d inverted, %d share a time: %v", inverted, shared, all)
	}
	if first := all[0]; first.time != began+10e6-40e6 {
		t.Errorf("first event at %d µs; want what its host said", first.time-began)
	}
	// A greeting of that boot knows better from there on.
	src.greet(boot, 1, 7300e6, began+7300e6, 0)
	if d := send(src, boot, began+7301e6, 0, 7300.5e6); d[0].time != began+7300.5e6 {
		t.Errorf("after the greeting an event is %d µs off", d[0].time-began-d[0].boot)
	}
}

func TestAPausedMachineIsCaughtUpWith(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause int64
		beats int // after which the times are right again
	}{{"a night", 8 * 3600e6, 1}, {"a migration", 5e6, 4}, {"clocks that drift", 400e3, heardMax}} {
		src, boot := newSource(), []byte{1}
		src.greet(boot, 7, 1e9, began+1e9, 0)
		before := send(src, boot, began+1e9+50e3, 0, 1e9+20e3)
		b := int64(1e9)
		for range c.beats {
			b += 15e6
			src.hear(7, b, began+b+c.pause+30e3, 0)
		}
		after := send(src, boot, began+b+c.pause+60e3, 0, b+40e3)
		if late := after[0].time - (began + after[0].boot + c.pause); late < -slack || late > 30e3 {
			t.Errorf("%s: after %d heartbeats events are %d µs off", c.name, c.beats, late)
		}
		if again := send(src, boot, began+b+c.pause+70e3, 0, 1e9+20e3); again[0].time != before[0].time {
			t.Errorf("%s: an event that comes again has another time", c.name)
		}
	}
}

func TestARestoredSnapshotRunsThroughItsBootAgain(t *testing.T) {
	src, boot := newSource(), []byte{1}
	src.greet(boot, 7, 1e9, began+1e9, 0)
	send(src, boot, began+5e9, 0, 4.9e9)
	src.greet(boot, 8, 2e9, began+90e9, 0) // the clock of the boot goes back
	if d := send(src, boot, began+90.1e9, 0, 2.05e9); d[0].time != began+90.05e9 {
		t.Errorf("an event after the restore is %d µs off", d[0].time-began-90.05e9)
	}
}

func TestTheServersOwnClockSetBack(t *testing.T) {
	var w wall
	for _, c := range []struct{ passed, monotonic, want int64 }{{0, 0, 0}, {60e6, 60e6, 0}, {3700e6, 100e6, 0}, {3800e6, 200e6, 0}, {300e6, 300e6, 3600e6}, {301e6, 301.5e6, 3600e6}} {
		if got := w.note(c.passed, c.monotonic); got != c.want {
			t.Errorf("wall %d, monotonic %d: set back by %d; want %d", c.passed, c.monotonic, got, c.want)
		}
	}
	src, boot := newSource(), []byte{1}
	src.greet(boot, 7, 1e9, began+1e9, 0)
	before := send(src, boot, began+1.1e9, 0, 1.05e9)
	// An hour back: batches that come before the next heartbeat are dated by the new clock already.
	if d := send(src, boot, began+1.2e9-3600e6, 3600e6, 1.15e9); d[0].time != began+1.15e9-3600e6 || d[0].received != began+1.2e9-3600e6 {
		t.Errorf("an event after the step is %d µs off", d[0].time-(began+1.15e9-3600e6))
	}
	if d := send(src, boot, began+1.2e9-3600e6, 3600e6, 1.05e9); d[0].time > began+1.2e9-3600e6 {
		t.Errorf("time %d lies after its arrival; first %d", d[0].time, before[0].time)
	}
}

func TestAHostCannotMoveItsTimesOutOfWhatIsPlausible(t *testing.T) {
	src, boot := newSource(), []byte{1}
	at := began + int64(1e9)
	src.greet(boot, 7, 1e9, at, 0)
	for _, b := range []int64{1e9 + 10e6, 1e9 + 31e6, 1e12, 1 << 53, 2, 1e9 - 5e6} {
		for _, d := range send(src, boot, at+1e6, 0, b) {
			if d.time > d.received || d.time < at-oldest.Microseconds() || d.received > at+leap+1e6 {
				t.Errorf("boot %d: time %d, received %d; it arrived %d", b, d.time, d.received, at+1e6)
			}
		}
	}
	// What it claimed in passing does not stay: heartbeats set it right.
	for b := int64(1e9); b < 1e9+60e6; b += 15e6 {
		src.hear(7, b, began+b, 0)
	}
	if d := send(src, boot, began+1e9+70e6, 0, 1e9+69e6); d[0].time < began+1e9+69e6-250e3 {
		t.Errorf("an honest event is %d µs off", d[0].time-(began+1e9+69e6))
	}
	// A boot clock that runs forward by more than a delay is no pause: it is told.
	if moved := src.greet(boot, 7, 1e9+4000e6, at+80e6, 0); moved > -3900e6 {
		t.Errorf("moved = %d; want it found", moved)
	}
	if n := len(src.boots["01"].bends); n > maxBends {
		t.Errorf("%d bends", n)
	}
	for i := range int64(5000) { // a clock that runs fast for ever
		src.hear(7, 1e10+i*15e6, began+1e10+i*15e6-i*2e3, 0)
		send(src, boot, began+1e10+i*15e6+1, 0, 1e10+i*15e6)
	}
	if n := len(src.boots["01"].bends); n > maxBends {
		t.Errorf("%d bends; want at most %d", n, maxBends)
	}
}

func TestARecordingKeepsItsOwnTimes(t *testing.T) {
	src, boot := newSource(), []byte{1}
	src.greet(boot, 7, 0, began, 0)
	events := []*event.Event{
		{Flags: event.FlagImported, BootNS: 5e9, HostTime: 1_000_000},
		{Flags: event.FlagImported, BootNS: 6e9, HostTime: 2_000_000},
	}
	src.stamp(boot, events, began, 0)
	if events[0].Time != 1_000_000 || events[1].Time != 2_000_000 || events[1].Received != began {
		t.Errorf("times %d, %d, received %d; want its own, and now", events[0].Time, events[1].Time, events[1].Received)
	}
}
