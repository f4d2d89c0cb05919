package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
)

const (
	maxUploads  = 24 // of one host at a time
	sealedAge   = 5 * time.Second
	fullRetry   = 5 * time.Second
	holesRetry  = 2 * time.Second
	maxSequence = 1 << 62
	never       = time.Duration(1<<63 - 1) // once is enough
)

var errStarts = fmt.Errorf("more than %d streams of this host began within a minute: look why its sensor starts so often", maxStarts)

// Upload takes one batch. It is idempotent: what came before is not taken again, whatever the form in
// which it comes.
func (s *Service) Upload(ctx context.Context, req *connect.Request[sensorv1.UploadRequest]) (*connect.Response[sensorv1.UploadResponse], error) {
	at, back := s.wall.now() // first: what follows would count as the way's delay
	id, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	m := req.Msg
	if err := checkUpload(m); err != nil {
		return nil, err
	}
	src, err := s.source(ctx, id)
	if err != nil {
		return nil, s.internal(ctx, id, err)
	}
	u := &upload{s: s, id: id, src: src, m: m, key: lane{m.Stream, event.Lane(m.Lane)}, whole: seq.Range{First: m.First, Last: m.First + uint64(m.Count) - 1}, sum: [sha256.Size]byte(m.Sha256), received: at, back: back}
	why, err := u.take(ctx)
	if err != nil {
		return nil, err
	}
	s.o.Fleet.Seen(id.Host)
	s.contact(ctx, id, at, false)
	if err := s.learn(ctx, id, src, []lane{u.key}, sealedAge); err != nil {
		s.log.WarnContext(ctx, "seal's progress not read", slog.Any("host", id.Host), slog.Any("err", err))
	}
	return connect.NewResponse(&sensorv1.UploadResponse{Watermark: src.watermark(u.key), Quarantined: why}), nil
}

// checkUpload refuses what a sensor of ours never sends. Nothing was expanded or allocated yet.
func checkUpload(m *sensorv1.UploadRequest) error {
	bad := func(format string, args ...any) error {
		return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
	}
	switch {
	case len(m.Content) > event.MaxBatchBytes:
		return bad("the batch has %d bytes, at most %d are taken", len(m.Content), event.MaxBatchBytes)
	case m.Count == 0 || m.Count > event.MaxBatchEvents:
		return bad("the batch has %d events, 1 to %d are taken", m.Count, event.MaxBatchEvents)
	case m.Stream == 0:
		return bad("the batch names no stream")
	case m.Lane > uint32(event.Bulk):
		return bad("lane %d does not exist", m.Lane)
	case m.First == 0 || m.First > maxSequence:
		return bad("sequence numbers go from 1 to %d, the batch begins with %d", uint64(maxSequence), m.First)
	case len(m.BootId) > 64:
		return bad("the boot id has %d bytes, 16 are usual", len(m.BootId))
	case len(m.Sha256) != sha256.Size:
		return bad("the content's hash has %d bytes, SHA-256 has %d", len(m.Sha256), sha256.Size)
	case sha256.Sum256(m.Content) != [sha256.Size]byte(m.Sha256):
		return connect.NewError(connect.CodeDataLoss, errors.New("the content does not have the hash that came with it: read the batch again and resend it"))
	}
	return nil
}

// upload is one batch on its way in.
type upload struct {
	s        *Service
	id       fleet.Identity
	src      *source
	m        *sensorv1.UploadRequest
	key      lane
	whole    seq.Range
	sum      [sha256.Size]byte
	received int64
	back     int64 // of the server's clock, by (*wall).now
}

// take accepts what is new of the batch and returns after the fsync; why says that it went to quarantine.
func (u *upload) take(ctx context.Context) (why string, err error) {
	if err := u.admit(ctx); err != nil {
		return "", err
	}
	mine, contradicts, err := u.claim(ctx)
	if err != nil {
		return "", err
	}
	if contradicts {
		return u.contradiction(ctx)
	}
	if len(mine) == 0 {
		return "", nil // all of it came before
	}
	batches, why, err := u.prepare(ctx, mine)
	if err != nil {
		u.land(mine, nil, err)
		return "", err
	}
	size := 0
	for i := range batches {
		size += batches[i].Size()
	}
	answer := make(chan error, 1)
	sub := submission{batches: batches, size: size, finish: func(err error) {
		u.land(mine, batches, err)
		answer <- err
	}}
	select {
	case u.s.shards[stream.ShardOf(u.id.Host)] <- sub:
	case <-ctx.Done():
		u.land(mine, nil, context.Cause(ctx))
		return "", connect.NewError(connect.CodeCanceled, context.Cause(ctx))
	case <-u.s.stop:
		u.land(mine, nil, errStopping)
		return "", connect.NewError(connect.CodeUnavailable, errStopping)
	}
	select {
	case err = <-answer:
	case <-ctx.Done():
		return "", connect.NewError(connect.CodeCanceled, context.Cause(ctx)) // the gatherer lands it
	}
	switch {
	case errors.Is(err, stream.ErrFull):
		u.src.mu.Lock()
		u.src.refused = u.received
		u.src.mu.Unlock()
		return "", retry(fullRetry, errors.New("the server's log is full: keep the batch and come again; an operator is told"))
	case err != nil:
		return "", connect.NewError(connect.CodeUnavailable, errors.New("the server could not keep the batch: send it again"))
	}
	return why, nil
}

// admit reads what is settled of the lane, and refuses numbers and streams that no sensor can have come to.
func (u *upload) admit(ctx context.Context) error {
	keys := []lane{u.key}
	u.src.mu.Lock()
	known := u.src.knows(u.key.stream)
	u.src.mu.Unlock()
	if !known { // any lane that the manifest knows shows that it is
		keys = keys[:0]
		for _, l := range event.Lanes {
			keys = append(keys, lane{u.key.stream, l})
		}
	}
	if err := u.s.learn(ctx, u.id, u.src, keys, never); err != nil {
		return u.s.internal(ctx, u.id, err)
	}
	if most := u.s.reach(u.id, u.received); u.whole.Last > most {
		u.s.tell(ctx, u.id, u.src, claimNumber, 1)
		return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("the batch begins with %d, and since its enrolment this host can have come to %d", u.whole.First, most))
	}
	if !u.src.begin(u.key.stream, u.received) {
		u.s.tell(ctx, u.id, u.src, claimStream, 1)
		return retry(time.Minute, errStarts)
	}
	return nil
}

// claim reserves what of the batch is new, waiting for uploads of the same numbers that are under way.
func (u *upload) claim(ctx context.Context) (mine []*flight, contradicts bool, err error) {
	for {
		u.src.mu.Lock()
		q := u.src.sequence(u.key)
		if q.contradicts(u.whole, u.sum) {
			u.src.mu.Unlock()
			return nil, true, nil
		}
		var busy *flight
		for _, f := range q.flights {
			if f.First <= u.whole.Last && u.whole.First <= f.Last {
				busy = f
			}
		}
		if busy == nil {
			missing := q.accepted.Missing(u.whole)
			if len(missing) > 0 && len(q.accepted) >= maxRanges && q.accepted.Widens(missing[len(missing)-1]) {
				through := q.accepted.Through()
				u.src.mu.Unlock()
				return nil, false, retry(holesRetry, fmt.Errorf("this stream and lane has %d holes: send what follows %d first, or report it as dropped", maxRanges, through))
			}
			for _, x := range missing {
				f := &flight{Range: x, done: make(chan struct{})}
				q.flights = append(q.flights, f)
				mine = append(mine, f)
			}
			u.src.mu.Unlock()
			return mine, false, nil
		}
		u.src.mu.Unlock()
		select {
		case <-busy.done:
		case <-ctx.Done():
			return nil, false, connect.NewError(connect.CodeCanceled, context.Cause(ctx))
		}
	}
}

// prepare makes log batches of the claimed ranges. Poison becomes a notice, and its bytes go to quarantine.
func (u *upload) prepare(ctx context.Context, mine []*flight) (batches []stream.Batch, why string, err error) {
	base := stream.Batch{Tenant: u.id.Tenant, Host: u.id.Host, Stream: u.key.stream, Lane: u.key.lane, Received: u.received}
	select {
	case u.s.decode <- struct{}{}:
		defer func() { <-u.s.decode }()
	case <-ctx.Done():
		return nil, "", connect.NewError(connect.CodeCanceled, context.Cause(ctx))
	}
	events, err := u.s.open(u.m.Content, int(u.m.Count))
	if bad, ok := errors.AsType[*poison](err); ok {
		why, lost := bad.reason, uint64(0)
		for _, f := range mine {
			more, err := pack(base, []*event.Event{notice(base, f.Range, why)}, f.First)
			if err != nil {
				return nil, "", u.s.internal(ctx, u.id, err)
			}
			batches = append(batches, more...)
			lost += f.Last - f.First + 1
		}
		u.s.quarantine(ctx, u, why, lost)
		return batches, why, nil
	}
	for _, e := range events {
		e.Textify()
	}
	u.s.judge(ctx, u, events)
	base.Received = u.src.stamp(u.m.BootId, events, u.received, u.back)
	u.s.within(u, events)
	if err := u.s.keepClock(ctx, u.id, u.src, u.m.BootId, u.received); err != nil {
		return nil, "", u.s.internal(ctx, u.id, err)
	}
	for _, f := range mine {
		more, err := pack(base, events[f.First-u.whole.First:f.Last-u.whole.First+1], f.First)
		if err != nil {
			return nil, "", u.s.internal(ctx, u.id, err)
		}
		batches = append(batches, more...)
	}
	return batches, "", nil
}

// land ends the flights: with a nil error their ranges are accepted.
func (u *upload) land(mine []*flight, batches []stream.Batch, err error) {
	var gone []struct {
		lane
		seq.Range
	}
	if err == nil && (u.key.lane == event.Critical || slices.ContainsFunc(batches, func(b stream.Batch) bool { return b.Count == 1 })) {
		for i := range batches {
			events, err := batches[i].Events()
			if err != nil {
				continue
			}
			for _, e := range events {
				if k, x, ok := dropped(e.Event); ok {
					gone = append(gone, struct {
						lane
						seq.Range
					}{k, x})
				}
			}
		}
	}
	u.src.mu.Lock()
	defer u.src.mu.Unlock()
	q := u.src.sequence(u.key)
	for _, f := range mine {
		if err == nil {
			q.accepted.Add(f.Range)
			u.s.events.Add(f.Last - f.First + 1)
		}
		q.flights = slices.DeleteFunc(q.flights, func(x *flight) bool { return x == f })
		close(f.done)
	}
	if err != nil {
		return
	}
	q.remember(u.whole, u.sum)
	for _, g := range gone {
		if !u.src.knows(g.stream) {
			continue // nothing of it was ever here: there is nothing to settle
		}
		o := u.src.sequence(g.lane)
		if len(o.accepted) < maxRanges || !o.accepted.Widens(g.Range) {
			o.accepted.Add(g.Range)
		}
	}
}

// contradiction is the same id with other content: the first stays, this one is kept aside, people are
// told. The sensor is answered as if it had come, or it would send it for ever.
func (u *upload) contradiction(ctx context.Context) (why string, err error) {
	why = "these event ids were taken before with other content"
	u.s.quarantine(ctx, u, why, 0)
	u.s.o.Coverage.Report(ctx, faultConflict(u.id, u.m.Stream, u.m.Lane, u.m.First))
	return why, nil
}

// watermark gives both marks of a lane.
func (src *source) watermark(k lane) *sensorv1.Watermark {
	src.mu.Lock()
	defer src.mu.Unlock()
	w := &sensorv1.Watermark{Stream: k.stream, Lane: uint32(k.lane)}
	if q := src.lanes[k]; q != nil {
		w.AcceptedThrough, w.SealedThrough = q.accepted.Through(), q.sealed
	}
	return w
}

// internal logs what went wrong here and tells the sensor to come again, without our internals.
func (s *Service) internal(ctx context.Context, id fleet.Identity, err error) error {
	s.log.ErrorContext(ctx, "call failed", slog.Any("tenant", id.Tenant), slog.Any("host", id.Host), slog.Any("err", err))
	if errors.Is(err, syscall.ENOSPC) {
		return connect.NewError(connect.CodeUnavailable, errFull)
	}
	return connect.NewError(connect.CodeUnavailable, errInternal)
}
