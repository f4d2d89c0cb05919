package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/stream"
)

// recordBytes is when a record has enough company.
const recordBytes = 768 << 10

// appendTimeout is how long the log may take before a record counts as not kept.
const appendTimeout = 30 * time.Second

// submission is one upload on its way to the log. finish is called once, by the gatherer: it notes the
// outcome even when the sensor has gone meanwhile.
type submission struct {
	batches []stream.Batch
	size    int
	finish  func(error)
}

// gather joins the uploads of one shard into records until ctx ends: the log takes some thousand fsynced
// records a second, whatever is in them.
func (s *Service) gather(ctx context.Context, shard int) {
	in := s.shards[shard]
	var held *submission // did not fit into the last record
	for {
		var first submission
		if held != nil {
			first, held = *held, nil
		} else {
			select {
			case <-ctx.Done():
				s.refuseRest(in)
				return
			case first = <-in:
			}
		}
		group, size, batches := []submission{first}, first.size, len(first.batches)
		window := time.NewTimer(s.o.Gather)
	collect:
		for size < recordBytes && batches < stream.MaxRecordBatches {
			select {
			case next := <-in:
				if size+next.size > stream.MaxRecordBytes-64 || batches+len(next.batches) > stream.MaxRecordBatches {
					held = &next
					break collect
				}
				group, size, batches = append(group, next), size+next.size, batches+len(next.batches)
			case <-window.C:
				break collect
			case <-ctx.Done():
				break collect
			}
		}
		window.Stop()
		all := make([]stream.Batch, 0, batches)
		for _, g := range group {
			all = append(all, g.batches...)
		}
		put, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
		_, err := s.o.Log.Append(put, shard, all)
		cancel()
		if err != nil && !errors.Is(err, stream.ErrFull) {
			s.log.ErrorContext(ctx, "record not kept; its sensors send it again", slog.Int("shard", shard), slog.Int("batches", len(all)), slog.Any("err", err))
		}
		for _, g := range group {
			g.finish(err)
		}
	}
}

// refuseRest answers what still waits when the server stops.
func (s *Service) refuseRest(in chan submission) {
	for {
		select {
		case x := <-in:
			x.finish(errStopping)
		default:
			return
		}
	}
}
