package incident

import (
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Bounds of the incidents of one host (docs/limits.md): a host that makes decoys must not bury what somebody has to
// read. Beyond them one incident, the flood, takes its detections in, whole and in their own severity.
const (
	maxOpened  = 20 // incidents that one host opens within openedSpan
	openedSpan = time.Minute
	maxCrowds  = 10_000 // hosts whose openings are remembered; full: those whose span is over go
)

// floodRoute stands in a row's Route, by which a flood is known again after a restart.
const floodRoute = "flood"

// openings are the incidents that one host opened within a span.
type openings struct {
	began time.Time
	n     int
	worst detection.Severity
}

// crowded counts an incident that a detection would open, and says whether its host opened too many. What is worse than
// all that opened within the span is never put among them: decoys cannot be louder than the worst that a rule can find.
func (f *floor) crowded(det detection.Detection, now time.Time) bool {
	h := det.Event.ID.Host
	o := f.opened[h]
	if o == nil || now.Sub(o.began) >= openedSpan || now.Before(o.began) {
		if len(f.opened) >= maxCrowds {
			for k, x := range f.opened {
				if now.Sub(x.began) >= openedSpan {
					delete(f.opened, k)
				}
			}
		}
		o = &openings{began: now}
		f.opened[h] = o
	}
	o.n++
	if det.Severity > o.worst {
		o.worst = det.Severity
		return false
	}
	return o.n > maxOpened
}

func floodKey(h event.HostID) string { return h.String() + "/" + floodRoute }

// flood gives the flood of a detection's host, which it opens with the first.
func (f *floor) flood(det detection.Detection, now time.Time) *story {
	key := floodKey(det.Event.ID.Host)
	for _, st := range f.open {
		if st.hostKey == key {
			return st
		}
	}
	st := f.openStory(det.Tenant, now)
	st.hostKey, st.flood = key, true
	return st
}

// storyBuilder gives the builder of a story. A flood is of the host: to grow each of its processes would be what a
// flood is for.
func storyBuilder(g *Graph, st *story, c Context) *builder {
	if !st.flood {
		return newBuilder(g, st.dets, c)
	}
	b := newBuilder(g, nil, c)
	b.dets = append(b.dets, st.dets...)
	return b
}

// nameFlood says in the list what the incident is.
func (r *Row) nameFlood(s *Story) {
	s.Entry.Route = floodRoute
	s.Entry.Label = Said{
		En: fmt.Sprintf("more than %d incidents of this host within a minute: these detections were put together", maxOpened),
		Ja: fmt.Sprintf("このホストのインシデントが 1 分間に %d 件を超えたため、まとめた検知", maxOpened),
	}
	r.Route, r.Entry = s.Entry.Route, s.Entry.Label
	r.Title = Said{En: fmt.Sprintf("Flood of %d detections, the worst: %s", r.Detections, r.Title.En), Ja: fmt.Sprintf("検知の大量発生(%d 件)。最も重いもの: %s", r.Detections, r.Title.Ja)}
}

// keep takes a detection into what the story is built of, in the place of another when that is full.
func (st *story) keep(det detection.Detection) {
	if len(st.dets) < maxDetections {
		st.dets = append(st.dets, remembered(det))
		return
	}
	st.more++
	if i := leastNeeded(st.dets, det); i >= 0 {
		st.dets[i] = remembered(det)
	}
}

// leastNeeded gives the kept detection of a full story that a further one takes the place of: one that is less severe,
// or one of many of its rule where the further one is of a rule that nothing is kept of. -1: none.
func leastNeeded(kept []detection.Detection, det detection.Detection) int {
	least, often := 0, -1
	rules := map[string]int{}
	for i := range kept {
		if kept[i].RuleID == det.RuleID && kept[i].Severity >= det.Severity {
			return -1
		}
		rules[kept[i].RuleID]++
		if kept[i].Severity < kept[least].Severity {
			least = i
		}
		if rules[kept[i].RuleID] > 1 {
			often = i
		}
	}
	if kept[least].Severity < det.Severity {
		return least
	}
	return often
}
