// Package pause waits, and stops waiting when its context ends. Everything that tries something again calls it: the
// detector, the event store, the sensor's way to the server. How long to wait is theirs to know.
package pause

import (
	"context"
	"time"
)

// For waits for d and reports whether ctx still lives.
func For(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
