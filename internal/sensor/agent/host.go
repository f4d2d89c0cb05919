package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event/registry"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

// host is the agent as the uplink sees it.
type host Agent

// Hello says what this host is.
func (h *host) Hello() *sensorv1.HelloRequest {
	f := &h.facts
	return &sensorv1.HelloRequest{
		Version: f.version, Os: sense.OS.String(), Hostname: []byte(f.hostname), Kernel: f.kernel, BootId: f.bootID[:], BootNs: boot.Now(),
		WallTime: time.Now().UnixMicro(), Registry: registry.Version, Capabilities: (*Agent)(h).capabilities(), Addresses: uplink.Addresses(),
	}
}

func (a *Agent) capabilities() (out []*sensorv1.Capability) {
	if a.o.Source == nil {
		for _, c := range classes {
			out = append(out, &sensorv1.Capability{Class: c, State: "blind", Reason: []byte(a.o.Blind)})
		}
		return out
	}
	for _, c := range a.o.Source.Capabilities() {
		out = append(out, &sensorv1.Capability{Class: c.Class, State: c.State, Reason: []byte(c.Reason)})
	}
	return out
}

// Report gives the counters.
func (h *host) Report() *sensorv1.ReportRequest {
	a := (*Agent)(h)
	r := &sensorv1.ReportRequest{BootNs: boot.Now(), WallTime: time.Now().UnixMicro(), Capabilities: a.capabilities()}
	add := func(name string, n uint64) {
		r.Counters = append(r.Counters, &sensorv1.Counter{Name: name, Value: n})
	}
	add("events", a.seen.Load())
	if a.o.Source != nil {
		add("hung", uint64(a.o.Source.Hung()))
		if all, err := a.o.Source.Counters(); err == nil {
			for class, c := range all {
				for _, one := range []struct {
					name string
					n    uint64
				}{
					{"seen", c.Seen},
					{"filtered", c.Filtered},
					{"repeated", c.Repeated},
					{"throttled", c.Throttled},
					{"submitted", c.Submitted},
					{"ring_full", c.RingFull},
					{"no_scratch", c.NoScratch},
					{"missed", c.Missed},
				} {
					add(one.name+"."+class, one.n)
				}
			}
		}
	}
	if st := a.isolate.State(); st.Due {
		add("contain.due", 1)
		add("contain.denied", st.Denied)
		if st.Active {
			add("contain.isolated", 1)
		}
	}
	return r
}

// Clock takes the server's time.
func (h *host) Clock(server time.Time) {
	if err := h.clock.set(server); err != nil {
		h.log.Debug("the server's time is not kept over a restart", slog.Any("err", err)) // a full disk is said elsewhere
	}
}

// List takes an operator list; one that is not newer or not the authority's changes nothing.
func (h *host) List(ctx context.Context, list []byte) {
	h.lists.Lock() // two that come at once are kept in the order in which they were adopted
	defer h.lists.Unlock()
	fresh, err := h.chain.adopt(list)
	if err != nil {
		h.log.ErrorContext(ctx, "operator list refused", slog.Any("err", err))
		return
	}
	if fresh {
		if err := h.id.KeepList(list); err != nil {
			h.log.ErrorContext(ctx, "operator list cannot be kept for the next start", slog.Any("err", err))
		}
	}
}

// chain guards the chain: lists come while commands are checked.
type chain struct {
	mu   sync.Mutex // guards held
	held *command.Chain
}

func (c *chain) adopt(list []byte) (fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var before uint64
	if c.held.List != nil {
		before = c.held.List.Generation
	}
	if err := c.held.Adopt(list); err != nil {
		return false, err
	}
	return c.held.List.Generation > before, nil
}

// now gives a copy to check with: its list is never changed, only replaced.
func (c *chain) now() command.Chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.held
}
