package incident

// hostToHost draws the connection that one host opened and another took.
func (w *growth) hostToHost(from, to *proc, opened, taken fact) {
	w.edge(link{
		kind: EdgeHostToHost, from: from, to: to, facts: []fact{opened, taken}, basis: observed, confidence: high,
		reason: "same-connection",
	})
}

// peers follows a connection to the host that took it, and an accepted one to the host that opened it. Both hosts told of the
// same two addresses and ports within two minutes: that is proof, and it is the only edge between hosts. What the other side
// did for it is what it started within ten seconds; without such a child, a listener that starts nothing is itself the other
// end (a controller, nc taking a file), unless it serves many. A service that takes more than busyTaker connections cannot say
// which of them made it do something.
func (w *growth) peers(p *proc) {
	for _, c := range p.did().conns {
		e := w.g.across(p, c)
		if e == nil {
			continue
		}
		kid := startedBy(e.by, e.time)
		for n := 0; kid != nil && hubKind(kid) == hubSSH && n < 4; n++ {
			kid = startedBy(kid, kid.start) // the server's own process for the session
		}
		if kid == nil && hubKind(e.by) == notHub {
			// a listener that starts nothing: the controller of a reverse shell, a file taken by nc
			w.hostToHost(p, e.by, c.fact, e.fact)
			if isDaemon(e.by) || len(e.by.did().accepts) > busyTaker {
				w.join(e.by, passage) // it serves many
			} else {
				w.reached(e.by)
			}
			continue
		}
		if kid == nil || hubKind(kid) != notHub {
			continue
		}
		w.hostToHost(p, kid, c.fact, e.fact)
		w.whole(kid)
	}
	if acc := sshAccept(p); acc != nil && hubKind(p) == notHub {
		if e := w.g.across(p, *acc); e != nil {
			w.hostToHost(e.by, p, e.fact, acc.fact)
			if hubKind(e.by) == notHub {
				w.reached(e.by)
			}
		}
	}
	if list := p.did().accepts; w.role[p] >= runner && len(list) <= busyTaker && !isDaemon(p) {
		for i := range list {
			e := w.g.across(p, list[i])
			if e == nil || hubKind(e.by) != notHub || startedBy(p, list[i].time) != nil {
				continue
			}
			w.hostToHost(e.by, p, e.fact, list[i].fact)
			w.reached(e.by)
		}
	}
	for _, k := range p.kids {
		w.askedFor(k)
	}
	w.askedFor(p)
}

// askedFor follows the connection that a service took before it started k to the host that opened it. Service and program
// may join in either order: each looks when it is visited.
func (w *growth) askedFor(k *proc) {
	service := k.parent
	if service == nil || w.role[service] < pruned || w.role[k] < pruned {
		return
	}
	acc := acceptBefore(service, k.start)
	if acc == nil {
		return
	}
	if e := w.g.across(service, *acc); e != nil {
		w.hostToHost(e.by, k, e.fact, acc.fact)
		if hubKind(e.by) == notHub {
			w.reached(e.by)
		}
	}
}

// startedBy gives the first child that a service started within 10 s of taking a connection.
func startedBy(service *proc, at int64) *proc {
	var out *proc
	for _, k := range service.kids {
		if k.start >= at && k.start-at < handoffWindow && (out == nil || k.start < out.start) {
			out = k
		}
	}
	return out
}

// acceptBefore gives the last connection a service took within a minute before the time: slow pages exist, and an older
// connection of a quiet service is more likely another visitor's.
func acceptBefore(p *proc, at int64) *conn {
	var out *conn
	list := p.did().accepts
	for i := range list {
		if c := &list[i]; c.time <= at && at-c.time < 60_000_000 && (out == nil || c.time >= out.time) {
			out = c
		}
	}
	return out
}

// logons draws address → session → first process under an SSH server. The server is a hub, so that nothing else would lead
// from the session to where it came from; the session is a thing of its own because screens and people name it.
func (w *growth) logons() {
	for _, p := range append([]*proc(nil), w.order...) {
		if p.parent == nil || hubKind(p.parent) != hubSSH || hubKind(p) != notHub {
			continue
		}
		acc := sshAccept(p)
		if acc == nil {
			continue
		}
		s := &sessionNode{top: p, host: p.host}
		facts := []fact{acc.fact}
		if f := p.host.logons[p.session]; f.known() && p.session != "" {
			facts = append(facts, f)
		}
		w.edge(link{
			kind: EdgeLogon, from: w.addr(p.host, *acc), to: s, facts: facts[:1], basis: observed, confidence: high,
			reason: "server-took",
		})
		w.edge(link{
			kind: EdgeLogon, from: s, to: p, facts: facts, basis: observed, confidence: high,
			reason: "first-of-session",
		})
	}
}

// sshAccept climbs from a session's first process through the SSH server to the connection it came from.
func sshAccept(p *proc) *conn {
	below := p
	for up, n := p.parent, 0; up != nil && n < 4 && hubKind(up) == hubSSH; up, n = up.parent, n+1 {
		if c := acceptBefore(up, below.start); c != nil {
			return c
		}
		below = up
	}
	return nil
}
