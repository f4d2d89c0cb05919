package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Times and bounds of delivery.
const (
	pollEvery     = 5 * time.Second
	lookBack      = 24 * time.Hour // a notice found later than this after it happened is history, not news
	expireAfter   = 24 * time.Hour
	forgetAfter   = 30 * 24 * time.Hour // longer than lookBack, so that nothing is told twice
	attemptLimit  = 30 * time.Second
	showAfter     = 2 * time.Minute // a grey-listing server is given this long before a channel is called silent
	spacing       = 5 * time.Second // between two messages of one channel; what comes meanwhile is told together
	together      = 50              // notices in one message
	maxPending    = 1000            // per channel
	maxRemembered = 10000           // keys remembered as already in the outbox
)

// Router takes notices from its sources, keeps them in the outbox and has each channel carry them.
type Router struct {
	outbox   Outbox
	findings Findings
	sources  []Source
	channels []Channel
	minimum  detection.Severity
	believed func() time.Time
	log      *slog.Logger
	wake     map[string]chan struct{} // per channel, capacity 1

	mu         sync.Mutex          // guards remembered, standing
	remembered map[string]struct{} // keys that the outbox is known to have
	standing   map[string]bool     // subjects with a finding; absent: not known, since a finding outlives a restart
}

// Options of a Router. MinSeverity bounds incidents only; zero means high.
type Options struct {
	Outbox      Outbox
	Findings    Findings
	Sources     []Source
	Channels    []Channel
	MinSeverity detection.Severity
	Believed    func() time.Time // the time that old deliveries are forgotten by; nil: the machine's clock
	Log         *slog.Logger
}

// New makes a Router. Without channels it still clears findings of channels that are no more.
func New(o Options) (*Router, error) {
	if o.MinSeverity == 0 {
		o.MinSeverity = detection.High
	}
	r := &Router{
		outbox: o.Outbox, findings: o.Findings, sources: o.Sources, channels: o.Channels, minimum: o.MinSeverity, believed: o.Believed, log: o.Log,
		wake: map[string]chan struct{}{}, remembered: map[string]struct{}{}, standing: map[string]bool{},
	}
	if r.believed == nil {
		r.believed = time.Now
	}
	for _, ch := range o.Channels {
		if _, twice := r.wake[ch.Name()]; twice {
			return nil, fmt.Errorf("two notification channels are called %q: give each its own name", ch.Name())
		}
		r.wake[ch.Name()] = make(chan struct{}, 1)
	}
	return r, nil
}

// Run polls the sources and serves the channels until ctx ends. What is not delivered by then stays in
// the outbox.
func (r *Router) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, ch := range r.channels {
		w := &worker{r: r, ch: ch}
		wg.Go(func() { w.serve(ctx) })
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	forget := time.Time{}
	for {
		r.poll(ctx)
		if now := time.Now(); now.Sub(forget) > time.Hour {
			forget = now
			if err := r.outbox.ForgetDeliveries(ctx, r.believed().Add(-forgetAfter)); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "old deliveries kept", slog.Any("err", err))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// poll asks every source once.
func (r *Router) poll(ctx context.Context) {
	for i, s := range r.sources {
		subject := fmt.Sprintf("source-%d", i+1)
		notices, err := s.Notices(ctx, time.Now().Add(-lookBack))
		for _, n := range notices {
			if e := r.Notify(ctx, n); e != nil {
				err = errors.Join(err, e)
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.WarnContext(ctx, "notices not taken", slog.String("source", subject), slog.Any("err", err))
			r.report(ctx, subject, detection.Said{
				En: "Notices cannot be taken over for delivery: " + err.Error() + ". Look at the server's log and the space on its disk.",
				Ja: "通知を送信待ちに登録できません: " + err.Error() + "。サーバーのログとディスクの空き容量を確認してください。",
			})
		default:
			r.clear(ctx, subject)
		}
	}
}

// Notify puts n into the outbox of every channel that should carry it. It is idempotent by n.Key.
//
// full: a channel with maxPending waiting deliveries refuses with ErrFull, its finding says so, and the
// source lists the notice again.
func (r *Router) Notify(ctx context.Context, n Notice) error {
	if n.Kind == Incident && n.Severity < r.minimum {
		return nil
	}
	id := n.Tenant.String() + " " + n.Key
	r.mu.Lock()
	_, done := r.remembered[id]
	r.mu.Unlock()
	if done {
		return nil
	}
	now := time.Now().Truncate(time.Microsecond)
	var errs []error
	for _, ch := range r.channels {
		name := ch.Name()
		if n.Channel == name {
			continue
		}
		added, err := r.outbox.PutDelivery(ctx, Delivery{Notice: n, Channel: name, Created: now, Due: now}, maxPending)
		if errors.Is(err, ErrFull) {
			r.report(ctx, name, fullFinding(name))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("keep notice %s for %s: %w", n.Key, name, err))
			continue
		}
		if added {
			select {
			case r.wake[name] <- struct{}{}:
			default: // full: a wake-up is already waiting
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.remembered) >= maxRemembered { // full: forgotten as a whole; the outbox still knows them
		clear(r.remembered)
	}
	r.remembered[id] = struct{}{}
	return nil
}

// TrialResult is what Test found for one channel.
type TrialResult struct {
	Channel string
	Err     error // nil: the channel took the message
}

// Test sends a test message through every channel, past the outbox, and gives what each said. A success
// clears the channel's finding, a failure reports it.
func (r *Router) Test(ctx context.Context) []TrialResult {
	var out []TrialResult
	for _, ch := range r.channels {
		err := deliver(ctx, ch, []Notice{trialNotice()})
		if err != nil {
			r.report(ctx, ch.Name(), failedFinding(ch.Name(), err))
		} else {
			r.clear(ctx, ch.Name())
		}
		out = append(out, TrialResult{Channel: ch.Name(), Err: err})
	}
	return out
}

// deliver is one bounded attempt.
func deliver(ctx context.Context, ch Channel, notices []Notice) error {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptLimit, fmt.Errorf("no answer within %v", attemptLimit))
	defer cancel()
	err := ch.Deliver(ctx, notices)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// report shows a finding; said again, it only brings its words up to date.
func (r *Router) report(ctx context.Context, subject string, what detection.Said) {
	what.En, what.Ja = event.Show(event.Text(what.En)), event.Show(event.Text(what.Ja))
	r.stands(subject, true)
	if err := r.findings.ReportFinding(ctx, FindingClass, subject, what); err != nil && ctx.Err() == nil {
		r.log.ErrorContext(ctx, "finding not reported", slog.String("subject", subject), slog.Any("err", err))
	}
}

// clear takes a finding back, unless it is known that none stands.
func (r *Router) clear(ctx context.Context, subject string) {
	if !r.stands(subject, false) {
		return
	}
	if err := r.findings.ClearFinding(ctx, FindingClass, subject); err != nil && ctx.Err() == nil {
		r.log.ErrorContext(ctx, "finding not cleared", slog.String("subject", subject), slog.Any("err", err))
		r.stands(subject, true)
	}
}

// stands notes whether subject has a finding and gives what was noted before, true when nothing was.
func (r *Router) stands(subject string, now bool) (before bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.standing[subject]
	r.standing[subject] = now
	return before || !known
}
