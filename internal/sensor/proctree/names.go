package proctree

import (
	"net/netip"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
)

const (
	maxNames = 4096
	// own is for how long what a process asked itself goes before what others asked later: two names may lead to one address, and who
	// asks connects soon. Afterwards the newest question for the address is the better guess.
	own = uint64(time.Minute)
)

// names remembers which name an address was last given for by a DNS answer, to whom. Two generations of maxNames
// each: when the young one is full it becomes the old one, and what was not asked for since is forgotten.
type names struct {
	young, old map[asker]answered
}

// asker is who asked; a zero key is anybody.
type asker struct {
	who  event.Key
	addr netip.Addr
}

type answered struct {
	name string
	at   uint64 // boot time of the question
}

// learn takes a query with its answers, or an answer that came late.
func (n *names) learn(e *event.Event) {
	at := e.BootNS
	if e.Kind == event.DNSAnswer {
		at = e.FromNS
	}
	for _, a := range e.Answers {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			continue
		}
		addr = addr.Unmap() // as connections have it
		n.newest(asker{addr: addr}, answered{e.Query, at})
		if e.Actor.Key != (event.Key{}) {
			n.newest(asker{e.Actor.Key, addr}, answered{e.Query, at})
		}
	}
}

// newest keeps the name that was asked for last, whichever answer came last.
func (n *names) newest(k asker, a answered) {
	if old, ok := n.get(k); !ok || old.at <= a.at {
		n.put(k, a)
	}
}

func (n *names) put(k asker, a answered) {
	if n.young == nil || len(n.young) >= maxNames {
		n.old, n.young = n.young, make(map[asker]answered)
	}
	n.young[k] = a
}

func (n *names) get(k asker) (answered, bool) {
	if a, ok := n.young[k]; ok {
		return a, true
	}
	a, ok := n.old[k]
	if ok {
		n.put(k, a)
	}
	return a, ok
}

// of names an address for a process.
func (n *names) of(who event.Key, addr netip.Addr, now uint64) string {
	if a, ok := n.get(asker{who, addr}); ok && who != (event.Key{}) && now < a.at+own {
		return a.name
	}
	a, _ := n.get(asker{addr: addr})
	return a.name
}
