package incident

import (
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// assign gives a detection to the incident its process belongs to, or opens one. A finding below medium opens none: it waits
// for one that it belongs to, for as long as an incident grows. People who are called for each low finding read none.
func (f *floor) assign(det detection.Detection, now time.Time) {
	p := f.graph.seed(det)
	if p == nil {
		f.assignHost(det, now)
		return
	}
	p.host.find(p)
	if p.passed != 0 && f.open[p.passed] != nil {
		f.dirty[p.passed] = true // the story that goes through p takes it in now that something was found of it
	}
	into, grown := f.joins(p)
	if into == nil && hubKind(p) != notHub {
		// a hub joins no stories, but one rule about one hub is one incident
		for _, st := range f.open {
			for _, x := range st.dets {
				if q := f.graph.seed(x); x.RuleID == det.RuleID && q != nil && q.host == p.host && hubKind(q) == hubKind(p) {
					into = st
				}
			}
		}
	}
	if into == nil {
		if det.Severity < detection.Medium {
			f.waiting = append(f.waiting, det)
			if len(f.waiting) > maxWaiting {
				f.waiting = append([]detection.Detection(nil), f.waiting[maxWaiting/2:]...)
			}
			return
		}
		if f.crowded(det, now) {
			f.add(f.flood(det, now), det)
			return
		}
		into = f.openStory(det.Tenant, now)
	}
	f.take(into, det, grown)
}

// take adds a detection to a story, with what its process grew to, if anything: so that the next detection of this batch
// finds it, and what it does next is told. settleDirty grows the whole story once.
func (f *floor) take(into *story, det detection.Detection, grown *growth) {
	f.add(into, det)
	if grown != nil {
		f.claim(into, grown)
	}
}

// joins gives the story of p: that of which it is a member, that of one above it which brings what is found below, or the
// oldest that has a part of what p grows to; nil when there is none. It grows p when the first two give none.
func (f *floor) joins(p *proc) (into *story, grown *growth) {
	if st := f.open[p.story]; st != nil {
		return st, nil
	}
	if st := f.ofParent(p); st != nil {
		p.story, p.brings = st.serial, true
		st.members = append(st.members, p)
		return st, nil
	}
	grown = reach(f.graph, []*proc{p}, 1)
	for _, q := range grown.joined() {
		if st := f.open[q.story]; q.story != 0 && st != nil && (into == nil || st.serial < into.serial) {
			into = st
		}
	}
	return into, grown
}

// belowStory says cheaply that p may grow into a story by its parents.
func (f *floor) belowStory(p *proc) bool {
	for up, n := p.parent, 0; up != nil && n < 64 && hubKind(up) == notHub; p, up, n = up, up.parent, n+1 {
		if runsScript(p) && !isService(up) && !isDaemon(up) {
			return false // growth upwards stops there
		}
		if up.story != 0 && f.open[up.story] != nil {
			return true
		}
	}
	return false
}

// ofParent gives the story that p belongs to because one above it brings all that is found below: without growing it
// again for each of many children.
func (f *floor) ofParent(p *proc) *story {
	if hubKind(p) != notHub {
		return nil
	}
	for up, n := p.parent, 0; up != nil && n < 64; up, n = up.parent, n+1 {
		if hubKind(up) != notHub {
			return nil
		}
		if st := f.open[up.story]; up.story != 0 && st != nil {
			if !up.brings {
				return nil
			}
			return st
		}
	}
	return nil
}

func (f *floor) assignHost(det detection.Detection, now time.Time) {
	key := det.Event.ID.Host.String() + "/" + det.RuleID
	for _, st := range f.open {
		if st.hostKey == key {
			f.add(st, det)
			return
		}
	}
	if det.Severity < detection.Medium {
		return
	}
	if f.crowded(det, now) {
		f.add(f.flood(det, now), det)
		return
	}
	st := f.openStory(det.Tenant, now)
	st.hostKey = key
	f.add(st, det)
}

func (f *floor) openStory(t tenant.ID, now time.Time) *story {
	f.serial++
	st := &story{serial: f.serial, due: now.Add(settle), row: Row{ID: ID(uuid.Must(uuid.NewV7())), Tenant: t, State: StateNew, Created: now.UnixMicro()}}
	f.open[st.serial] = st
	return st
}

func (f *floor) add(st *story, det detection.Detection) {
	f.byDet[det.ID] = st.serial
	st.row.Detections++
	st.keep(det)
	st.added = append(st.added, det)
	if st.saved || st.loaded {
		st.row.Unseen++
	}
	if st.row.State == StateClosed {
		st.row.State, st.reopen = StateNew, true
	}
	f.dirty[st.serial] = true
}

func (f *floor) seeds(st *story) []*proc {
	var out []*proc
	seen := map[*proc]bool{}
	for _, x := range st.dets {
		if p := f.graph.seed(x); p != nil && !seen[p] {
			seen[p] = true
			p.host.find(p)
			out = append(out, p)
		}
	}
	return out
}

// regrow marks the members of a story.
func (f *floor) regrow(st *story) {
	for _, p := range st.members {
		if p.story == st.serial {
			p.story = 0
		}
	}
	st.members = nil
	f.claim(st, reach(f.graph, f.seeds(st), rulesOf(st.dets)))
	f.dirty[st.serial] = true
}

// claim makes what joined in a growth the members of a story; a story that has one of them already merges with it, into the
// older one: its id may stand in a ticket by now. A hub joins no story, so that two stories under one sshd never meet in it.
func (f *floor) claim(st *story, w *growth) {
	for _, p := range w.joined() {
		if p.story == st.serial {
			continue
		}
		st.members = append(st.members, p)
		if o := f.open[p.story]; p.story != 0 && o != nil && o != st {
			f.merged[max(o.serial, st.serial)] = min(o.serial, st.serial)
			f.dirty[o.serial] = true
			continue
		}
		p.story, p.brings = st.serial, w.role[p] == full || w.role[p] == runner
	}
	for _, p := range w.order {
		if w.role[p] == passage && hubKind(p) == notHub {
			p.passed = st.serial
		}
	}
}

// settleDirty regrows what changed until nothing merges any more, and takes waiting detections in. A merged story has more
// seeds and may reach a third one, hence the rounds; 16 are far more than chains of merges in one flush, and what is left is
// dirty and comes next time.
func (f *floor) settleDirty(now time.Time) []mergeOf {
	var out []mergeOf
	for range 16 {
		for s := range f.dirty {
			if st := f.open[s]; st != nil && st.hostKey == "" {
				f.regrow(st)
			}
		}
		var still []detection.Detection
		for _, det := range f.waiting {
			p := f.graph.seed(det)
			// as if it had come after what opened the story
			if p != nil && (f.open[p.story] != nil || f.belowStory(p)) {
				if st, grown := f.joins(p); st != nil {
					f.take(st, det, grown)
					continue
				}
			}
			if p != nil && now.UnixMicro()-det.Detected < grows.Microseconds() {
				still = append(still, det)
			}
		}
		f.waiting = still
		if len(f.merged) == 0 {
			return out
		}
		for from, into := range f.merged {
			for n := 0; f.merged[into] != 0 && n < 1000; n++ {
				into = f.merged[into]
			}
			a, b := f.open[from], f.open[into]
			if a == nil || b == nil {
				continue
			}
			for _, p := range a.members {
				if p.story == from {
					p.story = 0
				}
			}
			for id, s := range f.byDet {
				if s == from {
					f.byDet[id] = into
				}
			}
			b.dets = append(b.dets, a.dets...)
			if len(b.dets) > maxDetections {
				b.more += len(b.dets) - maxDetections
				b.dets = b.dets[:maxDetections]
			}
			b.row.Detections += a.row.Detections
			b.more += a.more
			if a.saved || a.loaded {
				out = append(out, mergeOf{from: a.row.ID, into: b.row.ID})
			}
			b.added = append(b.added, a.added...)
			if b.row.State == StateClosed && a.row.State != StateClosed {
				b.row.State, b.reopen = StateNew, true
			}
			delete(f.open, from)
			delete(f.dirty, from)
			f.dirty[into] = true
		}
		f.merged = map[uint32]uint32{}
	}
	return out
}

// unload forgets incidents that no longer grow; the store keeps them.
func (f *floor) unload(now time.Time) {
	old := now.Add(-grows).UnixMicro()
	for s, st := range f.open {
		if !st.saved || len(st.added) > 0 || f.dirty[s] || max(st.row.Updated, st.row.Created) > old {
			continue
		}
		for _, p := range st.members {
			if p.story == s {
				p.story = 0
			}
		}
		for id, x := range f.byDet {
			if x == s {
				delete(f.byDet, id)
			}
		}
		delete(f.open, s)
	}
}

func (f *floor) note(h event.HostID) {
	for _, s := range f.graph.hosts[h].touched {
		if f.open[s] != nil {
			f.dirty[s] = true
		}
	}
}

// tell builds the story and fills in its row: what is kept, and what the tests of stories read.
func (f *floor) tell(st *story, c Context, now time.Time) Story {
	b := storyBuilder(f.graph, st, c)
	s := b.story()
	if len(s.Nodes) == 0 {
		hostOnly(b, &s)
	}
	fillRow(b, &st.row, &s, st, now)
	if st.flood {
		st.row.nameFlood(&s)
	}
	s.Related = append(s.Related, f.relatedTo(st, b)...)
	return s
}
