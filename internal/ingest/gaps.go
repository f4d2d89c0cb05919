package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
	"github.com/yagura-edr/yagura/internal/seq"
)

// Sequences have no holes: what was numbered comes, or is told as dropped. A sensor that says so is not believed, the
// numbers are. All µs.
const (
	gapAge  = 60_000_000  // a hole that several batches under way make is filled within that
	tailAge = 600_000_000 // so long the last numbers may take on a line on which nothing else moves
	gone    = 2 * gapAge  // a stream that has ended and keeps a hole for that long has lost it
)

// gap is what is missing of one lane, as it was at the last heartbeat.
type gap struct {
	first, last uint64 // the lowest hole; last is 0 when only the tail is missing
	since       int64
}

// measure looks at the lanes of the running stream, and at those of streams that have ended with a hole. connected says
// that a heartbeat is not the first for a while: a hole ages only while the sensor could fill it.
func (src *source) measure(stream uint64, produced []*sensorv1.StreamState, at int64) (open map[string]string, lost []loss) {
	src.mu.Lock()
	defer src.mu.Unlock()
	if !src.knows(stream) {
		return nil, nil // a heartbeat may name any stream
	}
	fresh := at-src.measured > unheard
	src.measured = at
	if src.first == nil {
		src.first = map[uint64]int64{}
	}
	if src.first[stream] == 0 {
		if len(src.first) >= maxLanes {
			clear(src.first)
		}
		src.first[stream] = at
	}
	said := map[lane]uint64{}
	for _, x := range produced {
		if x.Stream == stream && x.Lane <= uint32(event.Bulk) {
			said[lane{stream, event.Lane(x.Lane)}] = x.Last
		}
	}
	for _, l := range event.Lanes {
		src.measureLane(lane{stream, l}, said[lane{stream, l}], fresh, at)
	}
	open = map[string]string{}
	for k, g := range src.gaps {
		if k.stream != stream {
			src.measureLane(k, 0, fresh, at)
			if src.gaps[k] == nil {
				continue
			}
			if at-g.since > gone && g.last != 0 && !src.held[k.stream] {
				begin := src.first[k.stream]
				lost = append(lost, loss{k, seq.Range{First: g.first, Last: g.last}, min(g.last-g.first+1, made(at-begin)), begin})
				delete(src.gaps, k) // told; the stream has ended, so it is not measured again
				continue
			}
		}
		if age := at - g.since; g.last != 0 && age > gapAge || g.last == 0 && age > tailAge {
			open[laneClasses[k.lane]] = g.sentence(k)
		}
	}
	return open, lost
}

// loss is a range of a stream that ended which will not come.
type loss struct {
	lane
	seq.Range
	n     uint64
	begin int64
}

// holds notes which older streams a sensor still has to send.
func (src *source) holds(stream uint64, streams []*sensorv1.StreamState) {
	src.mu.Lock()
	defer src.mu.Unlock()
	src.held = map[uint64]bool{}
	for _, x := range streams[:min(len(streams), maxLanes)] {
		if x.Stream != stream {
			src.held[x.Stream] = true
		}
	}
}

func (src *source) measureLane(k lane, produced uint64, fresh bool, at int64) {
	q := src.lanes[k]
	var first, last uint64
	switch {
	case q == nil && produced == 0:
	case q == nil || len(q.accepted) == 0:
		first = 1
	case q.accepted[0].First > 1:
		first, last = 1, q.accepted[0].First-1
	case len(q.accepted) > 1:
		first, last = q.accepted[0].Last+1, q.accepted[1].First-1
	case q.accepted[0].Last < produced:
		first = q.accepted[0].Last + 1
	}
	if first == 0 || last == 0 && at-src.refused < tailAge { // a log that takes nothing is told, and no host's doing
		delete(src.gaps, k)
		return
	}
	if src.gaps == nil {
		src.gaps = map[lane]*gap{}
	}
	g := src.gaps[k]
	if g == nil && len(src.gaps) >= maxLanes {
		return // of so many streams at once nobody has to be told which
	}
	if g == nil || g.first != first || fresh {
		src.gaps[k] = &gap{first: first, last: last, since: at}
		return
	}
	g.last = last
}

func (g *gap) sentence(k lane) string {
	if g.last == 0 {
		return fmt.Sprintf("events were numbered and none of them comes: stream %016x, lane %d, from %d", k.stream, k.lane, g.first)
	}
	return fmt.Sprintf("numbered events did not come, and later ones did: stream %016x, lane %d, %d to %d", k.stream, k.lane, g.first, g.last)
}

// laneClasses is what the events of a lane are mostly about.
var laneClasses = map[event.Lane]string{event.Critical: "process", event.Network: "network", event.Bulk: "file"}

// numbers compares what a sensor numbered with what came, and tells of holes while they are there.
func (s *Service) numbers(ctx context.Context, id fleet.Identity, src *source, m *sensorv1.ReportRequest, at int64) {
	if m.Stream == 0 || m.GoingDown {
		return
	}
	open, lost := src.measure(m.Stream, m.Produced, at)
	h, _ := s.o.Fleet.Host(id.Tenant, id.Host)
	for _, l := range lost {
		if !src.lose(l.n, made(min(at-h.Enrolled, lossSpan.Microseconds())), at) {
			s.tell(ctx, id, src, claimLoss, 1)
			continue
		}
		s.o.Coverage.Lost(ctx, id.Tenant, event.ID{Host: id.Host, Stream: l.stream, Lane: l.lane.lane, Seq: l.First}, laneClasses[l.lane.lane], l.n, l.begin, at, "they were numbered and never came")
	}
	var why []string
	for _, class := range laneClasses {
		s.o.Coverage.Gap(ctx, id.Tenant, id.Host, class, open[class])
		if open[class] != "" {
			why = append(why, open[class])
		}
	}
	if len(why) == 0 {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, "numbers")
		return
	}
	slices.Sort(why)
	s.o.Coverage.Report(ctx, faultNumbers(id, s.said(strings.Join(why, "; "))))
}
