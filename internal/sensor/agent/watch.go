package agent

import (
	"context"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

const watchPeriod = 500 * time.Millisecond

// watch tells of what the source cannot tell itself, for it stands still: a sight that is stalled, or goes on without hashes. It
// says so in the stream and to the server at once.
func (a *Agent) watch(ctx context.Context) error {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	told := map[string]string{} // reason by class
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		news := false
		for _, c := range a.o.Source.Capabilities() {
			ours := c.Reason == event.ReasonStalled || c.Reason == event.ReasonHungFiles
			if c.Reason == told[c.Class] || !ours && told[c.Class] == "" {
				continue
			}
			if delete(told, c.Class); ours {
				told[c.Class] = c.Reason
			}
			a.put(&event.Event{Kind: event.SensorCapability, OS: sense.OS, Subject: c.Class, State: c.State, Reason: c.Reason})
			news = true
		}
		if news && a.link != nil {
			a.link.ReportSoon()
		}
	}
}
