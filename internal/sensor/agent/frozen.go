package agent

import (
	"context"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// A sensor that is stopped for a while and goes on ends no word and loses its connection late: it tells of it itself.

const (
	frozenLook  = time.Second
	frozenAfter = 15 * time.Second // a host that is short of processor time takes less
	// saidNoSignal is the sensor's word where no signal stopped it.
	saidNoSignal = "no signal was seen: a frozen control group, a debugger, or a host or hypervisor that gave it no time"
)

// watchFreeze tells when nothing of the sensor ran for a while. The time that a host sleeps is not counted: Go's clock
// stands still then.
func (a *Agent) watchFreeze(ctx context.Context) error {
	tick := time.NewTicker(frozenLook)
	defer tick.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		gap := time.Since(last)
		if gap < frozenAfter {
			continue
		}
		to := boot.Now()
		from := to - min(to, uint64(gap))
		select { // the signal's event lies behind what else the kernel had to tell
		case <-ctx.Done():
		case <-time.After(4 * tellWithin):
		}
		who, by := a.culprit.froze(from, to)
		a.put(&event.Event{Kind: event.SensorTamper, OS: sense.OS, Subject: event.TamperFrozen, State: "restored", Reason: who, Actor: by, Target: a.facts.self, FromNS: from, ToNS: to})
	}
}

// froze says who stopped the sensor for a time of this boot, as far as the kernel told.
func (c *culprit) froze(from, to uint64) (who string, by event.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.frozenAt; at == 0 || at+uint64(2*frozenLook) < from || at > to {
		return saidNoSignal, event.Process{}
	}
	return signalName(c.freeze) + " from " + named(&c.freezer), c.freezer
}
