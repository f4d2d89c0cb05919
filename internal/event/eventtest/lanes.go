// Package eventtest gives tests events as a server may receive them. Tests of what joins events call it;
// programs do not.
package eventtest

import (
	"math/rand/v2"
	"slices"

	"github.com/yagura-edr/yagura/internal/event"
)

// Interleave merges the lanes of the events of each host by chance: each lane keeps its order, and may be
// any time ahead of another, as the sensor sends them. A seed below 20 gives an extreme: the lanes one
// after another, wholly.
func Interleave(events []event.Stamped, seed uint64) []event.Stamped {
	type lane struct {
		host event.HostID
		lane event.Lane
	}
	queues := map[lane][]event.Stamped{}
	var lanes []lane
	for _, e := range events {
		l := lane{e.ID.Host, e.Event.Kind.Lane()}
		if queues[l] == nil {
			lanes = append(lanes, l)
		}
		queues[l] = append(queues[l], e)
	}
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // an order for a test, the same for each seed
	r.Shuffle(len(lanes), func(i, j int) { lanes[i], lanes[j] = lanes[j], lanes[i] })
	out := make([]event.Stamped, 0, len(events))
	for len(lanes) > 0 {
		i := 0
		if seed >= 20 {
			i = r.IntN(len(lanes))
		}
		q := queues[lanes[i]]
		out = append(out, q[0])
		if queues[lanes[i]] = q[1:]; len(q) == 1 {
			lanes = slices.Delete(lanes, i, i+1)
		}
	}
	return out
}
