package incident

import "net/netip"

// tuple names a connection the same on both of its ends.
type tuple struct{ client, server netip.AddrPort }

// endpoint is one end of a connection: the process that opened or took it.
type endpoint struct {
	conn
	by *proc
}

// pair is what both hosts said of one connection.
type pair struct{ client, server *endpoint }

const maxPeers = 65_536 // connections remembered; full: the oldest half goes

func tupleOf(c conn) tuple {
	if c.initiated {
		return tuple{c.local, c.remote}
	}
	return tuple{c.remote, c.local}
}

// peer remembers a connection that leaves the host, and notes that a story on its other side may go on here.
func (g *Graph) peer(a *activity, c conn, p *proc) {
	if !c.remote.IsValid() || c.remote.Addr().IsLoopback() || c.remote.Port() == 0 || c.remote.Port() == 53 {
		return
	}
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
	e := &endpoint{conn: c, by: p}
	if c.initiated {
		x.client = e
	} else {
		x.server = e
	}
	if o := x.other(e); o != nil {
		a.touch(o.by)
	}
}

func (x *pair) other(e *endpoint) *endpoint {
	if e == x.client {
		return x.server
	}
	return x.client
}

// across gives the other host's end of a connection of p; nil when no other host told of it.
func (g *Graph) across(p *proc, c conn) *endpoint {
	x := g.peers[tupleOf(c)]
	if x == nil {
		return nil
	}
	e := x.server
	if !c.initiated {
		e = x.client
	}
	if e == nil || e.by.gone || e.by.host == p.host {
		return nil
	}
	return e
}
