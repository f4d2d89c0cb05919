// Package probe is the Linux sensor's eye: it loads and attaches the kernel programs of package bpf, drains
// their rings in order of time and hands on the events that package decode makes of the records.
//
// It promises exact bookkeeping: what a program saw and could not hand over is counted by class and reported
// as sensor.loss, and a hook that does not load makes its class blind or partial, never the sensor dead. It
// does not know processes beyond what one record says; package proctree fills in ancestors and names, and
// package sight joins the two. Hook plan, record layout and the traps behind them: docs/format/probe-record.md.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/aside"
	"github.com/yagura-edr/yagura/internal/sensor/linux/clock"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
	"github.com/yagura-edr/yagura/internal/sensor/linux/ring"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Options says how to look. Zero values take the defaults named.
type Options struct {
	Log *slog.Logger

	// Sizes of the rings in bytes, powers of two; 2 MiB, 2 MiB, 4 MiB.
	CriticalRing, NetworkRing, BulkRing int
	// Drain is the time between two drains; 10 ms.
	Drain time.Duration
	// Mend is how long a hook stays away that somebody took off the kernel, until it is attached again, the first time;
	// each time that follows it is twice as long, up to mendMost. 10 s.
	Mend time.Duration
	// Credentials are the names whose opening for reading is reported; DefaultCredentials.
	Credentials []Credential
	// ReportSelf makes the sensor's own acts visible. Only tests, whose acts are the test process's own, set it.
	ReportSelf bool
}

// Errors that Open explains in a sentence of its own.
var (
	ErrNoBTF   = errors.New("this kernel has no BTF (/sys/kernel/btf/vmlinux): the sensor needs a kernel built with CONFIG_DEBUG_INFO_BTF=y")
	ErrNotRoot = errors.New("the sensor may not load BPF programs: run it as root (CAP_BPF and CAP_PERFMON)")
)

// Probe is the set of attached programs with their rings.
type Probe struct {
	log     *slog.Logger
	opts    Options
	bootTag uint32
	self    uint32 // own tgid in the first pid namespace

	hostRoot decode.Root  // of the sensor's own process
	listing  *decode.Root // of the process that a snapshot is emitting

	maps  map[string]*ebpf.Map
	rings [rings]*ring.Ring
	sleep *sleeper
	iter  *link.Iter
	snap  *ebpf.Collection

	mu    sync.Mutex // guards hooks
	hooks []*hook

	reader *aside.Crew // of arguments of running processes
	asked  sync.Map    // pids whose arguments are being read

	moves atomic.Uint64 // of the drain: records handed on, and looks at the rings

	clock *clock.Clock
	loss  *lossMeter
	watch vigil // of Run
	ours  known
	pool  sync.Pool // of *event.Event that were given back
	run   *drain    // of Run
}

// Order of the rings, as the kernel side numbers them.
const (
	ringCritical = iota
	ringNetwork
	ringBulk
	rings
)

var ringNames = [rings]string{"ring_critical", "ring_network", "ring_bulk"}

// Open loads and attaches every hook that this kernel takes. It fails only when nothing can be seen at all;
// Capabilities says what is missing otherwise. The caller ends with Close.
func Open(ctx context.Context, opts Options) (*Probe, error) {
	opts.CriticalRing = cmp.Or(opts.CriticalRing, 2<<20)
	opts.NetworkRing = cmp.Or(opts.NetworkRing, 2<<20)
	opts.BulkRing = cmp.Or(opts.BulkRing, 4<<20)
	opts.Drain = cmp.Or(opts.Drain, 10*time.Millisecond)
	opts.Mend = cmp.Or(opts.Mend, 10*time.Second)
	if opts.Credentials == nil {
		opts.Credentials = DefaultCredentials
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return nil, ErrNoBTF
	}
	tag, err := boot.Tag()
	if err != nil {
		return nil, err
	}
	p := &Probe{log: opts.Log, opts: opts, bootTag: tag, maps: map[string]*ebpf.Map{}, clock: clock.New(), reader: aside.NewCrew(lineCrew)}
	// BTF of the kernel is some 10 MB when parsed: shared by the loads below, garbage after them.
	if err := p.load(ctx, btf.NewCache()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Probe) load(ctx context.Context, cache *btf.Cache) error {
	if err := p.makeMaps(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return fmt.Errorf("%w (%w)", ErrNotRoot, err)
		}
		return err
	}
	for i, name := range ringNames {
		r, err := ring.Open(p.maps[name])
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		p.rings[i] = r
	}
	var err error
	if p.sleep, err = newSleeper(p.maps["settings"], p.maps[ringNames[ringCritical]], p.maps[ringNames[ringNetwork]], p.maps[ringNames[ringBulk]]); err != nil {
		return fmt.Errorf("wait for records: %w", err)
	}
	p.openSnapshot(ctx, cache)
	if p.self == 0 {
		p.self = uint32(os.Getpid())
	}
	p.loadHooks(ctx, cache)
	p.loss = newLossMeter(p)
	for _, c := range p.Capabilities() {
		if c.State != sense.StateBlind {
			return nil
		}
	}
	return fmt.Errorf("no hook of this kernel works: %s", p.Capabilities()[0].Reason)
}

// Self gives the sensor's own process id in the first pid namespace.
func (p *Probe) Self() uint32 { return p.self }

// BootTag gives the tag of this boot that process keys carry.
func (p *Probe) BootTag() uint32 { return p.bootTag }

// Close detaches everything. Run must have returned.
func (p *Probe) Close() error {
	var errs []error
	p.mu.Lock()
	for _, h := range p.hooks {
		errs = append(errs, h.close())
	}
	p.hooks = nil
	p.mu.Unlock()
	if p.iter != nil {
		errs = append(errs, p.iter.Close())
	}
	if p.snap != nil {
		p.snap.Close()
	}
	if p.sleep != nil {
		errs = append(errs, p.sleep.close())
	}
	for _, r := range p.rings {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	for _, m := range p.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Run drains the rings until ctx ends and hands each event to emit, in the order of their boot time as far as
// the rings can tell. emit is called from one goroutine and may not keep it long: what piles up meanwhile is
// in the rings, and what does not fit there is counted as loss. On the way out the rings are drained once
// more.
func (p *Probe) Run(ctx context.Context, emit func(*event.Event)) error {
	defer p.sleep.until(ctx)()
	d := newDrain(p, emit)
	p.run = d
	second := boot.Now()
	p.watch.last = second
	for {
		p.moves.Add(1)
		if ctx.Err() != nil {
			d.run(ctx, ^uint64(0))
			d.decoder.Unanswered(^uint64(0), emit)
			p.calm(d.decoder, 0, emit)
			p.loss.report(ctx, emit)
			return context.Cause(ctx)
		}
		now := p.clock.Boot()
		again := d.run(ctx, now)
		d.decoder.Unanswered(now, emit)
		if now >= second+uint64(time.Second) {
			second = now
			p.clock.Set()
			d.decoder.SetSizes(p.Names() == NamesKernel)
			p.loss.report(ctx, emit)
			p.calm(d.decoder, now, emit)
			p.watch.keep(ctx, p, now, emit)
		}
		if !again {
			d.rest(now, second)
		}
	}
}

// Moves counts what Run has done. It goes up at least once a second while Run drains the rings, and stands still when whoever
// it hands events to does.
func (p *Probe) Moves() uint64 { return p.moves.Load() }

// CatchUp waits until every record of the critical ring that is written by now was handed on.
func (p *Probe) CatchUp(ctx context.Context) error {
	r := p.rings[ringCritical]
	until := r.Written()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.Read() < until {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// Free gives an event back that was emitted and is no longer used: it is made another one. Whoever keeps an event,
// or a list of one, does not give it back; its texts may be kept.
func (p *Probe) Free(e *event.Event) { p.pool.Put(e) }

// Executed identifies the image of the exec that is being emitted; zero when it has no inode. It may be asked from
// inside emit only.
func (p *Probe) Executed() decode.Image {
	if p.run == nil {
		return decode.Image{}
	}
	return p.run.decoder.Executed()
}

// Ends gives the pipes, and the file that standard output goes to, of the exec or exit that is being emitted. It may be
// asked from inside emit only, and what it gives does not outlive that.
func (p *Probe) Ends() []decode.End {
	if p.run == nil {
		return nil
	}
	return p.run.decoder.Ends()
}

// Arguments gives the arguments of the exec that is being emitted, each ended by NUL. It may be asked from inside emit only, and what it
// gives does not outlive that.
func (p *Probe) Arguments() []byte {
	if p.run == nil {
		return nil
	}
	return p.run.decoder.Arguments()
}

// Root gives the root folder of the process whose exec, or running, is being emitted. It may be asked from inside emit only.
func (p *Probe) Root() decode.Root {
	if p.listing != nil {
		return *p.listing
	}
	if p.run == nil {
		return decode.Root{}
	}
	return p.run.decoder.Root()
}

// HostRoot gives the root folder of the host, by the sensor's own process.
func (p *Probe) HostRoot() decode.Root { return p.hostRoot }

// bulkDrain is how long records of the other rings may lie while no critical one comes: their lanes wait longer
// than that for a batch to fill.
const bulkDrain = 50 * time.Millisecond

// calmRounds is for how many rounds after a critical record the sensor looks by itself: a program that starts
// twenty others a second must not pay for a knock with each.
const calmRounds = 5

// rest sleeps until the rings are worth another look: for one drain when critical records come, longer when only
// others do, and until a kernel program knocks when nothing does.
func (d *drain) rest(now, second uint64) {
	most := time.Second
	if d.decoder.Waits() {
		most = decode.AnswerWait
	}
	if due := time.Duration(second + uint64(time.Second) - now); due < most {
		most = max(due, time.Millisecond)
	}
	came := d.came
	if d.calm++; d.cameCritical {
		d.calm = 0
	}
	d.came, d.cameCritical = false, false
	switch {
	case d.calm < calmRounds || d.left:
		d.p.sleep.nap(d.p.opts.Drain)
	case came:
		d.p.sleep.doze(asleepCritical, max(d.p.opts.Drain, min(bulkDrain, most)), func() bool {
			r := &d.p.rings
			return r[ringCritical].Available() == 0 && r[ringNetwork].Available() < knockBytes && r[ringBulk].Available() < knockBytes
		})
	default:
		d.p.sleep.doze(asleepAll, most, func() bool {
			for _, r := range d.p.rings {
				if r.Available() != 0 {
					return false
				}
			}
			return true
		})
	}
}

// drain merges the three rings by time. Each ring is in order but for a few microseconds; merging them keeps
// an act behind the exec that made its actor.
type drain struct {
	p       *Probe
	emit    func(*event.Event)
	record  [rings][]byte // in the rings themselves
	boot    [rings]uint64
	decoder *decode.Decoder

	// What the last round found; rest goes by it.
	came, cameCritical bool
	calm               int  // rounds since a critical record came
	left               bool // a record was left for the next round
}

func newDrain(p *Probe, emit func(*event.Event)) *drain {
	d := &drain{p: p, emit: emit}
	within := map[string]string{}
	for _, c := range p.opts.Credentials {
		within[c.Name] = c.Within
	}
	d.decoder = decode.New(decode.Options{BootTag: p.bootTag, Clock: p.clock, Pool: &p.pool, Sizes: p.Names() == NamesKernel, Within: within})
	return d
}

// run hands over every record made before until, and says whether a ring was so full that another round
// should follow at once.
func (d *drain) run(ctx context.Context, until uint64) (again bool) {
	d.left = false
	for {
		first := -1
		for i := range d.record {
			if d.record[i] == nil {
				d.next(ctx, i)
			}
			if d.record[i] != nil && (first < 0 || d.boot[i] < d.boot[first]) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		if d.boot[first] > until {
			d.left = true
			break
		}
		d.came, d.cameCritical = true, d.cameCritical || first == ringCritical
		if err := d.decoder.Decode(d.record[first], d.emit); err != nil {
			d.p.loss.undecoded.Add(1)
			d.p.log.WarnContext(ctx, "record not understood", slog.Any("err", err))
		}
		d.record[first] = nil
		d.p.rings[first].Done()
		d.p.moves.Add(1)
	}
	for _, r := range d.p.rings {
		if r.Available() > r.Size()/4 {
			return true
		}
	}
	return false
}

// next fetches the head of a ring, if it has one.
func (d *drain) next(ctx context.Context, i int) {
	r := d.p.rings[i]
	for {
		b, err := r.Next()
		if err != nil { // somebody moved the reader's position under us: what lies there cannot be told from noise
			d.p.log.ErrorContext(ctx, "ring not readable, read on from its end", slog.String("ring", ringNames[i]), slog.Any("err", err))
			d.p.loss.undecoded.Add(1)
			d.p.watch.intrusion(intrudedRing(i))
			r.Skip()
			return
		}
		if b == nil {
			d.left = d.left || r.Available() != 0 // a record is being written
			return
		}
		if len(b) >= decode.HeadBytes {
			d.record[i], d.boot[i] = b, decode.BootOf(b)
			return
		}
		r.Done()
		d.p.loss.undecoded.Add(1)
	}
}

// Now gives the time since boot in ns and what the host's clock says in µs, for events the sensor makes itself.
func (p *Probe) Now() (bootNS uint64, hostTime int64) {
	now := p.clock.Boot()
	return now, p.clock.Host(now)
}

// calm tells of processes that are no longer throttled; now 0 ends all.
func (p *Probe) calm(d *decode.Decoder, now uint64, emit func(*event.Event)) {
	d.Calm(func(k decode.BucketKey) (b decode.Bucket, err error) {
		err = p.maps["buckets"].Lookup(k, &b)
		return b, err
	}, now, p.clock.Boot(), emit)
}
