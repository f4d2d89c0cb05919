// Package clock says what time it is to those who delete by it. A machine's clock can jump: a dead battery, a
// bad time server, a hypervisor that resumes. Time that passed since the boot cannot, so a wall clock that moved
// against it is not believed until it comes back or somebody confirms it; across boots, one that lies far from
// what was believed last is not. What is shown to people and stamped on events is not its matter. cmd/yagura
// opens it and hands its Now to the event store, to coverage and to notices.
package clock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/durable"
)

const (
	// slack is how far the wall clock may move against the time since the boot: steps of a time server at a
	// start, and what an administrator sets by hand.
	slack = time.Hour
	// Off is how long a machine may be off without anybody being asked: a weekend.
	Off = 72 * time.Hour

	lookEvery = 5 * time.Second
	saveEvery = time.Minute
)

// Reading is what a machine says of the time at one moment.
type Reading struct {
	Wall time.Time
	Up   time.Duration // since the boot, suspended time included
	Boot string        // which boot: Up can be compared within one only
}

// belief is what is kept on disk: at a moment of a boot it was At.
type belief struct {
	At   time.Time     `json:"believed"`
	Up   time.Duration `json:"boot_ns"`
	Boot string        `json:"boot"`
	// Loose: the boot began at an unknown time after At, so that a wall clock up to Off ahead is right as well.
	Loose bool `json:"loose,omitempty"`
}

// State compares what the machine says with what is believed.
type State struct {
	Wall, Believed time.Time
	Jumped         bool // the machine is not believed
}

// Clock is safe for many goroutines.
type Clock struct {
	file    string
	read    func() Reading
	replace func(path string, b []byte) error

	saving sync.Mutex // held while what is believed is read and written: the newest is written last

	mu sync.Mutex // guards b
	b  belief
}

// Open goes on from what file says was believed last; when there is none, from floor, the newest trace of this
// server's time that there is (zero: none). read nil reads the machine.
func Open(file string, floor time.Time, read func() Reading) (*Clock, error) {
	if read == nil {
		read = machine
	}
	c := &Clock{file: file, read: read, replace: durable.Replace}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the time that was believed last: %w", err)
	}
	// A damaged file is as good as none: the floor remains.
	if err != nil || json.Unmarshal(text, &c.b) != nil || c.b.At.IsZero() {
		c.b = belief{At: floor, Loose: true}
	}
	r := read()
	if c.b.At.IsZero() {
		c.b = belief{At: r.Wall}
	}
	if c.b.Boot != r.Boot {
		c.b.Up, c.b.Boot, c.b.Loose = r.Up, r.Boot, true
	}
	c.State()
	return c, c.save()
}

// Now gives the time that is believed.
func (c *Clock) Now() time.Time { return c.State().Believed }

// State gives what is believed and whether the machine agrees.
func (c *Clock) State() State {
	r := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := r.Up - c.b.Up
	expected := c.b.At.Add(passed)
	ahead := r.Wall.Sub(expected)
	room := slack + passed/1000
	switch {
	case ahead >= -room && ahead <= room:
		// It may wander with the machine, but not further and further: what it is measured against stays.
		if c.b.Loose {
			c.b = belief{At: r.Wall, Up: r.Up, Boot: r.Boot}
		}
		return State{Wall: r.Wall, Believed: r.Wall}
	case c.b.Loose && ahead > 0 && ahead <= Off:
		c.b = belief{At: r.Wall, Up: r.Up, Boot: r.Boot}
		return State{Wall: r.Wall, Believed: r.Wall}
	}
	return State{Wall: r.Wall, Believed: expected, Jumped: true}
}

// Confirm believes the machine from now on.
func (c *Clock) Confirm() error {
	r := c.read()
	c.mu.Lock()
	c.b = belief{At: r.Wall, Up: r.Up, Boot: r.Boot}
	c.mu.Unlock()
	return c.save()
}

func (c *Clock) save() error {
	c.saving.Lock()
	defer c.saving.Unlock()
	r := c.read()
	s := c.State()
	c.mu.Lock()
	b := c.b
	c.mu.Unlock()
	if b.Loose || r.Boot != b.Boot { // nothing is known better than before
		b.At, b.Up, b.Boot = s.Believed, r.Up, r.Boot
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("keep the time that is believed: %w", err)
	}
	if err := c.replace(c.file, text); err != nil {
		return fmt.Errorf("keep the time that is believed: %w", err)
	}
	return nil
}

// Run keeps what is believed and tells, until ctx ends. A file that cannot be written is told of, too.
func (c *Clock) Run(ctx context.Context, tell func(State, error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	tell(c.State(), nil)
	for n := time.Duration(0); ; n += lookEvery {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var err error
		if n%saveEvery == 0 {
			err = c.save()
		}
		tell(c.State(), err)
	}
}
