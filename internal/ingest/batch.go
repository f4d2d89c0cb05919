package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
)

// poison is a batch that no repetition will make readable.
type poison struct{ reason string }

func (p *poison) Error() string { return p.reason }

// open expands and decodes what a sensor sent. The decompressor refuses to give more than 4 MiB, before
// it allocates where the frame tells its size; the decoder bounds each event.
func (s *Service) open(content []byte, count int) ([]*event.Event, error) {
	plain, err := s.zstd.DecodeAll(content, nil)
	if err != nil {
		return nil, &poison{fmt.Sprintf("it does not expand to at most %d bytes: %s", event.MaxBatchExpanded, err)}
	}
	events, err := event.DecodeSensorBatch(plain)
	if err != nil {
		return nil, &poison{"it does not decode: " + err.Error()}
	}
	if len(events) != count {
		return nil, &poison{fmt.Sprintf("it holds %d events and says %d", len(events), count)}
	}
	return events, nil
}

// oldest is how far back a host's own clock is believed when nothing better is known.
const oldest = 400 * 24 * time.Hour

// stamp makes events the server's: text, times, and no flag that only the server sets. c is the clock of
// their boot, nil when nothing is known of it. It gives when the batch counts as received.
func stamp(events []*event.Event, at int64, c *bootClock) (received int64) {
	received = at
	if c != nil {
		received = c.stamp(events, at)
	}
	for _, e := range events {
		e.Received = received
		e.Flags &^= event.FlagCanary
		switch {
		case c != nil && bootTime(e) > 0:
		case e.Flags&event.FlagImported != 0 && e.HostTime > 0 && e.HostTime <= at:
			e.Time = e.HostTime // a recording keeps its own time; it is marked, and retention counts from received
		case e.HostTime > at-oldest.Microseconds() && e.HostTime <= at:
			e.Time = e.HostTime
		default:
			e.Time = at
		}
	}
	return received
}

// pack makes log batches of consecutive events, the first of which has number first. Text may have grown,
// so a batch that is too big is halved; an event that is too big alone gives its place to a notice.
func pack(b stream.Batch, events []*event.Event, first uint64) ([]stream.Batch, error) {
	content, err := stream.Pack(events)
	switch {
	case err == nil:
		b.First, b.Count, b.Content = first, len(events), content
		return []stream.Batch{b}, nil
	case !errors.Is(err, event.ErrTooBig):
		return nil, fmt.Errorf("pack batch: %w", err)
	case len(events) == 1:
		return pack(b, []*event.Event{notice(b, seq.Range{First: first, Last: first}, "too big as text")}, first)
	}
	half := len(events) / 2
	one, err := pack(b, events[:half], first)
	if err != nil {
		return nil, err
	}
	two, err := pack(b, events[half:], first+uint64(half))
	return append(one, two...), err
}

// notice is the server's word, in the place of the first event of a range, that the range is lost. It is
// kept, counted and shown like a sensor's own.
func notice(b stream.Batch, x seq.Range, reason string) *event.Event {
	return &event.Event{
		Kind: event.Dropped, OS: event.Linux, Time: b.Received, Received: b.Received, HostTime: b.Received,
		Stream: b.Stream, Lane: uint64(b.Lane), First: x.First, Last: x.Last, Count: x.Last - x.First + 1, Reason: event.Text("in quarantine: " + reason),
	}
}
