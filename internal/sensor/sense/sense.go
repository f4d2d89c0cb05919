// Package sense has the words between the two halves of the sensor: what sees on a host (Source), how well it sees (Capability,
// Counters), and what an act on the host proved. The half of one system makes them, the half that any system shares reads them; the
// server gets them as they are. It knows no kernel and does nothing.
package sense

import (
	"context"

	"github.com/yagura-edr/yagura/internal/event"
)

// Source is what sees on one system: linux/sight is one.
type Source interface {
	// Run emits what happens until ctx ends: first a sensor.capability of each class and the processes that already run. An event
	// and its lists are used again when emit returns.
	Run(ctx context.Context, emit func(*event.Event)) error
	// Capabilities says what can be seen now, one for each class.
	Capabilities() []Capability
	// CapabilityEvents is the same as events.
	CapabilityEvents() []*event.Event
	// Counters says what became of the acts seen, by class.
	Counters() (map[string]Counters, error)
	// Hung gives how many workers wait for file systems that do not answer.
	Hung() int
	Tree
}

// Tree knows who started whom, also when those in between have ended.
type Tree interface {
	// Below gives the processes that live and descend from root, which may be gone itself.
	Below(root event.Key) []event.Process
	// CatchUp waits until Below knows what the system recorded up to now.
	CatchUp(ctx context.Context) error
}
