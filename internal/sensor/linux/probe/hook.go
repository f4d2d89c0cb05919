package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/linux/probe/bpf"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// hook is one object of kernel programs that are loaded and attached together.
type hook struct {
	group string // name that Detach takes; the event class it serves
	name  string
	spec  func() (*ebpf.CollectionSpec, error)
	// fill writes what its own tables begin with, before they are frozen; nil when they begin empty.
	fill func(p *Probe, c *ebpf.Collection) error
	// attach ties the loaded programs to the kernel and gives back what undoes it.
	attach func(p *Probe, c *ebpf.Collection) ([]io.Closer, error)
	// without says what is not seen when the hook does not work.
	without string
	// main is false for a hook whose absence leaves the class partial, not blind.
	main bool
	// finer is true for a hook that makes what others see more certain: that a kernel has none lowers no class, that
	// somebody takes it away does.
	finer bool
	// instead is a hook that is loaded only where this one does not work.
	instead *hook

	programs *ebpf.Collection
	links    []io.Closer
	oaths    map[link.Link]oath // what each link was when it was attached
	err      error
	again    uint64        // boot time at which a hook that was taken away is attached again
	away     time.Duration // how long that was the last time
}

// plan lists the hooks in the order in which they are attached.
func plan() []*hook {
	return []*hook{
		// Handlers first: the dispatcher that calls them is attached last.
		{group: "network", name: "net", spec: bpf.LoadNet, attach: attachNet, without: "connections", main: true},
		{group: "dns", name: "dns", spec: bpf.LoadDns, attach: attachTracing("query_seen", "answer_seen"), without: "DNS queries", main: true},
		{group: "file", name: "file", spec: bpf.LoadFile, fill: fillSecrets, attach: attachFile, without: "files", main: true},
		{
			group: "file", name: "witness", spec: bpf.LoadWitness, attach: attachTracing("unlink_asked", "rename_asked", "chmod_asked", "truncate_asked", "file_cut_asked?", "link_asked", "symlink_asked"),
			without: "names in the kernel", finer: true, instead: &hook{
				group: "file", name: "ctime", spec: bpf.LoadCtime, attach: attachTracing("ctime_set", "ctime_exchanged", "ctime_kept"),
				without: "names in the kernel", finer: true,
			},
		},
		{group: "memory", name: "memory", spec: bpf.LoadMemory, attach: handle(map[uint32]string{
			handlePtrace:  "ptrace_done",
			handleVMWrite: "vm_write_done", handleMemfd: "memfd_done",
		}), without: "ptrace, memory writes and memory files", main: true},
		{group: "process", name: "life", spec: bpf.LoadLife, attach: attachTracing("fork_seen", "exit_seen"), without: "forks and exits"},
		{group: "process", name: "signal", spec: bpf.LoadSignal, attach: attachTracing("signal_seen"), without: "signals to the sensor", finer: true},
		{group: "process", name: "exec", spec: bpf.LoadExec, attach: attachTracing("exec_seen"), without: "execs", main: true},
		{group: dispatcher, name: "syscall", spec: bpf.LoadSyscall, attach: attachCalls, without: "system calls", main: true},
	}
}

// dispatcher is the group of the one program that the handlers of these classes hang on.
const dispatcher = "syscall"

var dispatched = map[string]bool{"file": true, "memory": true, "network": false} // value: blind without it

// attachNet attaches the socket states, in the order in which they look, and the handler that learns who accepted a
// connection.
func attachNet(p *Probe, c *ebpf.Collection) ([]io.Closer, error) {
	links, err := attachTracing("state_seen", "state_again")(p, c)
	if err != nil {
		return links, err
	}
	accept, err := handle(map[uint32]string{handleAccept: "accept_done"})(p, c)
	links = append(links, accept...)
	if err != nil {
		return links, err
	}
	return attachIfLoaded(c, "uring_accepted", links)
}

// doubled are the programs whose misses lose nothing: what one of them missed, the other sees.
var doubled = map[string]bool{"state_seen": true, "state_again": true}

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

// attachTracing attaches the named programs; one with a question mark only where this kernel has its place.
func attachTracing(names ...string) func(*Probe, *ebpf.Collection) ([]io.Closer, error) {
	return func(_ *Probe, c *ebpf.Collection) ([]io.Closer, error) {
		var links []io.Closer
		for _, name := range names {
			name, may := strings.CutSuffix(name, "?")
			if may && c.Programs[name] == nil {
				continue
			}
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

// callMaps lists those that the objects with system call handlers share beside them.
var callMaps = []string{"handlers", "buckets", "witnesses", "cuts"}

// size puts the ring sizes of the options into a spec: each object must ask for what the shared map is.
func (p *Probe) size(spec *ebpf.CollectionSpec) {
	for name, bytes := range map[string]int{"ring_critical": p.opts.CriticalRing, "ring_network": p.opts.NetworkRing, "ring_bulk": p.opts.BulkRing} {
		spec.Maps[name].MaxEntries = uint32(bytes)
	}
}

func (p *Probe) makeMaps() error {
	spec, err := bpf.LoadSyscall()
	if err != nil {
		return fmt.Errorf("read object syscall: %w", err)
	}
	p.size(spec)
	for _, name := range append(sharedMaps, callMaps...) {
		m, err := ebpf.NewMapWithOptions(spec.Maps[name], ebpf.MapOptions{})
		if err != nil {
			return fmt.Errorf("make map %s: %w", name, err)
		}
		p.maps[name] = m
	}
	return freeze(p.maps)
}

func (p *Probe) loadHooks(ctx context.Context, cache *btf.Cache) {
	for _, h := range plan() {
		for ; h != nil; h = h.instead {
			if h.err = p.loadHook(h, cache); h.err != nil {
				level := slog.LevelWarn
				if h.finer {
					level = slog.LevelDebug
				}
				p.log.Log(ctx, level, "hook not available", slog.String("hook", h.name), slog.Any("err", h.err))
			}
			p.mu.Lock()
			p.hooks = append(p.hooks, h)
			p.mu.Unlock()
			if h.err == nil {
				break
			}
		}
	}
}

// Where the last name of a file comes from that a call renames, removes, links or changes by path.
const (
	NamesKernel = "kernel" // always the kernel
	NamesSingle = "single" // the kernel; memory of the caller, and marked, for chmod and link of a file of several names
	NamesCaller = "caller" // memory of the caller, and marked
)

// Names says where such names come from on this kernel, as one of the constants above.
func (p *Probe) Names() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hooks {
		if h.err != nil {
			continue
		}
		switch h.name {
		case "witness":
			return NamesKernel
		case "ctime":
			return NamesSingle
		}
	}
	return NamesCaller
}

func (p *Probe) loadHook(h *hook, cache *btf.Cache) error {
	spec, err := h.spec()
	if err != nil {
		return fmt.Errorf("read object %s: %w", h.name, err)
	}
	p.size(spec)
	if err := p.constants(spec); err != nil {
		return err
	}
	if err := prune(spec, cache); err != nil {
		return err
	}
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
	if h.fill != nil {
		err = h.fill(p, c)
	}
	if err == nil {
		err = freeze(c.Maps)
	}
	if err == nil {
		err = p.ours.add(c)
	}
	if err == nil {
		h.links, err = h.attach(p, c)
	}
	if err == nil {
		err = h.swear()
	}
	if err != nil {
		return errors.Join(err, h.close())
	}
	return nil
}

// optional are programs for what a kernel may be built without: without it there is nothing to see.
var optional = []string{"uring_done", "uring_accepted", "file_cut_asked"}

// prune takes the optional programs out of an object for which this kernel has no tracepoint.
func prune(spec *ebpf.CollectionSpec, cache *btf.Cache) error {
	for _, name := range optional {
		program := spec.Programs[name]
		if program == nil {
			continue
		}
		kernel, err := cache.Kernel()
		if err != nil {
			return fmt.Errorf("read the kernel's types: %w", err)
		}
		place := "btf_trace_" + program.AttachTo
		if program.AttachType == ebpf.AttachTraceFEntry {
			place = program.AttachTo
		}
		if _, err := kernel.AnyTypesByName(place); errors.Is(err, btf.ErrNotFound) {
			delete(spec.Programs, name)
		} else if err != nil {
			return fmt.Errorf("look for tracepoint %s: %w", program.AttachTo, err)
		}
	}
	return nil
}

// attachIfLoaded adds the link of an optional program to those of its hook, unless this kernel has no place for it.
func attachIfLoaded(c *ebpf.Collection, name string, links []io.Closer) ([]io.Closer, error) {
	if c.Programs[name] == nil {
		return links, nil
	}
	l, err := attachOne(c, name)
	if err != nil {
		return links, err
	}
	return append(links, l), nil
}

// reason puts an error of the kernel into words an operator can act on.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrRemoved):
		return ErrRemoved.Error()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "the kernel refused the program (not root, or lockdown)"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, btf.ErrNotFound), errors.Is(err, unix.ENOENT):
		return "this kernel has no such hook"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// Capabilities tells for every class what can be seen, from what was loaded and attached.
func (p *Probe) Capabilities() []sense.Capability {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []sense.Capability
	var missing error
	for _, h := range p.hooks {
		if h.group == dispatcher {
			missing = h.err
			continue
		}
		i := slices.IndexFunc(all, func(c sense.Capability) bool { return c.Class == h.group })
		if i < 0 {
			i = len(all)
			all = append(all, sense.Capability{Class: h.group, State: sense.StateFull})
		}
		if h.finer && !errors.Is(h.err, ErrRemoved) && !errors.Is(h.err, errDetached) {
			continue
		}
		if h.err != nil {
			all[i].Lower(h.main, h.without+" are not seen: "+reason(h.err))
		}
	}
	for i := range all {
		if blind, ok := dispatched[all[i].Class]; ok && missing != nil {
			all[i].Lower(blind, "system calls are not seen: "+reason(missing))
		}
	}
	return all
}

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
