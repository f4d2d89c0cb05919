package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Who stops the sensor. A signal comes without a name; the kernel's own event of it (package probe) has one. Where the
// sender is the system's first process it acts for somebody: what was asked of it was seen as an exec a moment before.

// The sensor's words on its end, for people.
const (
	saidServerEnded = "the server that started it ended"
	saidShutDown    = "the host shuts down"
	saidUnknown     = "nobody knows who"
)

// The states of a sensor.stop by which the server decides.
const (
	stateServer   = "server"   // the server beside it, which had started it, ended
	stateShutDown = "shutdown" // the host goes down
)

// ErrServerEnded is the cause of the end of a sensor that `yagura up` runs beside its server.
var ErrServerEnded = fmt.Errorf("%s", saidServerEnded)

const (
	tellWithin = 500 * time.Millisecond // a signal's event comes this long after the signal at most
	askedLife  = 30 * time.Second       // what asked the first process for something is this old at most
	maxWords   = 200                    // bytes of a command line in the reason
)

// culprit remembers the last signal to the sensor and the last program that asked the first process for something.
type culprit struct {
	mu     sync.Mutex // guards all below
	signal uint64
	sender event.Process // empty: none was seen
	asker  event.Process
	asked  uint64 // boot time of its exec

	freeze   uint64 // the last signal that stopped the sensor for a while
	freezer  event.Process
	frozenAt uint64 // boot time

	told chan struct{} // closed when a signal that ends the sensor was seen
}

func newCulprit() *culprit { return &culprit{told: make(chan struct{})} }

// look takes an event on its way to the spool.
func (c *culprit) look(e *event.Event) {
	switch {
	case e.Kind == event.SensorSignal && ending(e.Request):
		c.mu.Lock()
		c.signal, c.sender = e.Request, clone(&e.Actor)
		select {
		case <-c.told:
		default:
			close(c.told)
		}
		c.mu.Unlock()
	case e.Kind == event.SensorSignal && stopping(e.Request):
		c.mu.Lock()
		c.freeze, c.freezer, c.frozenAt = e.Request, clone(&e.Actor), e.BootNS
		c.mu.Unlock()
	case e.Kind == event.ProcessExec && slices.Contains(askers, event.Base(sense.OS, e.Actor.Path)):
		c.mu.Lock()
		c.asker, c.asked = clone(&e.Actor), e.BootNS
		c.mu.Unlock()
	}
}

// clone keeps what names a process: an event is used again.
func clone(p *event.Process) event.Process {
	return event.Process{Key: p.Key, PID: p.PID, StartNS: p.StartNS, Path: p.Path, CommandLine: p.CommandLine, UserID: p.UserID, UserName: p.UserName, Comm: p.Comm}
}

// await waits until the event of a signal that has arrived is there, or is not going to be.
func (c *culprit) await() {
	t := time.NewTimer(tellWithin)
	defer t.Stop()
	select {
	case <-c.told:
	case <-t.C:
	}
}

// name says who stopped the sensor and in which state it ends, and gives the process where one is known.
func (c *culprit) name(ctx context.Context) (who, state string, by event.Process) {
	c.mu.Lock()
	signal, sender, asker, asked := c.signal, c.sender, c.asker, c.asked
	c.mu.Unlock()
	if sender.PID == 0 && sender.Key == (event.Key{}) {
		if shuttingDown(ctx) {
			return saidShutDown, stateShutDown, event.Process{}
		}
		return saidUnknown, "", event.Process{}
	}
	who = signalName(signal) + " from " + named(&sender)
	if sender.PID != 1 {
		return who, "", sender
	}
	if shuttingDown(ctx) {
		who, state = saidShutDown+": "+who, stateShutDown
	}
	if asked > 0 && boot.Now()-asked < uint64(askedLife) {
		return who + ", asked by " + named(&asker), state, asker
	}
	return who, state, sender
}

// named says which process it is.
func named(p *event.Process) string {
	words := p.CommandLine
	if words == "" {
		words = p.Path
	}
	if words == "" {
		words = p.Comm
	}
	words = event.Clip(words, maxWords)
	user := p.UserName
	if user == "" {
		user = "uid " + p.UserID
	}
	return fmt.Sprintf("%q (pid %d, %s)", words, p.PID, user)
}
