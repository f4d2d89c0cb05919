package ingest

import (
	"context"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// Meeting is what is told of one identity that two use.
type Meeting struct {
	s   *Service
	id  fleet.Identity
	src *source
}

func NewMeeting(f *fleet.Fleet, c *coverage.Coverage, id fleet.Identity) *Meeting {
	return &Meeting{&Service{o: Options{Fleet: f, Coverage: c}}, id, &source{}}
}

func (m *Meeting) Doubled(ctx context.Context) {
	m.s.doubled(ctx, m.id, m.src, "two boots are alive at once, streams 1 and 2")
}

// Pass lets the time pass after which one alone ends the alarm.
func (m *Meeting) Pass() { m.src.lives.twice -= (together + time.Second).Microseconds() }

func (m *Meeting) One(ctx context.Context) {
	m.s.meet(ctx, m.id, m.src, 1, []byte{1}, 0, 0, now())
}

// Disk tells of another fault of the host.
func (m *Meeting) Disk(ctx context.Context) {
	m.s.o.Coverage.Report(ctx, faultNumbers(m.id, detection.Said{}))
}
