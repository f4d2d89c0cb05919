package clock_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/clock"
)

const day = 24 * time.Hour

// world is a machine whose clock can be set, and that can be off.
type world struct {
	t    *testing.T
	file string
	r    clock.Reading
	c    *clock.Clock
}

func (w *world) start() {
	w.t.Helper()
	c, err := clock.Open(w.file, time.Time{}, func() clock.Reading { return w.r })
	if err != nil {
		w.t.Fatal(err)
	}
	w.c = c
}

func (w *world) pass(d time.Duration) { w.r.Wall, w.r.Up = w.r.Wall.Add(d), w.r.Up+d }
func (w *world) set(d time.Duration)  { w.r.Wall = w.r.Wall.Add(d) }

// reboot switches the machine off for a while; its clock may be another afterwards.
func (w *world) reboot(off, jump time.Duration) {
	w.r = clock.Reading{Wall: w.r.Wall.Add(off + jump), Up: time.Minute, Boot: w.r.Boot + "'"}
	w.start()
}

func (w *world) want(what string, believed time.Time, jumped bool) {
	w.t.Helper()
	if s := w.c.State(); s.Jumped != jumped || s.Believed.Sub(believed).Abs() > 2*time.Hour {
		w.t.Errorf("%s: believed %s, jumped %v; want %s, %v", what, s.Believed, s.Jumped, believed, jumped)
	}
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, file: filepath.Join(t.TempDir(), "clock.json"), r: clock.Reading{Wall: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Up: time.Hour, Boot: "a"}}
	w.start()
	return w
}

func TestAClockThatJumpsWhileTheMachineRunsIsNotBelieved(t *testing.T) {
	for _, jump := range []time.Duration{10 * 365 * day, -10 * 365 * day, 40 * day, day, -day, 2 * time.Hour} {
		w := newWorld(t)
		w.pass(day)
		right := w.r.Wall
		w.set(jump)
		w.want("after a jump of "+jump.String(), right, true)
		w.start()
		w.want("after a restart of the server", right, true)
		w.pass(3 * day)
		w.want("three days later", right.Add(3*day), true)
		w.set(-jump)
		w.want("when it came back", right.Add(3*day), false)
		w.set(jump)
		if err := w.c.Confirm(); err != nil {
			t.Fatal(err)
		}
		w.want("when it was confirmed", right.Add(3*day+jump), false)
		w.start()
		w.want("confirmed, after a restart", right.Add(3*day+jump), false)
	}
}

func TestManySmallStepsGoNoFurtherThanOne(t *testing.T) {
	w := newWorld(t)
	right := w.r.Wall
	for range 1000 {
		w.set(30 * time.Minute)
		w.c.Now()
		w.start()
	}
	w.want("after 1000 steps of half an hour", right, true)
}

func TestAMachineThatWasOff(t *testing.T) {
	w := newWorld(t)
	right := w.r.Wall
	w.reboot(62*time.Hour, 0)
	w.want("off over a weekend", right.Add(62*time.Hour), false)
	w.pass(time.Minute)
	w.reboot(40*day, 0)
	w.want("off for 40 days", right.Add(62*time.Hour), true)
	w.pass(day)
	w.start()
	w.want("a day later", right.Add(62*time.Hour+day), true)
	if err := w.c.Confirm(); err != nil {
		t.Fatal(err)
	}
	w.want("confirmed", w.r.Wall, false)
}

func TestABatteryThatDied(t *testing.T) {
	for _, jump := range []time.Duration{-10 * 365 * day, 73 * 365 * day} {
		w := newWorld(t)
		right := w.r.Wall
		w.reboot(5*time.Hour, jump)
		w.want("booted with a dead battery", right, true)
		w.pass(10 * time.Minute)
		w.start()
		w.want("and the server was restarted", right, true)
		w.set(-jump) // the time server answers
		w.want("when the time server has set it", right.Add(5*time.Hour), false)
	}
}

func TestWithoutAFileTheNewestTraceCounts(t *testing.T) {
	r := clock.Reading{Wall: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC), Up: time.Hour, Boot: "a"}
	floor := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	c, err := clock.Open(filepath.Join(t.TempDir(), "clock.json"), floor, func() clock.Reading { return r })
	if err != nil {
		t.Fatal(err)
	}
	if s := c.State(); !s.Jumped || !s.Believed.Equal(floor) {
		t.Errorf("State = %+v; want %s, jumped", s, floor)
	}
}

func TestTheMachineItselfIsBelieved(t *testing.T) {
	c, err := clock.Open(filepath.Join(t.TempDir(), "clock.json"), time.Now().Add(-time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.State(); s.Jumped || time.Since(s.Believed).Abs() > time.Second {
		t.Errorf("State = %+v", s)
	}
}
