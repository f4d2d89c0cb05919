package incident

import (
	"net/netip"
	"net/url"
	"strings"
)

// A URL hand-off: a program starts `browser URL`; when the browser already runs, the new process gives the
// URL to it and ends, and what is downloaded is written by the old one. No parent and child show it.
type handoff struct {
	stub       *proc
	url        string
	browser    *proc  // root of the browser that took it
	evidence   []fact // name query and connection of the browser to that host
	rivals     int    // other stubs that named the same host in the same seconds
	confidence string // of this hand-off alone
	strength   string // among the others of the file it brought
	start      int64
}

// giver is the program that named the address first, and the exec that shows it: the stub, or what started
// the browser with it.
func (h *handoff) giver() (*proc, fact) {
	if p := h.stub.parent; h.stub == h.browser && p != nil {
		for i := range p.images {
			if im := &p.images[i]; im.known() && urlIn(im.commandLine) == h.url {
				return p, im.fact
			}
		}
	}
	return h.stub, h.stub.last().fact
}

// The windows are wide, because names decide and not nearness: a browser that asks for the host of the address within ten
// seconds was given it, or somebody else asked for the same host (rivals). A person may look at a save dialogue for minutes.
// A browser that hands over ends at once; 15 s allow for a busy host.
const (
	handoffWindow  = 10_000_000  // µs in which the browser asks for the host
	downloadWindow = 300_000_000 // µs after the connection in which a download may begin
	stubLife       = 15_000_000  // µs a stub lives at most
)

func hostPort(raw string) (host string, port uint16) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", 0
	}
	ap, err := netip.ParseAddrPort(u.Host)
	if err == nil {
		return ap.Addr().String(), ap.Port()
	}
	host, port = u.Hostname(), 80
	if u.Scheme == "https" {
		port = 443
	}
	if p := u.Port(); p != "" {
		var n uint16
		for _, c := range p {
			n = n*10 + uint16(c-'0')
		}
		port = n
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), port
}

// browserRoot climbs from a browser's process to the one that owns it; nil when p is no browser.
func browserRoot(p *proc) *proc {
	if p == nil || !isBrowserImage(p.last()) {
		return nil
	}
	for n := 0; p.parent != nil && isBrowserImage(p.parent.last()) && n < 16; n++ {
		p = p.parent
	}
	return p
}

// browserGroup is the root and its own helpers: the network is in another process than the window.
func browserGroup(root *proc) []*proc {
	out := []*proc{root}
	for i := 0; i < len(out) && len(out) < 256; i++ {
		for _, k := range out[i].kids {
			if isBrowserImage(k.last()) {
				out = append(out, k)
			}
		}
	}
	return out
}

// handoffs finds every hand-off of a host that is still remembered, best evidence first for each stub.
func handoffs(a *activity) []*handoff {
	var out []*handoff
	roots := map[*proc][]*proc{}
	for _, s := range a.stubs {
		if r := browserRoot(s); r != nil && !r.gone {
			roots[r] = nil
		}
		for _, root := range a.browsers {
			roots[root] = nil
		}
	}
	for r := range roots {
		if r.gone {
			delete(roots, r)
			continue
		}
		roots[r] = browserGroup(r)
	}
	for _, s := range a.stubs {
		if s.gone {
			continue
		}
		cmd := s.last()
		link := urlIn(cmd.commandLine)
		host, port := hostPort(link)
		if host == "" {
			continue
		}
		own := browserRoot(s)
		best := (*handoff)(nil)
		for r, group := range roots {
			if r != own && (r.start >= s.start && r.start != 0 && s.start != 0 || r.user != s.user && r.userID != s.userID || isStub(r)) {
				continue
			}
			if r == own && isStub(r) {
				continue // it handed the URL over and ended
			}
			if r.ended.known() && r.ended.time < s.start {
				continue
			}
			h := &handoff{stub: s, url: link, browser: r, start: cmd.time, confidence: low}
			h.evidence = asked(group, host, port, cmd.time)
			if len(h.evidence) > 0 {
				h.confidence = high
			}
			if best == nil || len(h.evidence) > len(best.evidence) || len(h.evidence) == len(best.evidence) && r.start > best.browser.start {
				best = h
			}
		}
		if best != nil {
			out = append(out, best)
		}
	}
	for _, h := range out {
		host, port := hostPort(h.url)
		for _, o := range out {
			oh, op := hostPort(o.url)
			if o != h && o.browser == h.browser && oh == host && op == port && abs64(o.start-h.start) < handoffWindow {
				h.rivals++
			}
		}
		if h.rivals > 0 && h.confidence == high {
			h.confidence = medium
		}
	}
	return out
}

// isStub says that a browser process carried a URL and ended at once: another one took it.
func isStub(p *proc) bool {
	return p.ended.known() && p.ended.time-p.start < stubLife && urlIn(p.last().commandLine) != "" && len(p.did().conns) == 0 && !wroteFiles(p)
}

func wroteFiles(p *proc) bool {
	for _, k := range browserGroup(p) {
		if len(k.did().conns) > 0 {
			return true
		}
	}
	return false
}

// asked gives the events by which a browser asked for a host within the window. A browser that has the name or the connection
// already asks for nothing: then there is no evidence, and the hand-off is offered as related only.
func asked(group []*proc, host string, port uint16, from int64) []fact {
	var names, conns []fact
	ip, ipErr := netip.ParseAddr(host)
	for _, p := range group {
		d := p.did()
		for _, q := range d.dns {
			if q.time >= from-100_000 && q.time <= from+handoffWindow && strings.EqualFold(strings.TrimSuffix(q.text, "."), host) {
				names = append(names, q.fact)
			}
		}
		for _, c := range d.conns {
			if c.time < from-100_000 || c.time > from+handoffWindow || c.remote.Port() != port {
				continue
			}
			same := ipErr == nil && c.remote.Addr().Unmap() == ip.Unmap() || ipErr != nil && strings.EqualFold(strings.TrimSuffix(c.name, "."), host) ||
				host == "localhost" && c.remote.Addr().IsLoopback()
			if same {
				conns = append(conns, c.fact)
			}
		}
	}
	out := append(firstFacts(names, 2), firstFacts(conns, 2)...)
	return out
}

func firstFacts(l []fact, n int) []fact {
	sortFacts(l)
	return l[:min(len(l), n)]
}

// broughtBy gives the hand-offs that may have led to a file a browser wrote at the time: those to that
// browser whose request came before and not long before.
func broughtBy(hs []*handoff, browser *proc, at int64) []*handoff {
	var out []*handoff
	for _, h := range hs {
		if h.browser != browser || h.start > at {
			continue
		}
		last := h.start
		for _, e := range h.evidence {
			last = max(last, e.time)
		}
		if at-last <= downloadWindow {
			out = append(out, h)
		}
	}
	return out
}
