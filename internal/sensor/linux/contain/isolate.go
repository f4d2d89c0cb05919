package contain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/durable"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Options of an isolator.
type Options struct {
	StateFile string // survives a restart of the sensor
	Cgroup    string // cgroup2 folder whose processes are isolated; empty: the root of cgroup2, all of the host
	PinDir    string // bpffs folder; empty: found or mounted beside the state file
	Keep      func(ctx context.Context) (sense.Reach, error)
	Denied    netip.AddrPort                                    // where the packet goes that must not leave; invalid: somewhere that nobody is, see targets
	Probe     func(ctx context.Context, to sense.Target) string // sends that packet, from inside Cgroup; nil: this process does
	Tell      func(sense.Tamper)                                // takes what somebody did to an isolation; it must be quick, and call nothing here; nil: nobody
	Means     string                                            // only this one: cgroup or nftables; empty: the first that works
	Log       *slog.Logger
}

// Isolator isolates this host and lets it go.
type Isolator struct {
	o   Options
	log *slog.Logger

	mu    sync.Mutex // guards what follows; held across the act, so that acts do not mix
	held  barrier    // nil when not isolated
	saved saved
	timer *time.Timer
	over  chan struct{}
	mount string // bpffs mounted by us

	taken     bool   // what an earlier start left was looked at
	written   []byte // the state file as it should be
	proven    bool
	notProven string
	problem   string            // why what is due does not hold
	looked    uint64            // when that was found out last
	told      map[string]uint64 // reason → when
	frames    map[uint64]bool   // packet sockets that are known
}

// barrier is one way of isolating.
type barrier interface {
	denied() (uint64, error)
	verify() string // what of it is no longer as it was put up; empty: nothing
	pinned() bool
	drop() error   // ends the isolation
	leave() error  // lets go of it without ending it, when it holds by itself
	retire() error // ends it when another one stands in its place
}

// saved is the state file.
type saved struct {
	Until     time.Time `json:"until"`
	UntilBoot uint64    `json:"until_boot_ns"`
	Boot      string    `json:"boot_id"`
	Allow     []string  `json:"allow"`
	Means     string    `json:"means"`
	Denied    uint64    `json:"denied"` // by earlier barriers
}

// New makes an isolator; TakeUp takes up what an earlier start left.
func New(o Options) *Isolator {
	return &Isolator{o: o, log: o.Log, over: make(chan struct{}, 1)}
}

// Run proves an isolation again every few seconds, ends the one that is over, and waits for the end of later
// ones. It ends with ctx; an isolation that holds by itself stays.
func (i *Isolator) Run(ctx context.Context) error {
	i.TakeUp(ctx)
	tick := time.NewTicker(vigilEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			i.check(ctx)
		case <-i.over:
			i.mu.Lock()
			due := i.saved.Until != (time.Time{}) && remaining(i.saved) <= 0
			i.mu.Unlock()
			if !due {
				continue
			}
			if _, err := i.Release(ctx); err != nil {
				i.log.ErrorContext(ctx, "isolation is over but cannot be taken down", slog.Any("err", err))
			} else {
				i.log.InfoContext(ctx, "isolation is over, host released")
			}
		}
	}
}

// TakeUp takes up an isolation of an earlier start that is still due, and ends the one that is over. It comes first in the
// life of a sensor: before its probes, which take a second to load, and before it connects.
func (i *Isolator) TakeUp(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.taken {
		return
	}
	i.taken = true
	b, err := os.ReadFile(i.o.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var s saved
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		i.tell(ctx, "isolation", "lost", fmt.Sprintf("the file that keeps the isolation over a restart of the sensor cannot be read: %v", err))
		return
	}
	if remaining(s) <= 0 {
		i.log.InfoContext(ctx, "isolation ended while no sensor ran")
		if err := i.clean(); err != nil {
			i.log.ErrorContext(ctx, "what is left of it cannot be removed", slog.Any("err", err))
		}
		return
	}
	keep, err := reread(s.Allow)
	if err == nil {
		i.saved, i.written = s, b
		_, err = i.raise(ctx, s, keep)
	}
	if err != nil {
		i.problem = err.Error() // tried again by check
		i.log.ErrorContext(ctx, "isolation cannot be taken up again", slog.Any("err", err))
		return
	}
	i.frames = packetSockets()
	i.log.WarnContext(ctx, "host is isolated, taken up from before the restart", slog.Time("until", s.Until))
}

// State gives the state.
func (i *Isolator) State() sense.Isolation {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.due() {
		return sense.Isolation{}
	}
	st := sense.Isolation{Due: true, Means: i.saved.Means, Until: i.saved.Until, Allow: i.saved.Allow, Proven: i.proven, NotProven: i.notProven, Problem: i.problem, Denied: i.saved.Denied}
	if i.held == nil {
		return st
	}
	n, _ := i.held.denied() // a counter that cannot be read is 0
	st.Active, st.Denied = i.problem == "", n+i.saved.Denied
	return st
}

// Isolate cuts the host off for d, but for what Keep names and the further networks in allow.
func (i *Isolator) Isolate(ctx context.Context, d time.Duration, allow []string) (sense.IsolationProof, error) {
	start := time.Now()
	reach, err := i.o.Keep(ctx)
	if err != nil {
		return sense.IsolationProof{}, fmt.Errorf("find the addresses that must stay reachable: %w", err)
	}
	if len(reach.Addrs) == 0 {
		return sense.IsolationProof{}, errors.New("no address of the server is known: the host would be lost, so it is not isolated")
	}
	keep, err := allowing(allow, reach)
	if err != nil {
		return sense.IsolationProof{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s := saved{Until: time.Now().Add(d).Truncate(time.Millisecond), UntilBoot: boot.Now() + uint64(d), Boot: boot.ID(), Denied: i.saved.Denied}
	for _, a := range keep {
		s.Allow = append(s.Allow, a.String())
	}
	// On disk before the act: a sensor that dies here takes the isolation up again.
	if err := i.save(s); err != nil {
		return sense.IsolationProof{}, err
	}
	fell, err := i.raise(ctx, s, keep)
	if err != nil {
		return sense.IsolationProof{}, errors.Join(err, i.unsaved())
	}
	p, leaks := i.prove(ctx, reach.Probe)
	i.proven, i.notProven, i.problem, i.looked = p.Proven, p.NotProven, "", boot.Now()
	i.frames = packetSockets()
	p.Packet = holders(i.frames)
	p.FellBack = fell
	p.Millis = float64(time.Since(start).Microseconds()) / 1000
	if leaks {
		return p, errors.Join(fmt.Errorf("%s: not isolated", p.NotProven), i.clean())
	}
	return p, nil
}

// Release ends the isolation. Releasing a host that is not isolated changes nothing and is proven too.
func (i *Isolator) Release(ctx context.Context) (sense.IsolationProof, error) {
	start := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	means := i.saved.Means
	if err := i.clean(); err != nil {
		return sense.IsolationProof{}, err
	}
	p := sense.IsolationProof{Means: means, DeniedProbe: probeNoRoute, NotProven: "no interface but the loopback is up, so no packet can leave"}
	for _, t := range i.targets() {
		switch p.DeniedProbe = i.probeOut(ctx, t); p.DeniedProbe {
		case probeLeft:
			p.Proven, p.NotProven = true, ""
		case probeDenied:
			p.NotProven = "something else on this host (a firewall rule) holds packets back"
		default:
			continue
		}
		if p.Proven {
			break
		}
	}
	p.Millis = float64(time.Since(start).Microseconds()) / 1000
	return p, nil
}

// unsaved puts the state file back to what holds after an isolation that could not be put up. mu is held.
func (i *Isolator) unsaved() error {
	if i.due() {
		return i.save(i.saved) // an earlier one goes on
	}
	i.written = nil
	if err := os.Remove(i.o.StateFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget isolation: %w", err)
	}
	return nil
}

// Close lets go. An isolation that holds by itself stays; one that does not is gone with the sensor and
// comes back with it.
func (i *Isolator) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer != nil {
		i.timer.Stop()
	}
	if i.held == nil {
		return i.unmount()
	}
	if n, err := i.held.denied(); err == nil {
		i.saved.Denied += n
		_ = i.save(i.saved) // only the counter is at stake
	}
	err := i.held.leave()
	i.held = nil
	return err
}

// raise puts a barrier up, the new one before the old one goes. mu is held.
func (i *Isolator) raise(ctx context.Context, s saved, keep []allowed) (fellBack string, err error) {
	var next barrier
	var why error
	if i.o.Means != "nftables" {
		var b *cgroupBarrier
		if b, why = i.raiseCgroup(ctx, s.UntilBoot+untilSlack(s), keep); why == nil {
			next, s.Means = b, "cgroup"
		}
	}
	if next == nil && i.o.Means != "cgroup" {
		b, err := raiseNFT(keep)
		if err != nil {
			return "", errors.Join(fmt.Errorf("isolate by cgroup: %w", why), fmt.Errorf("isolate by nftables: %w", err))
		}
		next, s.Means = b, "nftables"
		if why != nil {
			fellBack = why.Error()
		}
	}
	if next == nil {
		return "", fmt.Errorf("isolate by cgroup: %w", why)
	}
	if i.held != nil && (i.saved.Means != "nftables" || s.Means != "nftables") {
		n, _ := i.held.denied()
		s.Denied += n
		if err := i.held.retire(); err != nil { // its pins were replaced by the new one's
			i.log.WarnContext(ctx, "old barrier not closed", slog.Any("err", err))
		}
	}
	i.held, i.saved = next, s
	if err := i.save(s); err != nil {
		i.log.WarnContext(ctx, "state of isolation cannot be kept", slog.Any("err", err))
	}
	if i.timer != nil {
		i.timer.Stop()
	}
	i.timer = time.AfterFunc(remaining(s)+10*time.Millisecond, func() {
		select {
		case i.over <- struct{}{}:
		default: // said already
		}
	})
	return fellBack, nil
}

// untilSlack is 0 in the boot that isolated; in a later one the end is reckoned by the wall clock.
func untilSlack(s saved) uint64 {
	if s.Boot == boot.ID() {
		return 0
	}
	return boot.Now() + uint64(max(time.Until(s.Until), 0)) - s.UntilBoot
}

func remaining(s saved) time.Duration {
	if s.Boot == boot.ID() {
		return time.Duration(int64(s.UntilBoot) - int64(boot.Now()))
	}
	return time.Until(s.Until)
}

// clean takes all away. mu is held.
func (i *Isolator) clean() error {
	if i.timer != nil {
		i.timer.Stop()
	}
	var err error
	if i.held != nil {
		err = i.held.drop()
	}
	err = errors.Join(err, i.dropLeft())
	if err != nil {
		return fmt.Errorf("end isolation: %w", err)
	}
	i.held, i.saved = nil, saved{}
	i.written, i.proven, i.notProven, i.problem = nil, false, "", ""
	if rerr := os.Remove(i.o.StateFile); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return fmt.Errorf("end isolation: %w", rerr)
	}
	return nil
}

func (i *Isolator) save(s saved) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep state of isolation: %w", err)
	}
	if err := durable.Replace(i.o.StateFile, b); err != nil {
		return fmt.Errorf("keep state of isolation: %w", err)
	}
	i.written = b
	return nil
}

func (i *Isolator) besideState(name string) string {
	return filepath.Join(filepath.Dir(i.o.StateFile), name)
}
