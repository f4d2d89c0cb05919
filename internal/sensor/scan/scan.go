// Package scan notices that one process, or the processes that one parent starts, try many different ports or addresses in a short
// time and mostly in vain. Package sight feeds it every connection that this host tried and emits the net.scan events it makes. It looks at TCP
// connections only: packets of raw sockets and UDP are not connections.
package scan

import (
	"net/netip"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

// What a scan is.
const (
	Window    = 60 * time.Second
	Ports     = 15 // different ports of one address
	Addresses = 15 // different addresses on one port
	// FailedShare: at least one of so many destinations did not answer, or refused. A crawler, a monitor or a package manager reaches
	// most of what it tries; a passive FTP client opens many ports of one address, and all of them answer.
	FailedShare = 3
	// A parent's windows count what its young children do: a shell loop starts one nc for each port. A daemon that has run for
	// longer speaks for itself.
	youngest = uint64(10 * time.Second)
)

// Bounds. Memory: 2 × maxWindows windows of at most maxSeen destinations, some 60 bytes each: 4 MB when all is full.
const (
	maxWindows = 512 // of one generation
	maxSeen    = 64
)

type destination struct {
	addr netip.Addr
	port uint16
}

type window struct {
	since  uint64
	seen   map[destination]bool // value: it failed
	failed int
	told   bool
}

// Table is used from one goroutine at a time.
type Table struct{ young, old map[event.Key]*window }

// New makes an empty table.
func New() *Table { return &Table{young: map[event.Key]*window{}} }

// See takes a connection that was opened, or not, and gives the scan that it is the proof of; nil for none. Failed says that nobody
// answered, or refused.
func (t *Table) See(e *event.Event, failed bool) *event.Event {
	if e.Kind != event.NetConnect || !e.Initiated || !e.RemoteAddr.IsValid() || e.Actor.Key == (event.Key{}) {
		return nil
	}
	d := destination{e.RemoteAddr, uint16(e.RemotePort)}
	n, told := t.add(e.Actor.Key, d, failed, e.BootNS)
	why := "tried by one process"
	if e.Parent.Key != (event.Key{}) && e.Parent.PID > 2 && e.BootNS < e.Actor.StartNS+youngest {
		switch {
		case n > 0:
			t.at(e.Parent.Key).tell(e.BootNS)
		case !told:
			if n, _ = t.add(e.Parent.Key, d, failed, e.BootNS); n > 0 {
				t.at(e.Actor.Key).tell(e.BootNS)
			}
			why = "tried by programs that one parent started"
		}
	}
	if n == 0 {
		return nil
	}
	return &event.Event{
		Kind: event.NetScan, OS: e.OS, BootNS: e.BootNS, HostTime: e.HostTime, Flags: e.Flags & event.FlagJudged, Lineage: append([]string(nil), e.Lineage...),
		Actor: e.Actor, Parent: e.Parent, Ancestors: append([]string(nil), e.Ancestors...), Initiated: true, Protocol: e.Protocol,
		RemoteAddr: e.RemoteAddr, RemotePort: e.RemotePort, RemoteName: e.RemoteName, Count: uint64(n), Reason: why,
		FromNS: e.BootNS - min(e.BootNS, uint64(Window)), ToNS: e.BootNS,
	}
}

// tell notes that the window's scan was told.
func (w *window) tell(now uint64) {
	if w.seen == nil || now > w.since+uint64(Window) {
		w.since = now
	}
	w.told, w.seen = true, map[destination]bool{}
}

// add counts a destination and gives how many there are when they first make a scan, else 0; told says that they did so before.
func (t *Table) add(key event.Key, d destination, failed bool, now uint64) (n int, told bool) {
	w := t.at(key)
	if w.seen == nil || now > w.since+uint64(Window) {
		*w = window{since: now, seen: map[destination]bool{}}
	}
	if w.told {
		return 0, true
	}
	before, known := w.seen[d]
	if !known && len(w.seen) >= maxSeen {
		return 0, false
	}
	if failed && !before {
		w.failed++
	}
	w.seen[d] = before || failed
	if len(w.seen) < min(Ports, Addresses) || w.failed*FailedShare < len(w.seen) {
		return 0, false
	}
	ports, addresses := 0, 0
	for o := range w.seen {
		if o.addr == d.addr {
			ports++
		}
		if o.port == d.port {
			addresses++
		}
	}
	if ports < Ports && addresses < Addresses {
		return 0, false
	}
	n = len(w.seen)
	w.tell(now)
	return n, true
}

func (t *Table) at(key event.Key) *window {
	if w := t.young[key]; w != nil {
		return w
	}
	w := t.old[key]
	if w == nil {
		w = &window{}
	} else {
		delete(t.old, key)
	}
	if len(t.young) >= maxWindows {
		t.old, t.young = t.young, map[event.Key]*window{}
	}
	t.young[key] = w
	return w
}

// Len gives the number of windows kept.
func (t *Table) Len() int { return len(t.young) + len(t.old) }
