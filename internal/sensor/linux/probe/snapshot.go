package probe

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/aside"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
	"github.com/yagura-edr/yagura/internal/sensor/linux/probe/bpf"
)

// openSnapshot loads the iterator over running processes and learns the sensor's own number from it. Without
// it the sensor still sees what starts from now on.
func (p *Probe) openSnapshot(ctx context.Context, cache *btf.Cache) {
	if err := p.loadSnapshot(cache); err != nil {
		p.log.WarnContext(ctx, "processes that already run are not known", slog.Any("err", err))
		return
	}
	err := p.tasks(func(record []byte) error {
		p.self = decode.ReaderOf(record)
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		p.log.WarnContext(ctx, "own process number not known", slog.Any("err", err))
	}
}

var errStop = errors.New("enough")

func (p *Probe) loadSnapshot(cache *btf.Cache) error {
	spec, err := bpf.LoadSnapshot()
	if err != nil {
		return fmt.Errorf("read object snapshot: %w", err)
	}
	p.size(spec)
	replace := map[string]*ebpf.Map{}
	for _, name := range sharedMaps {
		if name != "scratch" { // its own: see snapshot.bpf.c
			replace[name] = p.maps[name]
		}
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: cache})
	if err != nil {
		return fmt.Errorf("load snapshot: %w", err)
	}
	program := c.Programs["snapshot"]
	if program == nil {
		c.Close()
		return errors.New("program snapshot is missing from its object")
	}
	if err := errors.Join(freeze(c.Maps), p.ours.add(c)); err != nil {
		c.Close()
		return err
	}
	iter, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		c.Close()
		return fmt.Errorf("attach snapshot: %w", err)
	}
	p.snap, p.iter = c, iter
	return nil
}

// tasks reads the iterator and hands over each record.
func (p *Probe) tasks(each func(record []byte) error) error {
	if p.iter == nil {
		return errors.New("the kernel has no task iterator")
	}
	r, err := p.iter.Open()
	if err != nil {
		return fmt.Errorf("open task iterator: %w", err)
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 64<<10)
	record := make([]byte, 0, 32<<10)
	for {
		first, err := in.Peek(8)
		if errors.Is(err, io.EOF) && len(first) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read task iterator: %w", err)
		}
		n := decode.LengthOf(first)
		if n < decode.HeadBytes || n > 32<<10 {
			return fmt.Errorf("task record of %d bytes: %w", n, event.ErrMalformed)
		}
		record = record[:n]
		if _, err := io.ReadFull(in, record); err != nil {
			return fmt.Errorf("read task iterator: %w", err)
		}
		if err := each(record); err != nil {
			return err
		}
	}
}

// Snapshot emits a process.running event for every process there is, the sensor's own included: it is the
// parent of the canary. Arguments come from /proc, everything else from the kernel's objects.
func (p *Probe) Snapshot(ctx context.Context, emit func(*event.Event)) error {
	d := decode.New(decode.Options{BootTag: p.bootTag, Clock: p.clock})
	seen, parents := map[event.Key]bool{}, map[event.Key]event.Process{}
	type task struct {
		e    *event.Event
		root decode.Root
	}
	var later []task
	err := p.tasks(func(record []byte) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return d.Decode(record, func(e *event.Event) {
			if e.Actor.Path != "" { // kernel threads have none
				p.line(e)
			}
			if e.Actor.PID == uint64(p.self) {
				p.hostRoot = d.Root()
			}
			seen[e.Actor.Key] = true
			if e.Parent.PID != 0 {
				parents[e.Parent.Key] = e.Parent
			}
			later = append(later, task{e, d.Root()})
		})
	})
	// A process may be passed over (a guest's first process was, on 6.18). Its children name it.
	for key, parent := range parents {
		if !seen[key] {
			emit(p.fromProc(parent))
		}
	}
	// The kernel lists by number, and numbers begin anew: parents first, so that children can be told of them.
	slices.SortStableFunc(later, func(a, b task) int { return cmp.Compare(a.e.Actor.StartNS, b.e.Actor.StartNS) })
	defer func() { p.listing = nil }()
	for _, t := range later {
		p.listing = &t.root
		emit(t.e)
	}
	return err
}

// fromProc describes a running process, whose key a child gave, from /proc.
func (p *Probe) fromProc(who event.Process) *event.Event {
	boot, host := p.Now()
	e := &event.Event{Kind: event.ProcessRunning, OS: event.Linux, BootNS: boot, HostTime: host, Flags: event.FlagRecovered, Actor: who}
	// Somebody may have mounted something over its folder that does not answer.
	if found, err := aside.Get(p.reader, lineWait, func() event.Process { return described(who) }, nil); err == nil {
		e.Actor = found
	} else {
		e.Flags |= event.FlagUnreadable
	}
	p.line(e)
	return e
}

func described(a event.Process) event.Process {
	dir := "/proc/" + strconv.FormatUint(a.PID, 10)
	// What is gone by now, or closed even to root, stays empty.
	a.Path, _ = os.Readlink(dir + "/exe")
	if comm, err := os.ReadFile(dir + "/comm"); err == nil {
		a.Comm = strings.TrimSuffix(string(comm), "\n")
	}
	a.Cwd, _ = os.Readlink(dir + "/cwd")
	if info, err := os.Stat(dir); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			a.EffectiveUserID = strconv.FormatUint(uint64(st.Uid), 10)
			a.UserID = a.EffectiveUserID
		}
	}
	return a
}

// line fills in the arguments of a running process. To read them waits for the lock on its memory, which a thread that hangs may hold,
// and for whatever somebody mounted over its files in /proc: then they are marked as unreadable, and not asked for again before an answer came.
func (p *Probe) line(e *event.Event) {
	pid := e.Actor.PID
	if _, asked := p.asked.LoadOrStore(pid, struct{}{}); asked {
		e.Flags |= event.FlagUnreadable
		return
	}
	line, err := aside.Get(p.reader, lineWait, func() string {
		defer p.asked.Delete(pid)
		return commandLine(pid)
	}, nil)
	if errors.Is(err, aside.ErrFull) {
		p.asked.Delete(pid)
	}
	if err != nil {
		e.Flags |= event.FlagUnreadable
	}
	e.Actor.CommandLine = line
}

const (
	lineWait = 50 * time.Millisecond
	lineCrew = 16 // processes whose arguments may be waited for
)

// commandLine reads the arguments of a running process; empty when it is gone by now.
func commandLine(pid uint64) string {
	f, err := os.Open("/proc/" + strconv.FormatUint(pid, 10) + "/cmdline")
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 8191)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	return decode.JoinArguments(b[:n])
}
