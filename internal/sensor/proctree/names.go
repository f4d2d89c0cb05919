package proctree

import (
	"net/netip"

	"github.com/yagura-edr/yagura/internal/event"
)

const maxNames = 4096

// names remembers which name an address was last given for by a DNS answer. Two generations of maxNames
// each: when the young one is full it becomes the old one, and what was not asked for since is forgotten.
type names struct {
	young, old map[netip.Addr]string
}

func (n *names) learn(e *event.Event) {
	for _, a := range e.Answers {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			continue
		}
		n.put(addr, e.Query)
	}
}

func (n *names) put(addr netip.Addr, name string) {
	if n.young == nil || len(n.young) >= maxNames {
		n.old, n.young = n.young, make(map[netip.Addr]string)
	}
	n.young[addr] = name
}

func (n *names) of(addr netip.Addr) string {
	if name, ok := n.young[addr]; ok {
		return name
	}
	name, ok := n.old[addr]
	if ok {
		n.put(addr, name)
	}
	return name
}
