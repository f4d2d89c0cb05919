package stream

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
)

// The two zstd coders are safe for many goroutines and keep their tables, which cost more to build than
// a batch costs to code.
var (
	zstdWriter = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	})
	zstdReader = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(event.MaxTextBatchExpanded), zstd.WithDecoderLowmem(true))
	})
)

// Pack gives the content of a batch: zstd over event.AppendBatch. It refuses what Events would refuse,
// so that nothing is acknowledged that cannot be read back.
func Pack(events []*event.Event) ([]byte, error) {
	if len(events) > event.MaxBatchEvents {
		return nil, fmt.Errorf("pack %d events: %w", len(events), event.ErrTooBig)
	}
	plain := event.AppendBatch(nil, events)
	if len(plain) > event.MaxTextBatchExpanded {
		return nil, fmt.Errorf("pack a batch of %d bytes: %w", len(plain), event.ErrTooBig)
	}
	w, err := zstdWriter()
	if err != nil {
		return nil, fmt.Errorf("open the compressor: %w", err)
	}
	packed := w.EncodeAll(plain, nil)
	if len(packed) > MaxContentBytes {
		return nil, fmt.Errorf("pack a batch of %d bytes compressed: %w", len(packed), event.ErrTooBig)
	}
	return packed, nil
}

// Events decodes the content of b, at most event.MaxTextBatchExpanded bytes and event.MaxBatchEvents
// events, and gives each event its id. The number of events must be what the record says.
func (b *Batch) Events() ([]event.Stamped, error) {
	plain, err := b.expand()
	if err != nil {
		return nil, err
	}
	events, err := event.DecodeBatch(plain)
	if err != nil {
		return nil, fmt.Errorf("decode batch %s: %w", b.id(0), err)
	}
	if len(events) != b.Count {
		return nil, b.miscounted(len(events))
	}
	out := make([]event.Stamped, len(events))
	for i, e := range events {
		out[i] = event.Stamped{ID: b.id(i), Event: e}
	}
	return out, nil
}

// Wires gives the events of b in their wire form, not decoded, for who writes them somewhere else: the event store does.
// The bounds are those of Events; what is inside an event is the caller's to check.
func (b *Batch) Wires() ([][]byte, error) {
	plain, err := b.expand()
	if err != nil {
		return nil, err
	}
	wires, err := event.SplitBatch(plain)
	if err != nil {
		return nil, fmt.Errorf("split batch %s: %w", b.id(0), err)
	}
	if len(wires) != b.Count {
		return nil, b.miscounted(len(wires))
	}
	return wires, nil
}

func (b *Batch) expand() ([]byte, error) {
	r, err := zstdReader()
	if err != nil {
		return nil, fmt.Errorf("open the decompressor: %w", err)
	}
	plain, err := r.DecodeAll(b.Content, nil)
	if err != nil {
		return nil, fmt.Errorf("expand batch %s: %w", b.id(0), err)
	}
	return plain, nil
}

func (b *Batch) miscounted(n int) error {
	return fmt.Errorf("batch %s holds %d events, its record says %d: %w", b.id(0), n, b.Count, ErrMalformed)
}

func (b *Batch) id(i int) event.ID {
	return event.ID{Host: b.Host, Stream: b.Stream, Lane: b.Lane, Seq: b.First + uint64(i)}
}
