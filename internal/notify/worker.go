package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// worker serves one channel, so that a mail server that hangs does not hold up a webhook.
type worker struct {
	r    *Router
	ch   Channel
	last time.Time // end of the last attempt
}

func (w *worker) serve(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.r.wake[w.ch.Name()]:
		}
		timer.Reset(w.pass(ctx))
	}
}

// pass makes at most one attempt and gives how long to wait for the next look.
func (w *worker) pass(ctx context.Context) time.Duration {
	r, name := w.r, w.ch.Name()
	if rest := spacing - time.Since(w.last); !w.last.IsZero() && rest > 0 {
		return rest
	}
	now := time.Now()
	due, err := r.outbox.DueDeliveries(ctx, name, now, together)
	if err != nil {
		return w.outboxFailed(ctx, err)
	}
	live := due[:0]
	for _, d := range due {
		if now.Sub(d.Created) < expireAfter {
			live = append(live, d)
			continue
		}
		if err := r.outbox.SettleDelivery(ctx, d, Expired); err != nil {
			return w.outboxFailed(ctx, err)
		}
		r.log.ErrorContext(ctx, "notice expired undelivered", slog.String("channel", name), slog.String("key", d.Notice.Key), slog.String("last", d.Error))
		r.report(ctx, name, expiredFinding(name, d))
	}
	if len(live) == 0 {
		next, ok, err := r.outbox.NextDelivery(ctx, name)
		if err != nil {
			return w.outboxFailed(ctx, err)
		}
		if !ok {
			return time.Minute
		}
		return min(max(time.Until(next), 0), time.Minute)
	}
	notices := make([]Notice, len(live))
	for i, d := range live {
		notices[i] = d.Notice
	}
	err = deliver(ctx, w.ch, notices)
	if ctx.Err() != nil && err != nil {
		return time.Minute // the server stops: this was not the channel's fault
	}
	w.last = time.Now()
	if err != nil {
		w.failed(ctx, live, err)
		return 0
	}
	for _, d := range live {
		d.Attempts++
		d.Error = ""
		if err := r.outbox.SettleDelivery(ctx, d, Sent); err != nil {
			return w.outboxFailed(ctx, err)
		}
	}
	r.log.InfoContext(ctx, "notices delivered", slog.String("channel", name), slog.Int("notices", len(live)))
	r.clear(ctx, name)
	return 0
}

// failed keeps the deliveries for later and says so once it is more than a hiccup.
func (w *worker) failed(ctx context.Context, live []Delivery, cause error) {
	r, name, now := w.r, w.ch.Name(), time.Now()
	lasting := errors.Is(cause, ErrPermanent)
	oldest := now
	for _, d := range live {
		d.Attempts++
		d.Error = event.Clip(cause.Error(), 500)
		d.Due = now.Add(backoff(d.Attempts, lasting)).Truncate(time.Microsecond)
		if d.Created.Before(oldest) {
			oldest = d.Created
		}
		if err := r.outbox.SettleDelivery(ctx, d, Pending); err != nil {
			w.outboxFailed(ctx, err)
		}
	}
	r.log.WarnContext(ctx, "notices not delivered", slog.String("channel", name), slog.Int("notices", len(live)), slog.Any("err", cause))
	if lasting || now.Sub(oldest) >= showAfter {
		r.report(ctx, name, failedFinding(name, cause))
	}
}

// backoff gives the wait after an attempt: 5 s, 15 s, 45 s, 75 s, then 5 minutes; with a lasting error
// half an hour at once, since only an operator can cure it. The first four stay inside the five minutes
// within which a silent channel must be shown.
func backoff(attempt int, lasting bool) time.Duration {
	if lasting {
		return 30 * time.Minute
	}
	steps := [...]time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second, 75 * time.Second}
	if attempt <= len(steps) {
		return steps[attempt-1]
	}
	return 5 * time.Minute
}

func (w *worker) outboxFailed(ctx context.Context, err error) time.Duration {
	if ctx.Err() == nil {
		w.r.log.ErrorContext(ctx, "outbox out of reach", slog.String("channel", w.ch.Name()), slog.Any("err", err))
		w.r.report(ctx, w.ch.Name(), detection.Said{
			En: "Notifications wait: the control database does not answer (" + err.Error() + "). Check the space on the server's disk.",
			Ja: "通知を送信できません。管理データベースが応答しません(" + err.Error() + ")。サーバーのディスクの空き容量を確認してください。",
		})
	}
	return spacing
}
