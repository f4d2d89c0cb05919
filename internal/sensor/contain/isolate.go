package contain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/durable"
)

// Reach is what must stay reachable while a host is isolated: the server, or the proxy on the way to it.
type Reach struct {
	Addrs []netip.Addr
	Probe string // host:port that answers TCP, to prove that the way is open; empty: not proven
}

// Options of an isolator.
type Options struct {
	StateFile string // survives a restart of the sensor
	Cgroup    string // cgroup2 folder whose processes are isolated; empty: the root of cgroup2, all of the host
	PinDir    string // bpffs folder; empty: found or mounted beside the state file
	Keep      func(ctx context.Context) (Reach, error)
	Denied    netip.AddrPort                                        // where the probe that must fail goes; 192.0.2.1:9, which is nobody (RFC 5737)
	Probe     func(ctx context.Context, addr netip.AddrPort) string // sends the packet that must not leave, from inside Cgroup; nil: this process does
	Means     string                                                // only this one: cgroup or nftables; empty: the first that works
	Log       *slog.Logger
}

// State says whether the host is isolated.
type State struct {
	Active bool      `json:"active"`
	Means  string    `json:"means,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Allow  []string  `json:"allow,omitempty"`
	Denied uint64    `json:"denied"` // packets
}

// Proof is what was measured after isolating or releasing.
type Proof struct {
	Means        string    `json:"means"` // cgroup or nftables
	Until        time.Time `json:"until,omitzero"`
	Allow        []string  `json:"allow,omitempty"`
	DeniedProbe  string    `json:"denied_probe"`            // what happened to a packet that must not leave
	AllowedProbe string    `json:"allowed_probe,omitempty"` // what happened to a connection that must work
	Counter      uint64    `json:"denied_packets"`          // of the programs, after the probe
	Pinned       bool      `json:"pinned"`                  // holds without the sensor
	Millis       float64   `json:"ms"`
	FellBack     string    `json:"fell_back,omitempty"` // why not the better means
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
}

// barrier is one way of isolating.
type barrier interface {
	denied() (uint64, error)
	pinned() bool
	drop() error  // ends the isolation
	leave() error // lets go of it without ending it, when it holds by itself
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

// New makes an isolator; Run takes up what an earlier start left.
func New(o Options) *Isolator {
	if !o.Denied.IsValid() {
		o.Denied = netip.MustParseAddrPort("192.0.2.1:9")
	}
	return &Isolator{o: o, log: o.Log, over: make(chan struct{}, 1)}
}

// Run takes up an isolation that is still due, ends the one that is over, and waits for the end of later
// ones. It ends with ctx; an isolation that holds by itself stays.
func (i *Isolator) Run(ctx context.Context) error {
	i.takeUp(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-i.over:
			i.mu.Lock()
			due := i.held != nil && remaining(i.saved) <= 0
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

func (i *Isolator) takeUp(ctx context.Context) {
	b, err := os.ReadFile(i.o.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var s saved
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		i.log.ErrorContext(ctx, "state of isolation cannot be read", slog.Any("err", err))
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if remaining(s) <= 0 {
		i.log.InfoContext(ctx, "isolation ended while no sensor ran")
		if err := i.clean(); err != nil {
			i.log.ErrorContext(ctx, "what is left of it cannot be removed", slog.Any("err", err))
		}
		return
	}
	nets, err := prefixes(s.Allow)
	if err != nil {
		i.log.ErrorContext(ctx, "state of isolation cannot be used", slog.Any("err", err))
		return
	}
	if _, err := i.raise(ctx, s, nets); err != nil {
		i.log.ErrorContext(ctx, "isolation cannot be taken up again", slog.Any("err", err))
		return
	}
	i.log.WarnContext(ctx, "host is isolated, taken up from before the restart", slog.Time("until", s.Until))
}

// State gives the state.
func (i *Isolator) State() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held == nil || remaining(i.saved) <= 0 {
		return State{}
	}
	n, _ := i.held.denied() // a counter that cannot be read is 0
	return State{Active: true, Means: i.saved.Means, Until: i.saved.Until, Allow: i.saved.Allow, Denied: n + i.saved.Denied}
}

// Isolate cuts the host off for d, but for what Keep names and the further networks in allow.
func (i *Isolator) Isolate(ctx context.Context, d time.Duration, allow []string) (Proof, error) {
	start := time.Now()
	reach, err := i.o.Keep(ctx)
	if err != nil {
		return Proof{}, fmt.Errorf("find the addresses that must stay reachable: %w", err)
	}
	if len(reach.Addrs) == 0 {
		return Proof{}, errors.New("no address of the server is known: the host would be lost, so it is not isolated")
	}
	texts := append([]string(nil), allow...)
	for _, a := range reach.Addrs {
		texts = append(texts, a.Unmap().String())
	}
	nets, err := prefixes(texts)
	if err != nil {
		return Proof{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s := saved{Until: time.Now().Add(d).Truncate(time.Millisecond), UntilBoot: bootNow() + uint64(d), Boot: bootID(), Denied: i.saved.Denied}
	for _, n := range nets {
		s.Allow = append(s.Allow, n.String())
	}
	// On disk before the act: a sensor that dies here takes the isolation up again.
	if err := i.save(s); err != nil {
		return Proof{}, err
	}
	fell, err := i.raise(ctx, s, nets)
	if err != nil {
		return Proof{}, errors.Join(err, os.Remove(i.o.StateFile))
	}
	p := i.prove(ctx, reach.Probe)
	p.FellBack = fell
	p.Millis = float64(time.Since(start).Microseconds()) / 1000
	if p.DeniedProbe != probeDenied && p.DeniedProbe != probeNoRoute {
		return p, errors.Join(fmt.Errorf("a packet to %s still leaves the host (%s): not isolated", i.o.Denied, p.DeniedProbe), i.clean())
	}
	return p, nil
}

// Release ends the isolation. Releasing a host that is not isolated changes nothing and is proven too.
func (i *Isolator) Release(ctx context.Context) (Proof, error) {
	start := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	means := i.saved.Means
	if err := i.clean(); err != nil {
		return Proof{}, err
	}
	p := Proof{Means: means, DeniedProbe: i.probeOut(ctx), Millis: float64(time.Since(start).Microseconds()) / 1000}
	if p.DeniedProbe == probeDenied {
		return p, fmt.Errorf("a packet to %s is still denied: something else on this host (a firewall rule) holds it back", i.o.Denied)
	}
	return p, nil
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
func (i *Isolator) raise(ctx context.Context, s saved, nets []netip.Prefix) (fellBack string, err error) {
	var next barrier
	var why error
	if i.o.Means != "nftables" {
		var b *cgroupBarrier
		if b, why = i.raiseCgroup(ctx, s.UntilBoot+untilSlack(s), nets); why == nil {
			next, s.Means = b, "cgroup"
		}
	}
	if next == nil && i.o.Means != "cgroup" {
		b, err := raiseNFT(nets)
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
		if err := i.held.leave(); err != nil { // its pins were replaced by the new one's
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
	if s.Boot == bootID() {
		return 0
	}
	return bootNow() + uint64(max(time.Until(s.Until), 0)) - s.UntilBoot
}

func remaining(s saved) time.Duration {
	if s.Boot == bootID() {
		return time.Duration(int64(s.UntilBoot) - int64(bootNow()))
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
	return nil
}

// What a probe found.
const (
	probeDenied  = "denied"
	probeLeft    = "left the host"
	probeNoRoute = "no route, nothing to deny"
)

func (i *Isolator) prove(ctx context.Context, reach string) Proof {
	p := Proof{Means: i.saved.Means, Until: i.saved.Until, Allow: i.saved.Allow, Pinned: i.held.pinned(), DeniedProbe: i.probeOut(ctx)}
	if reach != "" {
		d := net.Dialer{Timeout: 3 * time.Second}
		conn, err := d.DialContext(ctx, "tcp", reach)
		if err == nil {
			p.AllowedProbe = "connected to " + reach
			_ = conn.Close()
		} else {
			p.AllowedProbe = "not connected: " + err.Error()
		}
	}
	p.Counter, _ = i.held.denied()
	return p
}

// probeOut sends one packet to an address that must not be reached. UDP, because a denied packet is an
// error of the call at once.
func (i *Isolator) probeOut(ctx context.Context) string {
	if i.o.Probe != nil {
		return i.o.Probe(ctx, i.o.Denied)
	}
	return ProbeOut(ctx, i.o.Denied)
}

// ProbeOut sends one packet and says what became of it.
func ProbeOut(ctx context.Context, to netip.AddrPort) string {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", to.String())
	if err == nil {
		_, err = conn.Write([]byte{0})
		_ = conn.Close()
	}
	switch {
	case err == nil:
		return probeLeft
	case errors.Is(err, syscall.EPERM):
		return probeDenied
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return probeNoRoute
	}
	return err.Error()
}

// prefixes reads addresses and networks.
func prefixes(texts []string) (out []netip.Prefix, err error) {
	seen := map[netip.Prefix]bool{}
	for _, t := range texts {
		n, err := netip.ParsePrefix(t)
		if err != nil {
			a, aerr := netip.ParseAddr(t)
			if aerr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network", t)
			}
			a = a.Unmap().WithZone("")
			n = netip.PrefixFrom(a, a.BitLen())
		}
		if n = n.Masked(); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	if len(out) > 512 {
		return nil, fmt.Errorf("%d networks to keep reachable, at most 512", len(out))
	}
	return out, nil
}

func bootNow() uint64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return uint64(ts.Nano())
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (i *Isolator) besideState(name string) string {
	return filepath.Join(filepath.Dir(i.o.StateFile), name)
}
