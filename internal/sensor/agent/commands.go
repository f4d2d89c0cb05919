package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Bounds of the work on commands.
const (
	maxOrders   = 64  // waiting; full: the command is dropped, the server sends it again at the next connection
	maxOutcomes = 512 // waiting to be reported; full: the oldest is left to the journal
)

type order struct {
	signed   command.Signed
	received time.Time
}

type pendingOutcome struct {
	nonce command.Nonce
	wire  *sensorv1.Outcome
}

// Command takes a relayed command.
func (h *host) Command(ctx context.Context, s command.Signed) {
	select {
	case h.orders <- order{s, time.Now()}:
	default:
		h.log.WarnContext(ctx, "more commands than can be done, one is left to be sent again")
	}
}

// obey carries out commands one after the other, until ctx ends.
func (a *Agent) obey(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-a.orders:
			a.obeyOne(ctx, o)
		}
	}
}

func (a *Agent) obeyOne(ctx context.Context, o order) {
	chain := a.chain.now()
	cmd, err := chain.Verify(ctx, a.clock.now(), a.id.Host, a.journal, o.signed)
	if err != nil {
		a.refuse(ctx, o.signed, err)
		return
	}
	log := a.log.With(slog.String("verb", string(cmd.Verb)), slog.String("nonce", cmd.Nonce.String()))
	log.InfoContext(ctx, "command taken")
	a.queue(ctx, cmd.Nonce, command.Outcome{Nonce: cmd.Nonce[:], State: command.Running, Time: time.Now()})
	// From here the act ends by itself: a sensor that is asked to stop finishes what it began.
	act, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	detail, proof, err := a.act(act, cmd, o)
	out := command.Outcome{Nonce: cmd.Nonce[:], State: command.Done, Detail: detail, Time: time.Now()}
	if err != nil {
		out.State, out.Detail = command.Failed, err.Error()
		log.ErrorContext(ctx, "command failed", slog.Any("err", err))
	} else {
		log.InfoContext(ctx, "command done", slog.String("detail", detail))
	}
	if b, err := json.Marshal(proof); err == nil && proof != nil {
		out.Proof = b
	}
	if err := a.journal.end(cmd.Nonce, out); err != nil {
		log.ErrorContext(ctx, "outcome cannot be kept", slog.Any("err", err))
	}
	a.finish(ctx, cmd.Nonce, out)
}

// act does what a checked command says.
func (a *Agent) act(ctx context.Context, cmd *command.Command, o order) (detail string, proof any, err error) {
	if a.o.Config.forbids(cmd) {
		return "", nil, fmt.Errorf("this host's configuration forbids %s (class %s): see forbid in %s", cmd.Verb, cmd.Class, cmp.Or(a.o.Config.File, DefaultFile))
	}
	switch cmd.Verb {
	case command.Kill, command.Suspend, command.Resume:
		var args command.KillArguments
		if err := command.DecodeArguments(o.signed.Arguments, &args); err != nil {
			return "", nil, err
		}
		key, err := event.ParseKey(args.Process)
		if err != nil {
			return "", nil, err
		}
		do := map[command.Verb]func(context.Context, event.Key, bool) (sense.ProcessProof, error){
			command.Kill: a.procs.Kill, command.Suspend: a.procs.Suspend, command.Resume: a.procs.Resume,
		}[cmd.Verb]
		p, err := do(ctx, key, args.Tree)
		if errors.Is(err, sense.ErrGone) && cmd.Verb == command.Kill {
			return "", p, fmt.Errorf("nothing was killed: %w", err)
		}
		if err != nil {
			return "", p, err
		}
		return p.Said(), p, nil
	case command.Isolate:
		var args command.IsolateArguments
		if err := command.DecodeArguments(o.signed.Arguments, &args); err != nil {
			return "", nil, err
		}
		p, err := a.isolate.Isolate(ctx, time.Duration(args.Seconds)*time.Second, args.Allow)
		if err != nil {
			return "", p, err
		}
		if !p.Proven {
			return fmt.Sprintf("isolated by %s until %s: up, not proven: %s", p.Means, p.Until.UTC().Format(time.RFC3339), p.NotProven), p, nil
		}
		return fmt.Sprintf("isolated by %s until %s, proven after %.0f ms", p.Means, p.Until.UTC().Format(time.RFC3339), p.Millis), p, nil
	case command.Maintenance:
		var args command.MaintenanceArguments
		if err := command.DecodeArguments(o.signed.Arguments, &args); err != nil {
			return "", nil, err
		}
		return "the sensor may be stopped until " + a.clock.now().Add(time.Duration(args.Seconds)*time.Second).UTC().Format(time.RFC3339), nil, nil
	case command.Release:
		p, err := a.isolate.Release(ctx)
		if err != nil {
			return "", p, err
		}
		if !p.Proven {
			return "released, not proven: " + p.NotProven, p, nil
		}
		return fmt.Sprintf("released, proven after %.0f ms", p.Millis), p, nil
	default:
		return "", nil, fmt.Errorf("this sensor (%s) cannot do %s: update it", a.o.Version, cmd.Verb)
	}
}

// refuse answers a command that is not obeyed. One that was taken before and whose outcome the server
// has not confirmed is answered with that outcome: it was sent again because the line broke.
func (a *Agent) refuse(ctx context.Context, s command.Signed, err error) {
	sum := sha256.Sum256(s.Canonical)
	nonce := command.Nonce(sum[:16]) // stands in when the bytes name none
	if cmd, perr := command.Parse(s.Canonical); perr == nil {
		nonce = cmd.Nonce
	}
	if errors.Is(err, command.Replayed) {
		o, reported, _ := a.journal.known(nonce)
		if o == nil {
			return // it runs right now
		}
		if !reported {
			a.finish(ctx, nonce, *o)
			return
		}
	}
	out := command.Outcome{Nonce: nonce[:], State: command.Refused, Detail: err.Error(), Time: time.Now()}
	if refusal, ok := errors.AsType[*command.Refusal](err); ok {
		if refusal.Reason == command.Expired || refusal.Reason == command.NotYetValid {
			if d := a.clock.doubt(); d != "" {
				out.Detail += "; " + d
			}
		}
		out.Proof, _ = json.Marshal(map[string]string{"reason": string(refusal.Reason)})
	} else {
		out.State = command.Failed // ours to blame: the nonce could not be kept
	}
	a.log.WarnContext(ctx, "command refused", slog.String("err", err.Error()), slog.String("nonce", nonce.String()))
	a.queue(ctx, nonce, out)
}

// finish queues a final outcome.
func (a *Agent) finish(ctx context.Context, n command.Nonce, o command.Outcome) {
	if o.State == command.Unknown {
		if err := a.journal.end(n, o); err != nil {
			a.log.ErrorContext(ctx, "outcome cannot be kept", slog.Any("err", err))
		}
	}
	a.queue(ctx, n, o)
}

func (a *Agent) queue(ctx context.Context, n command.Nonce, o command.Outcome) {
	o.Time = o.Time.Truncate(time.Microsecond)
	o.Detail = event.Clip(strings.ToValidUTF8(o.Detail, "?"), maxDetail)
	if len(o.Proof) > maxProof {
		o.Proof = nil
	}
	sig, err := command.SignOutcome(&o, a.id.Key)
	if err != nil {
		a.log.ErrorContext(ctx, "outcome cannot be signed", slog.Any("err", err))
		return
	}
	a.mu.Lock()
	// A newer word on the same command replaces one that was not sent yet.
	a.outcomes = slices.DeleteFunc(a.outcomes, func(p *pendingOutcome) bool { return p.nonce == n })
	if len(a.outcomes) >= maxOutcomes {
		a.outcomes = slices.Delete(a.outcomes, 0, 1)
	}
	a.outcomes = append(a.outcomes, &pendingOutcome{n, &sensorv1.Outcome{
		Nonce: o.Nonce, State: string(o.State), Detail: []byte(o.Detail), Proof: o.Proof, Time: o.Time.UnixMicro(), Signature: sig,
	}})
	a.mu.Unlock()
	if a.link != nil {
		a.link.ReportSoon()
	}
}

// Bounds of what the server takes of an outcome.
const (
	maxDetail = 1900
	maxProof  = 60 << 10
)

// maxReported bounds what one heartbeat carries of outcomes; the server reads at most 512 KiB of a heartbeat.
const (
	maxReported      = 64
	maxReportedBytes = 256 << 10
)

// Outcomes gives what is to be reported; the rest goes with the next heartbeat, which follows at once.
func (h *host) Outcomes() (out []*sensorv1.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	size := 0
	for _, p := range h.outcomes[:min(len(h.outcomes), maxReported)] {
		size += len(p.wire.Detail) + len(p.wire.Proof)
		if len(out) > 0 && size > maxReportedBytes {
			break
		}
		out = append(out, p.wire)
	}
	return out
}

// Reported says that the server has them.
func (h *host) Reported(sent []*sensorv1.Outcome) {
	var final []command.Nonce
	h.mu.Lock()
	h.outcomes = slices.DeleteFunc(h.outcomes, func(p *pendingOutcome) bool {
		i := slices.IndexFunc(sent, func(o *sensorv1.Outcome) bool { return bytes.Equal(o.Signature, p.wire.Signature) })
		if i >= 0 && command.State(p.wire.State).Final() {
			final = append(final, p.nonce)
		}
		return i >= 0
	})
	more := len(h.outcomes) > 0
	h.mu.Unlock()
	for _, n := range final {
		h.journal.reported(n)
	}
	if more {
		h.link.ReportSoon()
	}
}
