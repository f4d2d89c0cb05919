package agent

import (
	"context"
	"os/exec"
	"slices"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// stuck is a sight whose events somebody stops taking.
type stuck struct {
	*sight.Sight
	release chan struct{}
}

func (s *stuck) Run(ctx context.Context, emit func(*event.Event)) error {
	return s.Sight.Run(ctx, func(e *event.Event) {
		if e.Kind == event.ProcessExec && e.Actor.CommandLine == "/bin/echo stall" {
			<-s.release
		}
		emit(e)
	})
}

// TestStalledSightIsToldToTheServer: the stream, the heartbeat and the status say that every class is blind, and that it is over.
func TestStalledSightIsToldToTheServer(t *testing.T) {
	s := newServer(t)
	look := &stuck{eyesOf(t), make(chan struct{})}
	a, stop := start(t, enrolled(t, s), look)
	defer func() { stop(); _ = look.Close() }()
	told := func(state, reason string) func() bool {
		return func() bool {
			var classes []string
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, e := range s.events {
				if e.Kind == event.SensorCapability && e.State == state && e.Reason == reason && !slices.Contains(classes, e.Subject) {
					classes = append(classes, e.Subject)
				}
			}
			return len(classes) == len(a.o.Source.Capabilities())
		}
	}
	eventually(t, "a sight that is whole", told(sense.StateFull, ""))
	s.mu.Lock()
	s.events = nil
	s.mu.Unlock()
	if err := exec.Command("/bin/echo", "stall").Run(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "word of every class that is blind", told(sense.StateBlind, event.ReasonStalled))
	for _, c := range a.Status().Capabilities {
		if c.State != sense.StateBlind || c.Reason != event.ReasonStalled {
			t.Errorf("status of %s = %s %q", c.Class, c.State, c.Reason)
		}
	}
	for _, c := range (*host)(a).Report().Capabilities {
		if c.State != sense.StateBlind {
			t.Errorf("heartbeat of %s = %s", c.Class, c.State)
		}
	}
	close(look.release)
	eventually(t, "word that it is over", told(sense.StateFull, ""))
}
