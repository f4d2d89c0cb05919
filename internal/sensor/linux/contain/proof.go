package contain

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// What a probe found.
const (
	probeDenied  = "denied"
	probeLeft    = "left the host"
	probeNoRoute = "no route, nothing to deny"
	probeOwn     = "an address of this host, nothing to deny"
)

// nobody are addresses that documentation uses and nobody has (RFC 5737, RFC 3849); whoever isolates a laboratory that
// has one of them is served by another.
var nobody = []string{"192.0.2.1:9", "198.51.100.1:9", "203.0.113.1:9", "[2001:db8::1]:9"}

// linkNobody is an address that every interface with IPv6 can send to without a route.
const linkNobody = "fe80::7961:6775:7261:9"

const maxDevices = 8 // interfaces that are tried

// targets lists where the proof may send to, the best first. The routes may lead nowhere, or back into this host: then
// the packet is bound to an interface, and for that the kernel needs no route.
func (i *Isolator) targets() (out []sense.Target) {
	if i.o.Denied.IsValid() {
		return []sense.Target{{Addr: i.o.Denied}}
	}
	for _, n := range nobody {
		out = append(out, sense.Target{Addr: netip.MustParseAddrPort(n)})
	}
	devices, _ := net.Interfaces() // none: not proven
	n := 0
	for _, d := range devices {
		if d.Flags&net.FlagUp == 0 || d.Flags&net.FlagLoopback != 0 {
			continue
		}
		if n++; n > maxDevices {
			break
		}
		for _, to := range nobody[:3] {
			out = append(out, sense.Target{Addr: netip.MustParseAddrPort(to), Device: d.Name})
		}
		out = append(out, sense.Target{Addr: netip.AddrPortFrom(netip.MustParseAddr(linkNobody).WithZone(d.Name), 9), Device: d.Name})
	}
	keep, err := reread(i.saved.Allow)
	if err != nil {
		return nil
	}
	var free []sense.Target
	for _, t := range out {
		if len(add(keep, allowed{net: whole(t.Addr.Addr())})) > len(keep) { // what may be reached proves nothing
			free = append(free, t)
		}
	}
	return free
}

// denial is what was found when packets were sent that must not leave.
type denial struct {
	proven bool
	leaks  bool   // one left the host
	what   string // what became of the packet that decides
	why    string // why it is not proven
}

// deny sends packets until one is held back by the barrier itself: a firewall of the host may hold them back too, but
// only the barrier counts them. mu is held.
func (i *Isolator) deny(ctx context.Context) (d denial) {
	d = denial{what: probeNoRoute, why: "no interface but the loopback is up, so no packet can leave"}
	for _, t := range i.targets() {
		before, err := i.held.denied()
		if err != nil {
			return denial{what: probeNoRoute, why: "the counter of packets held back cannot be read"}
		}
		found := i.probeOut(ctx, t)
		switch found {
		case probeDenied:
			after, err := i.held.denied()
			if err == nil && after > before {
				return denial{proven: true, what: probeDenied}
			}
			d.what, d.why = probeDenied, "something else on this host (a firewall rule) holds packets back before the isolation sees them"
		case probeLeft:
			if t.Device != "" || i.o.Denied.IsValid() {
				return denial{leaks: true, what: probeLeft, why: "a packet to " + t.String() + " left the host"}
			}
			d.what, d.why = probeLeft, "the routes of this host lead packets back into it"
		case probeNoRoute, probeOwn:
		default:
			if d.what == probeNoRoute {
				d.why = found
			}
		}
	}
	return d
}

// probeOut sends one packet to an address that must not be reached. UDP, because a denied packet is an
// error of the call at once.
func (i *Isolator) probeOut(ctx context.Context, t sense.Target) string {
	if i.o.Probe != nil {
		return i.o.Probe(ctx, t)
	}
	return ProbeOut(ctx, t)
}

// ProbeOut sends one packet and says what became of it.
func ProbeOut(ctx context.Context, to sense.Target) string {
	d := net.Dialer{}
	if to.Device != "" {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var bound error
			err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), to.Device) })
			return errors.Join(err, bound)
		}
	}
	conn, err := d.DialContext(ctx, "udp", to.Addr.String())
	if err == nil {
		if local, ok := conn.LocalAddr().(*net.UDPAddr); ok && own(local.AddrPort().Addr(), to.Addr.Addr()) {
			_ = conn.Close()
			return probeOwn
		}
		_, err = conn.Write([]byte{0})
		_ = conn.Close()
	}
	switch {
	case err == nil:
		return probeLeft
	case errors.Is(err, syscall.EPERM):
		return probeDenied
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.ENODEV):
		return probeNoRoute // a route may also say that there is none
	}
	return err.Error()
}

// own says whether an address is this host's, by the address that the kernel sends from to it and by those of its
// interfaces.
func own(from, to netip.Addr) bool {
	if from.Unmap() == to.Unmap() || from.IsLoopback() {
		return true
	}
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if have, ok := netip.AddrFromSlice(n.IP); ok && have.Unmap() == to.Unmap().WithZone("") {
				return true
			}
		}
	}
	return false
}

// prove says what holds after isolating. mu is held.
func (i *Isolator) prove(ctx context.Context, reach string) (p sense.IsolationProof, leaks bool) {
	d := i.deny(ctx)
	p = sense.IsolationProof{Means: i.saved.Means, Until: i.saved.Until, Allow: i.saved.Allow, Pinned: i.held.pinned(), DeniedProbe: d.what, Proven: d.proven, NotProven: d.why}
	if reach != "" {
		dial := net.Dialer{Timeout: 3 * time.Second}
		conn, err := dial.DialContext(ctx, "tcp", reach)
		if err == nil {
			p.AllowedProbe = "connected to " + reach
			_ = conn.Close()
		} else {
			p.AllowedProbe = "not connected: " + err.Error()
		}
	}
	p.Counter, _ = i.held.denied()
	return p, d.leaks
}
