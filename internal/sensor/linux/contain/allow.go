package contain

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// allowed is what stays reachable while a host is isolated.
type allowed struct {
	net  netip.Prefix
	port uint16 // of TCP at the other side, for one address; 0: any, and any protocol
}

func (a allowed) String() string {
	if a.port != 0 {
		return netip.AddrPortFrom(a.net.Addr(), a.port).String()
	}
	return a.net.String()
}

// maxAllowed bounds the entries: the programs' tables have twice the room.
const maxAllowed = 512

// allowing joins the networks that an order names with the way to the server. Who may be reached whole needs no port.
func allowing(nets []string, reach sense.Reach) (out []allowed, err error) {
	for _, t := range nets {
		n, err := netip.ParsePrefix(t)
		if err != nil {
			a, aerr := netip.ParseAddr(t)
			if aerr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network", t)
			}
			n = whole(a)
		}
		out = add(out, allowed{net: n.Masked()})
	}
	for _, a := range reach.Addrs {
		out = add(out, allowed{whole(a), reach.Port})
	}
	if len(out) > maxAllowed {
		return nil, fmt.Errorf("%d networks to keep reachable, at most %d", len(out), maxAllowed)
	}
	return out, nil
}

// reread reads what String wrote into the state file.
func reread(texts []string) ([]allowed, error) {
	var nets []string
	var out []allowed
	for _, t := range texts {
		if at, err := netip.ParseAddrPort(t); err == nil {
			out = append(out, allowed{whole(at.Addr()), at.Port()})
		} else {
			nets = append(nets, t)
		}
	}
	more, err := allowing(nets, sense.Reach{})
	if err != nil {
		return nil, err
	}
	for _, a := range out {
		more = add(more, a)
	}
	return more, nil
}

func whole(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen())
}

func add(list []allowed, a allowed) []allowed {
	if slices.ContainsFunc(list, func(have allowed) bool {
		return have == a || have.port == 0 && have.net.Bits() <= a.net.Bits() && have.net.Contains(a.net.Addr())
	}) {
		return list
	}
	return append(list, a)
}
