package storetest

import (
	"cmp"
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Owned is an event with its tenant.
type Owned struct {
	Tenant tenant.ID
	event.Stamped
}

// Find is the definition of Events over a slice.
func Find(model []Owned, q eventstore.Query) (out eventstore.Events) {
	for _, m := range model {
		e := m.Event
		if m.Tenant != q.Tenant || q.Host != (event.HostID{}) && m.ID.Host != q.Host || q.From != 0 && e.Time < q.From || q.To != 0 && e.Time >= q.To ||
			q.Kinds != nil && !slices.Contains(q.Kinds, e.Kind) || q.IDs != nil && !slices.Contains(q.IDs, m.ID) ||
			q.Process != (event.Key{}) && e.Actor.Key != q.Process && e.Target.Key != q.Process {
			continue
		}
		out.Events = append(out.Events, m.Stamped)
	}
	slices.SortFunc(out.Events, func(a, b event.Stamped) int {
		return cmp.Or(cmp.Compare(b.Event.Time, a.Event.Time), cmp.Compare(b.Event.BootNS, a.Event.BootNS), cmp.Compare(b.ID.Seq, a.ID.Seq), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	most := q.Limit
	if most <= 0 {
		most = eventstore.DefaultLimit
	}
	if most = min(most, eventstore.MaxLimit); len(out.Events) > most {
		out.Events, out.Truncated = out.Events[:most], true
	}
	return out
}

// IDs gives the texts of the events' ids.
func IDs(events []event.Stamped) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID.String()
	}
	return out
}
