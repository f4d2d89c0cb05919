package incident

import (
	"net/netip"
	"sort"
)

// The kinds of edge.
const (
	EdgeSpawn        = "spawn"
	EdgeWroteExec    = "wrote_executed"
	EdgeDownloaded   = "downloaded_from"
	EdgeHandoff      = "url_handoff"
	EdgeScheduled    = "scheduled_by"
	EdgeInjected     = "injected"
	EdgePiped        = "piped_to"
	EdgeLogon        = "logon_from"
	EdgeHostToHost   = "host_to_host"
	observed         = "observed"
	inferred         = "inferred"
	high             = "high"
	medium           = "medium"
	low              = "low"
	maxShown         = 200  // processes of a story that are shown
	maxThings        = 300  // and files, addresses, URLs, sessions and scheduled items
	maxStoryNodes    = 2000 // things of a story that growth looks at
	maxSentences     = 60
	edgeCodeVersion  = 1
	unknownRouteName = "unknown"
)

var _ = []thing{(*urlNode)(nil), (*addrNode)(nil), (*sessionNode)(nil)}

// link is an edge between two things of the graph.
type link struct {
	kind       string
	from, to   thing
	facts      []fact
	basis      string
	confidence string
	reason     string // in no language: see reasonWords
	of         string // what it is about: the kind of item, how a process was taken over
}

func (l *link) time() int64 {
	var t int64
	for _, f := range l.facts {
		t = max(t, f.time)
	}
	return t
}

func sortFacts(l []fact) {
	sort.SliceStable(l, func(i, j int) bool { return l[i].time < l[j].time })
}

type urlNode struct {
	url  string
	host *activity
}

func (u *urlNode) ref() string { return "url-" + digest(u.host.id.String(), u.url) }

func (u *urlNode) card() card { return card{kind: NodeURL, label: u.url, host: u.host} }

type addrNode struct {
	addr netip.AddrPort
	name string
	host *activity
}

func (n *addrNode) ref() string { return "address-" + digest(n.host.id.String(), n.addr.String()) }

func (n *addrNode) card() card {
	c := card{kind: NodeAddress, label: n.addr.String(), host: n.host}
	if n.name != "" {
		c.label = n.name + " (" + c.label + ")"
	}
	return c
}

type sessionNode struct {
	top  *proc // first process of the session
	host *activity
}

func (s *sessionNode) ref() string { return "session-" + digest(s.top.ref()) }

func (s *sessionNode) card() card {
	return card{kind: NodeSession, label: userOf(s.top), host: s.host, start: s.top.start}
}
