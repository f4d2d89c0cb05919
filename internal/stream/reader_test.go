package stream_test

import (
	"errors"
	"io"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
)

// TestAReaderOfWhatIsThereEndsWhenTheRestWasPurged: a position that stands before a log that was purged to its
// end made a restarted server wait for ever.
func TestAReaderOfWhatIsThereEndsWhenTheRestWasPurged(t *testing.T) {
	l := open(t, t.TempDir(), 1<<30)
	for n := range 5 {
		if _, err := l.Append(t.Context(), 3, []stream.Batch{batch(t, event.HostID{1}, uint64(n+1), &event.Event{Kind: event.ProcessExec})}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(from, last uint64) (n int) {
		r := l.Reader(3, from)
		for {
			_, _, err := r.NextThrough(t.Context(), last)
			if errors.Is(err, io.EOF) {
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if n := read(2, 4); n != 3 {
		t.Errorf("records 2 to 4: %d read; want 3", n)
	}
	if err := l.Purge(t.Context(), 3, 4); err != nil {
		t.Fatal(err)
	}
	if n := read(1, 5); n != 1 {
		t.Errorf("after a purge up to 4: %d read; want the last", n)
	}
	if err := l.Purge(t.Context(), 3, 5); err != nil {
		t.Fatal(err)
	}
	if n := read(1, 5); n != 0 {
		t.Errorf("after everything was purged: %d read; want the end", n)
	}
}
