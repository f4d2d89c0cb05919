package response

import (
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// isolation is what a host's last heartbeat said of its isolation.
type isolation struct {
	at         int64
	due, holds bool
}

const (
	isolationOld = 2 * time.Minute  // a heartbeat that says nothing of now any more
	isolationEnd = 10 * time.Second // by which the host's end of an isolation may come before the server's
)

// Contained takes what a heartbeat says: whether the host should be isolated and whether it is. It answers whether an
// isolation is broken.
func (r *Relay) Contained(t tenant.ID, h event.HostID, due, holds bool) (broken bool) {
	r.mu.Lock()
	before, now := r.isolations[h], isolation{now(), due, holds}
	r.isolations[h] = now
	broken = r.broken(h)
	r.mu.Unlock()
	if before.due != due || before.holds != holds {
		r.changed(t)
	}
	return broken
}

// Isolated says whether a host is cut off: by the last heartbeat of its sensor, and before one came by its signed word on
// the order.
func (r *Relay) Isolated(h event.HostID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ordered := r.lasting[h]
	ordered = ordered && a.Verb == command.Isolate && a.Until > now()
	said, known := r.isolations[h]
	switch {
	case known && said.at >= a.Updated && now()-said.at < isolationOld.Microseconds():
		return said.holds
	case known && said.at >= a.Updated && !said.holds: // silent since; it was open when it was heard last
		return false
	}
	return ordered
}

// Broken says whether a host should be isolated and is not, by the last heartbeat of its sensor.
func (r *Relay) Broken(h event.HostID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken(h)
}

func (r *Relay) broken(h event.HostID) bool {
	said, known := r.isolations[h]
	if !known || said.holds {
		return false
	}
	a, ordered := r.lasting[h]
	if ordered && said.at < a.Updated {
		return false // it was not asked since
	}
	return said.due || ordered && a.Verb == command.Isolate && a.Until > now()+isolationEnd.Microseconds()
}
