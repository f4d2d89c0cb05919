package incident

import (
	"net/netip"
	"slices"
)

// tuple names a connection the same on both of its ends.
type tuple struct{ client, server netip.AddrPort }

// endpoint is one end of a connection: the process that opened or took it.
type endpoint struct {
	conn
	by *proc
}

// pair is what hosts said of the connections with one tuple: a port is used again, and two hosts behind address
// translation may have the same address.
type pair struct{ client, server []*endpoint }

const (
	maxPeers   = 65_536      // tuples remembered; full: the oldest half goes
	maxEnds    = 4           // ends of one tuple remembered; full: the oldest goes
	peerWithin = 120_000_000 // µs by which the clocks of two hosts may differ, as the server sees them
	busyTaker  = 16          // connections taken from which a listener serves many
)

func tupleOf(c conn) tuple {
	local, remote := bare(c.local), bare(c.remote)
	if c.initiated {
		return tuple{local, remote}
	}
	return tuple{remote, local}
}

// bare gives an IPv4 address as such, also when a socket of both families told of it.
func bare(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// peer remembers a connection that leaves the host, and notes that a story on its other side may go on here.
func (g *Graph) peer(a *activity, c conn, p *proc) {
	if !c.remote.IsValid() || c.remote.Addr().IsLoopback() || c.remote.Port() == 0 || c.remote.Port() == 53 {
		return
	}
	g.own(a, c.local.Addr().Unmap())
	t := tupleOf(c)
	x := g.peers[t]
	if x == nil {
		x = &pair{}
		g.peers[t] = x
		g.peerOrder = append(g.peerOrder, t)
		if len(g.peerOrder) > maxPeers {
			for _, old := range g.peerOrder[:maxPeers/2] {
				delete(g.peers, old)
			}
			g.peerOrder = append([]tuple(nil), g.peerOrder[maxPeers/2:]...)
		}
	}
	side, other := &x.server, x.client
	if c.initiated {
		side, other = &x.client, x.server
	}
	for _, e := range *side {
		if e.id == c.id {
			return
		}
	}
	if len(*side) >= maxEnds {
		*side = append((*side)[:0], (*side)[1:]...)
	}
	*side = append(*side, &endpoint{conn: c, by: p})
	for _, o := range other {
		a.touch(o.by)
	}
}

// maxOwn bounds the addresses of one host that are remembered; full: no more are.
const maxOwn = 64

// own notes an address that the host itself used.
func (g *Graph) own(a *activity, ad netip.Addr) {
	have := g.owners[ad]
	if !ad.IsValid() || ad.IsLoopback() || ad.IsUnspecified() || a.owned >= maxOwn || len(have) > 1 || slices.Contains(have, a) {
		return
	}
	g.owners[ad] = append(have, a)
	a.owned++
}

// across gives the other host's end of a connection of p; nil when no other host told of it, or when two did and
// nothing tells which was meant.
func (g *Graph) across(p *proc, c conn) *endpoint {
	x := g.peers[tupleOf(c)]
	if x == nil {
		return nil
	}
	side := x.server
	if !c.initiated {
		side = x.client
	}
	var out *endpoint
	for _, e := range side {
		if e.by.gone || e.by.host == p.host || abs64(e.time-c.time) > peerWithin {
			continue
		}
		if out != nil && out.by.host != e.by.host {
			return nil
		}
		if out == nil || abs64(e.time-c.time) < abs64(out.time-c.time) {
			out = e
		}
	}
	return out
}
