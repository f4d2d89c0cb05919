package stream_test

import (
	"errors"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
)

// TestALogOverALoweredLimitOpens: an admin who lowers stream_max_bytes below what the log holds loses nothing
// and gets a server that starts, says full, and takes again once there is room.
func TestALogOverALoweredLimitOpens(t *testing.T) {
	dir := t.TempDir()
	big := stream.Batch{Host: event.HostID{1}, First: 1, Count: 1, Content: make([]byte, 900<<10)}
	l := open(t, dir, 256<<20)
	for range 40 {
		if _, err := l.Append(t.Context(), 1, []stream.Batch{big}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 1<<20)
	if first, last, _ := l.State(1); first != 1 || last != 40 {
		t.Errorf("the log holds records %d to %d; want 1 to 40", first, last)
	}
	if _, err := l.Append(t.Context(), 1, []stream.Batch{big}); !errors.Is(err, stream.ErrFull) {
		t.Errorf("Append over the limit = %v; want ErrFull", err)
	}
	if err := l.Purge(t.Context(), 1, 40); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), 1, []stream.Batch{big}); err != nil {
		t.Errorf("Append after a purge: %v", err)
	}
}
