package ingest

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/seq"
)

const second = int64(1e6)

func numbered(stream uint64, l event.Lane, last uint64) []*sensorv1.StreamState {
	return []*sensorv1.StreamState{{Stream: stream, Lane: uint32(l), Last: last}}
}

// The server held what was numbered and what came, and never compared: 997 events were missing for good, lost 0.
func TestAHoleThatStaysIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		accepted seq.Set
		produced uint64
		silence  bool  // between two heartbeats
		after    int64 // seconds
		want     string
	}{
		"1-2, then 1000":             {seq.Set{{First: 1, Last: 2}, {First: 1000, Last: 1000}}, 1000, false, 61, "stream 0000000000000007, lane 1, 3 to 999"},
		"the first is missing":       {seq.Set{{First: 2, Last: 9}}, 9, false, 61, "1 to 1"},
		"for less than a minute":     {seq.Set{{First: 1, Last: 2}, {First: 1000, Last: 1000}}, 1000, false, 60, ""},
		"not while it was connected": {seq.Set{{First: 1, Last: 2}, {First: 1000, Last: 1000}}, 1000, true, 90, ""},
		"nothing is missing":         {seq.Set{{First: 1, Last: 1000}}, 1000, false, 3600, ""},
		"a slow line":                {seq.Set{{First: 1, Last: 2}}, 1000, false, 590, ""},
		"the rest never comes":       {seq.Set{{First: 1, Last: 2}}, 1000, false, 615, "none of them comes"},
		"nothing ever comes":         {nil, 5, false, 615, "none of them comes"},
	} {
		t.Run(name, func(t *testing.T) {
			src := &source{lanes: map[lane]*sequence{}}
			k := lane{7, event.Network}
			src.lanes[k] = &sequence{accepted: c.accepted}
			step := 15 * second
			if c.silence {
				step = 45 * second
			}
			var open map[string]string
			at := 1000 * second
			for passed := int64(0); ; passed += step {
				last := min(passed, c.after*second)
				open, _ = src.measure(7, numbered(7, event.Network, c.produced), at+last)
				if last == c.after*second {
					break
				}
			}
			if got := open["network"]; (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%q; want %q", got, c.want)
			}
			src.lanes[k].accepted = seq.Set{{First: 1, Last: max(c.produced, 1000)}} // filled, or told as dropped
			if open, _ = src.measure(7, numbered(7, event.Network, c.produced), at+c.after*second+second); len(open) > 0 {
				t.Errorf("filled: %v", open)
			}
		})
	}
}

// A lane that moves is no hole, however much waits behind it; nor is a hole that changes because it is being filled.
func TestALaneThatMovesIsNoHole(t *testing.T) {
	src := &source{lanes: map[lane]*sequence{}}
	k := lane{7, event.Bulk}
	src.lanes[k] = &sequence{}
	for i := range uint64(1000) {
		src.lanes[k].accepted = seq.Set{{First: 1, Last: i + 1}, {First: i + 5, Last: i + 9}}
		if open, _ := src.measure(7, numbered(7, event.Bulk, 1<<40), int64(i)*15*second); len(open) > 0 {
			t.Fatalf("after %d: %v", i, open)
		}
	}
}

// What a stream that has ended never brought is counted as lost, once, and never as more than a lane can have had.
func TestAHoleOfAStreamThatEndedIsLoss(t *testing.T) {
	for _, c := range []struct{ from, want uint64 }{{1000, 997}, {1 << 61, 1 << 30}} {
		src := &source{lanes: map[lane]*sequence{}, greeted: map[uint64]string{8: ""}}
		k := lane{7, event.Critical}
		src.lanes[k] = &sequence{accepted: seq.Set{{First: 1, Last: 2}, {First: c.from, Last: c.from}}}
		at := 1000 * second
		src.measure(7, nil, at)
		var all []loss
		for range 60 {
			at += 15 * second
			_, lost := src.measure(8, nil, at)
			all = append(all, lost...)
		}
		if len(all) != 1 || all[0].n > c.want || all[0].n == 0 || all[0].First != 3 {
			t.Errorf("hole up to %d: %+v; want one of at most %d", c.from, all, c.want)
		}
		if open, _ := src.measure(8, nil, at+15*second); len(open) > 0 {
			t.Errorf("still open: %v", open)
		}
	}
}

// Who speaks again after the next has begun is a second one; what was said before is not.
func TestWhatOneMachineSaysInTurnIsNoTwin(t *testing.T) {
	const a, b = 1, 2
	type word struct {
		stream          uint64
		boot            string
		boots, wall, at int64
	}
	for name, c := range map[string]struct {
		words []word
		twin  bool
	}{
		"one sensor":                               {[]word{{a, "x", 10, 100, 100}, {a, "", 25, 115, 115}}, false},
		"restarted":                                {[]word{{a, "x", 10, 100, 100}, {b, "x", 20, 110, 110}, {b, "", 35, 125, 125}}, false},
		"restarted, a late word of the first":      {[]word{{a, "x", 10, 100, 100}, {b, "x", 20, 110, 110}, {a, "", 19, 109, 112}}, false},
		"booted, a late word of the boot before":   {[]word{{a, "x", 10, 100, 100}, {b, "y", 2, 110, 110}, {a, "", 18, 108, 115}}, false},
		"booted with a clock that runs ahead":      {[]word{{a, "x", 10, 500, 100}, {b, "y", 2, 510, 110}, {b, "", 17, 525, 125}}, false},
		"both speak, one boot":                     {[]word{{a, "x", 10, 100, 100}, {b, "x", 20, 110, 110}, {a, "", 25, 115, 115}}, true},
		"both speak, two boots":                    {[]word{{a, "x", 10, 100, 100}, {b, "y", 900, 110, 110}, {a, "", 25, 115, 115}}, true},
		"both speak, the first one's clock behind": {[]word{{a, "x", 10, 1, 100}, {b, "y", 900, 110, 110}, {a, "", 25, 16, 115}, {b, "", 920, 130, 130}, {a, "", 42, 32, 132}}, true},
		"a stream that never greeted":              {[]word{{a, "x", 10, 100, 100}, {b, "", 20, 110, 110}, {a, "", 25, 115, 115}}, true},
		"the copy was switched off":                {[]word{{a, "x", 10, 100, 100}, {b, "y", 900, 110, 110}, {a, "", 70, 160, 160}}, false},
	} {
		l, twin := lives{}, false
		for _, w := range c.words {
			twin = l.meet(w.stream, w.boot, w.boots*second, w.wall*second, w.at*second) != "" || twin
		}
		if twin != c.twin {
			t.Errorf("%s: %v; want %v", name, twin, c.twin)
		}
	}
}

// The alarm goes out when one alone was heard for ten minutes.
func TestTheAlarmOfATwinGoesOut(t *testing.T) {
	l := lives{}
	at := 1000 * second
	l.meet(1, "x", at, at, at)
	l.meet(2, "y", at, at, at)
	for i := range int64(100) {
		at += 15 * second
		why := l.meet(1, "", at, at, at)
		if alive := i < 20; (why != "") != alive && (alive || i > 23) {
			t.Fatalf("heartbeat %d: %q", i, why)
		}
		if i < 20 {
			l.meet(2, "", at, at, at)
		}
	}
}
