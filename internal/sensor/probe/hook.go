package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/probe/bpf"
)

// States of a capability.
const (
	StateFull    = "full"
	StatePartial = "partial"
	StateBlind   = "blind"
)

// Capability says what can be seen of one event class.
type Capability struct {
	Class  string // process, network, dns, file, memory
	State  string // full, partial, blind
	Reason string // why not more, in one sentence; empty when full
}

// hook is one object of kernel programs that are loaded and attached together.
type hook struct {
	group string // name that Detach takes; the event class it serves
	name  string
	spec  func() (*ebpf.CollectionSpec, error)
	// attach ties the loaded programs to the kernel and gives back what undoes it.
	attach func(p *Probe, c *ebpf.Collection) ([]link.Link, error)
	// without says what is not seen when the hook does not work.
	without string
	// main is false for a hook whose absence leaves the class partial, not blind.
	main bool

	programs *ebpf.Collection
	links    []link.Link
	err      error
}

// plan lists the hooks in the order in which they are attached.
func plan() []*hook {
	return []*hook{
		{group: "process", name: "life", spec: bpf.LoadLife, attach: attachTracing("fork_seen", "exit_seen"), without: "forks and exits"},
		{group: "process", name: "exec", spec: bpf.LoadExec, attach: attachTracing("exec_seen"), without: "execs", main: true},
	}
}

func (h *hook) close() error {
	var errs []error
	for _, l := range h.links {
		errs = append(errs, l.Close())
	}
	h.links = nil
	if h.programs != nil {
		h.programs.Close()
		h.programs = nil
	}
	return errors.Join(errs...)
}

// attachTracing attaches the named BTF tracepoint programs.
func attachTracing(names ...string) func(*Probe, *ebpf.Collection) ([]link.Link, error) {
	return func(_ *Probe, c *ebpf.Collection) ([]link.Link, error) {
		var links []link.Link
		for _, name := range names {
			l, err := attachOne(c, name)
			if err != nil {
				return links, err
			}
			links = append(links, l)
		}
		return links, nil
	}
}

func attachOne(c *ebpf.Collection, name string) (link.Link, error) {
	// The library drops a program of a section it does not know and leaves nil behind.
	program := c.Programs[name]
	if program == nil {
		return nil, fmt.Errorf("program %s is missing from its object", name)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", name, err)
	}
	return l, nil
}

// sharedMaps lists the maps that all objects have in common.
var sharedMaps = []string{"ring_critical", "ring_network", "ring_bulk", "scratch", "counters", "sequences", "settings"}

// size puts the ring sizes of the options into a spec: each object must ask for what the shared map is.
func (p *Probe) size(spec *ebpf.CollectionSpec) {
	for name, bytes := range map[string]int{"ring_critical": p.opts.CriticalRing, "ring_network": p.opts.NetworkRing, "ring_bulk": p.opts.BulkRing} {
		spec.Maps[name].MaxEntries = uint32(bytes)
	}
}

func (p *Probe) makeMaps(cache *btf.Cache) error {
	spec, err := bpf.LoadExec()
	if err != nil {
		return fmt.Errorf("read object exec: %w", err)
	}
	p.size(spec)
	for _, name := range sharedMaps {
		m, err := ebpf.NewMapWithOptions(spec.Maps[name], ebpf.MapOptions{})
		if err != nil {
			return fmt.Errorf("make map %s: %w", name, err)
		}
		p.maps[name] = m
	}
	return nil
}

func (p *Probe) loadHooks(ctx context.Context, cache *btf.Cache) {
	for _, h := range plan() {
		if h.err = p.loadHook(h, cache); h.err != nil {
			p.log.WarnContext(ctx, "hook not available", slog.String("hook", h.name), slog.Any("err", h.err))
		}
		p.mu.Lock()
		p.hooks = append(p.hooks, h)
		p.mu.Unlock()
	}
}

func (p *Probe) loadHook(h *hook, cache *btf.Cache) error {
	spec, err := h.spec()
	if err != nil {
		return fmt.Errorf("read object %s: %w", h.name, err)
	}
	p.size(spec)
	replace := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		if m := p.maps[name]; m != nil {
			replace[name] = m
		}
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: cache})
	if err != nil {
		return fmt.Errorf("load %s: %w", h.name, err)
	}
	h.programs = c
	h.links, err = h.attach(p, c)
	if err != nil {
		return errors.Join(err, h.close())
	}
	return nil
}

// reason puts an error of the kernel into words an operator can act on.
func reason(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "the kernel refused the program (not root, or lockdown)"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, btf.ErrNotFound), errors.Is(err, unix.ENOENT):
		return "this kernel has no such hook"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// Capabilities tells for every class what can be seen, from what was loaded and attached.
func (p *Probe) Capabilities() []Capability {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Capability
	for _, h := range p.hooks {
		i := slices.IndexFunc(all, func(c Capability) bool { return c.Class == h.group })
		if i < 0 {
			i = len(all)
			all = append(all, Capability{Class: h.group, State: StateFull})
			if limit := limits[h.group]; limit != "" {
				all[i].State, all[i].Reason = StatePartial, limit
			}
		}
		if h.err == nil {
			continue
		}
		if h.main {
			all[i].State = StateBlind
		} else if all[i].State == StateFull {
			all[i].State = StatePartial
		}
		if all[i].Reason != "" {
			all[i].Reason += "; "
		}
		all[i].Reason += h.without + " are not seen: " + reason(h.err)
	}
	return all
}

// limits names what tier 0 never sees of a class, even with all hooks in place.
var limits = map[string]string{}

// errDetached is why a class is blind after Detach.
var errDetached = errors.New("the hook was detached on request")

// Detach takes the hooks of one group off the kernel: the names are the classes of Capabilities. Its class is
// blind from then on. Tests and operations use it to see that a dead probe is noticed.
func (p *Probe) Detach(group string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	var errs []error
	for _, h := range p.hooks {
		if h.group != group {
			continue
		}
		found = true
		errs = append(errs, h.close())
		h.err = errDetached
	}
	if !found {
		return fmt.Errorf("no hook group %q: one of process, network, dns, file, memory", group)
	}
	return errors.Join(errs...)
}
