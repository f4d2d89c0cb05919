package contain

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// vigilEvery is how often an isolation is proven again, and tellAgain for how long the same is not told again.
const (
	vigilEvery = 5 * time.Second
	tellAgain  = time.Minute
)

func (i *Isolator) tell(ctx context.Context, subject, state, reason string) {
	now := boot.Now()
	from := i.looked
	if from == 0 {
		from = now
	}
	if at, ok := i.told[reason]; ok && now < at+uint64(tellAgain) {
		return
	}
	if i.told == nil || len(i.told) > 64 {
		i.told = map[string]uint64{}
	}
	i.told[reason] = now
	i.log.ErrorContext(ctx, "an isolation was tampered with", slog.String("state", state), slog.String("what", subject), slog.String("reason", reason))
	if i.o.Tell != nil {
		i.o.Tell(sense.Tamper{Subject: subject, State: state, Reason: reason, From: from, To: now})
	}
}

// check proves an isolation that should hold again, and puts it up again when it does not: everything that holds it can
// be taken down by who has root, but not unseen.
func (i *Isolator) check(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.due() {
		return
	}
	cause := "it is not up"
	if i.held != nil {
		cause = i.held.verify()
	}
	if cause == "" {
		d := i.deny(ctx)
		i.proven, i.notProven = d.proven, d.why
		if d.leaks {
			cause = d.why
		}
	}
	switch {
	case cause == "" && i.problem != "":
		i.problem = ""
		i.tell(ctx, "isolation", "restored", "the isolation holds again")
	case cause != "":
		i.mend(ctx, cause)
	}
	i.keepState(ctx)
	i.packets(ctx)
	i.looked = boot.Now()
}

// mend puts the isolation up again and tells how that went. mu is held.
func (i *Isolator) mend(ctx context.Context, cause string) {
	broken := "the isolation was broken: " + cause
	keep, err := reread(i.saved.Allow)
	if err == nil {
		_, err = i.raise(ctx, i.saved, keep)
	}
	if err != nil {
		i.problem = fmt.Sprintf("%s; it cannot be put up again: %v", cause, err)
		i.tell(ctx, "isolation", "lost", fmt.Sprintf("%s; it cannot be put up again: %v", broken, err))
		return
	}
	d := i.deny(ctx)
	i.proven, i.notProven = d.proven, d.why
	switch {
	case d.leaks:
		i.problem = cause + "; it was put up again, and does not hold"
		broken += "; it was put up again, and does not hold"
	case !i.held.pinned():
		i.problem = ""
		broken += "; it was put up again, and ends with the sensor"
	default:
		i.problem = ""
		broken += "; it was put up again"
	}
	i.tell(ctx, "isolation", "lost", broken)
}

// keepState writes the state file again when it is not what was written: the next start would isolate otherwise, or
// not at all. mu is held.
func (i *Isolator) keepState(ctx context.Context) {
	b, err := os.ReadFile(i.o.StateFile)
	if err == nil && bytes.Equal(b, i.written) {
		return
	}
	if err := i.save(i.saved); err != nil {
		i.log.WarnContext(ctx, "state of isolation cannot be kept", slog.Any("err", err))
		return
	}
	i.tell(ctx, "isolation", "found", "somebody changed the file that keeps the isolation over a restart of the sensor; it was put right")
}

// due says whether the host should be isolated now. mu is held.
func (i *Isolator) due() bool { return i.saved.Until != (time.Time{}) && remaining(i.saved) > 0 }
