package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/fault"
)

// Bounds of what refused attempts to enrol may write: anybody can make them.
const (
	refusedLines = 10              // lines of the log within a minute; the rest is one line with their number
	refusedMany  = 20              // refused within a minute that an operator is told of
	refusedQuiet = 5 * time.Minute // without so many, and it is over
)

// refusals counts refused enrolments.
type refusals struct {
	mu    sync.Mutex // guards what follows; never held across I/O
	began time.Time  // of the minute
	n     uint64     // in it
	all   uint64
	quiet *time.Timer
}

// enrolmentRefused notes one refused attempt.
func (s *Service) enrolmentRefused(ctx context.Context, from string, why error) {
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	r := &s.refusals
	r.mu.Lock()
	unsaid := uint64(0)
	if now := time.Now(); now.Sub(r.began) > time.Minute {
		if r.n > refusedLines {
			unsaid = r.n - refusedLines
		}
		r.began, r.n = now, 0
	}
	r.n++
	r.all++
	n, all := r.n, r.all
	if n >= refusedMany {
		if r.quiet == nil {
			r.quiet = time.AfterFunc(refusedQuiet, func() { s.o.Faults.Clear(fault.Enrolments, "") })
		} else {
			r.quiet.Reset(refusedQuiet)
		}
	}
	r.mu.Unlock()
	if unsaid > 0 {
		s.log.WarnContext(ctx, "more enrolments were refused", slog.Uint64("n", unsaid))
	}
	if n <= refusedLines {
		s.log.WarnContext(ctx, "enrolment refused", slog.String("from", from), slog.Any("err", why))
	}
	if n >= refusedMany {
		s.o.Faults.Raise(fault.Enrolments, "", fmt.Errorf("%d since the server started, the last from %s: %w", all, from, why))
	}
}
