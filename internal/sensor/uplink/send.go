package uplink

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/pause"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

func spoolLane(i int) event.Lane { return event.Lanes[i] }

func watermarks(ws ...*sensorv1.Watermark) (out []spool.Watermark) {
	for _, w := range ws {
		if w != nil && w.Lane <= uint32(event.Bulk) {
			out = append(out, spool.Watermark{Stream: w.Stream, Lane: event.Lane(w.Lane), Accepted: w.AcceptedThrough, Sealed: w.SealedThrough})
		}
	}
	return out
}

// maxAttempts bounds how often a batch is tried in one session; then the session is over and a hello finds
// out how things stand.
const maxAttempts = 4

// send takes batches of a lane off the spool, one at a time, until ctx ends.
func (l *Link) send(ctx context.Context, lane event.Lane) error {
	for {
		b, err := l.o.Spool.Next(ctx, lane)
		if ctx.Err() != nil {
			if b != nil {
				l.o.Spool.Again(b)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("read spool: %w", err)
		}
		if err := l.sendOne(ctx, b); err != nil {
			return err
		}
	}
}

func (l *Link) sendOne(ctx context.Context, b *spool.Batch) error {
	wait := backoff{most: l.o.MaxWait}
	for attempt := 1; ; attempt++ {
		err := l.upload(ctx, b)
		if err == nil {
			return nil
		}
		if refused(err) {
			l.log.ErrorContext(ctx, "server refuses a batch for ever, it is dropped and counted", slog.String("err", Explain(err)),
				slog.String("lane", b.Lane.String()), slog.Uint64("first", b.First), slog.Int("events", b.Count))
			l.o.Spool.Refused(b)
			return nil
		}
		if ctx.Err() != nil || attempt >= maxAttempts && retryAfter(err) == 0 || sessionOver(err) {
			l.o.Spool.Again(b)
			return fmt.Errorf("upload: %w", err)
		}
		if !pause.For(ctx, wait.next(err)) {
			l.o.Spool.Again(b)
			return nil
		}
	}
}

func (l *Link) upload(ctx context.Context, b *spool.Batch) error {
	// 9,600 bit/s take 256 KiB in four minutes: the time allowed grows with the size.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second+time.Duration(len(b.Content))*time.Millisecond)
	defer cancel()
	sum := sha256.Sum256(b.Content)
	res, err := l.client.Upload(ctx, connect.NewRequest(&sensorv1.UploadRequest{
		Stream: b.Stream, Lane: uint32(b.Lane), First: b.First, Count: uint32(b.Count), Content: b.Content, Sha256: sum[:], BootId: b.Boot[:],
	}))
	if err != nil {
		return err
	}
	if res.Msg.Quarantined != "" {
		l.log.WarnContext(ctx, "server put a batch into quarantine", slog.String("reason", res.Msg.Quarantined),
			slog.String("lane", b.Lane.String()), slog.Uint64("first", b.First))
	}
	w := spool.Watermark{Stream: b.Stream, Lane: b.Lane}
	if got := watermarks(res.Msg.Watermark); len(got) == 1 && got[0].Stream == b.Stream && got[0].Lane == b.Lane {
		w = got[0]
	}
	l.o.Spool.Accept(b, w)
	l.set(func(s *State) { s.Sent += uint64(b.Count) })
	return nil
}
