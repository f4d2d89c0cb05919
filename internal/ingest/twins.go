package ingest

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

// Times that tell two machines of one identity from one that started anew. All µs.
const (
	strayed   = 20_000_000       // a call of a sensor that has ended arrives within that, whatever held it back
	unheard   = 40_000_000       // two heartbeats and a half: who says nothing for that long is no second one
	stood     = 30_000_000       // a connection of a process that has ended is closed within that, whatever became of the line
	lingers   = 5_000_000        // what still arrives later after a sign-off was not under way then
	together  = 10 * time.Minute // one machine alone for that long has put the alarm out
	renamedOn = 24 * time.Hour   // how long a new name of a host is told
)

// life is one start of a sensor, by its stream.
type life struct {
	stream uint64
	boot   string // hex; empty: it did not greet since this server started
	heard  int64
}

// ended is a life that another one took the place of, and what its clocks and ours said then: whatever it still says
// was said before, or there are two of them.
type ended struct {
	life
	by          life
	at, b, wall int64
}

const maxEnded = 8

// lives is who says to be one host. A sensor draws its stream at each start, holds its folder locked, and boots only go
// forward: so streams and boots come one after the other, and one that speaks again after the next has begun is a copy
// of the folder, or somebody who uses the key of it.
type lives struct {
	now   life
	ended []ended
	twice int64 // when two were last seen; as the fleet keeps it
}

// meet takes a Hello (boot is known) or a heartbeat and says how it shows a second machine; empty when it does not.
func (l *lives) meet(stream uint64, boot string, b, wall, at int64) (why string) {
	if stream == 0 {
		return ""
	}
	if l.now.stream == 0 || l.now.stream == stream {
		if boot == "" {
			boot = l.now.boot
		}
		l.now = life{stream, boot, at}
		return ""
	}
	for i := range l.ended {
		old := &l.ended[i]
		if old.stream != stream {
			continue
		}
		if boot == "" {
			boot = old.boot
		}
		late := at-old.at > strayed || wall > old.wall
		if boot != "" && boot == old.by.boot {
			late = at-old.at > strayed || b > old.b
		}
		if !late {
			return ""
		}
		if at-l.now.heard > unheard { // the other one is gone
			l.follow(life{stream, boot, at}, b, wall, at)
			return ""
		}
		if boot == l.now.boot {
			return fmt.Sprintf("two sensors speak at once in one boot, streams %016x and %016x", stream, l.now.stream)
		}
		return fmt.Sprintf("two boots are alive at once, streams %016x and %016x", stream, l.now.stream)
	}
	l.follow(life{stream, boot, at}, b, wall, at)
	return ""
}

func (l *lives) follow(next life, b, wall, at int64) {
	kept := l.ended[:0]
	for _, e := range l.ended {
		if e.stream != next.stream && e.stream != l.now.stream {
			kept = append(kept, e)
		}
	}
	if len(kept) >= maxEnded {
		kept = kept[1:]
	}
	kept = append(kept, ended{life: l.now, by: next, at: at, b: b, wall: wall})
	l.ended = kept
	l.now = next
}

// open says how a stream of orders that is still open shows a second machine: the kernel closes the connections of a
// process that has ended, also when nobody lets it say goodbye. Over a boot none does.
func (l *lives) open(stream uint64, at int64) (why string) {
	for _, e := range l.ended {
		if e.stream == stream && e.boot != "" && e.boot == e.by.boot && at-e.at > stood && at-l.now.heard < unheard {
			return fmt.Sprintf("two sensors are connected at once in one boot, streams %016x and %016x", stream, l.now.stream)
		}
	}
	return ""
}

// meet takes who greets (boot is not nil) or reports, and tells of a second machine, or that there is none any more.
func (s *Service) meet(ctx context.Context, id fleet.Identity, src *source, stream uint64, boot []byte, b uint64, wall, at int64) {
	src.mu.Lock()
	why := src.lives.meet(stream, hex.EncodeToString(boot), int64(b/1000), wall, at)
	single := src.lives.single(at)
	src.mu.Unlock()
	if why != "" {
		s.doubled(ctx, id, src, why)
	} else if single {
		s.single(ctx, id, src, at)
	}
}

// single says whether one alone has used the identity for long enough since there were two.
func (l *lives) single(at int64) bool {
	return l.twice != 0 && at-l.twice > together.Microseconds()
}

// single tells that one machine alone uses an identity.
func (s *Service) single(ctx context.Context, id fleet.Identity, src *source, at int64) {
	src.tell.Lock()
	defer src.tell.Unlock()
	src.mu.Lock()
	over := src.lives.single(at) // a second one may have been seen meanwhile
	if over {
		src.lives.twice = 0
	}
	src.mu.Unlock()
	if over {
		s.o.Fleet.Single(id.Host)
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, kindClone)
		s.changed(id.Tenant)
	}
}

// doubled tells that two machines use an identity.
func (s *Service) doubled(ctx context.Context, id fleet.Identity, src *source, why string) {
	src.tell.Lock()
	defer src.tell.Unlock()
	at := now()
	src.mu.Lock()
	news := at-src.lives.twice > together.Microseconds()
	src.lives.twice = at
	src.mu.Unlock()
	s.o.Fleet.Doubled(id.Host)
	if news { // the first words stand: those that follow say the same
		s.o.Coverage.Report(ctx, faultClone(id, s.said(why)))
		s.changed(id.Tenant)
	}
}

// introduce compares a Hello with what was known of the host. returned: its boot is one of the kept ones.
func (s *Service) introduce(ctx context.Context, id fleet.Identity, src *source, was, is fleet.Host, returned bool) {
	if was.Boot != "" && was.Boot != is.Boot && returned {
		s.doubled(ctx, id, src, "a boot that had ended came back")
	}
	if was.Boot != "" && was.Name != is.Name { // before the first Hello the name is that of the enrolment
		other, taken := s.o.Fleet.Namesake(is)
		s.o.Coverage.Report(ctx, faultRenamed(id, was.Name, is.Name, other, taken))
	}
}

// settled ends what time has ended: a new name that was told for long enough, a twin by machine id that is gone.
func (s *Service) settled(ctx context.Context, id fleet.Identity) {
	if since, stands := s.o.Coverage.Stands(id.Tenant, id.Host, kindRenamed); stands && now()-since > renamedOn.Microseconds() {
		s.o.Coverage.Clear(ctx, id.Tenant, id.Host, kindRenamed)
	}
	if _, stands := s.o.Coverage.Stands(id.Tenant, id.Host, kindTwin); stands {
		if h, ok := s.o.Fleet.Host(id.Tenant, id.Host); ok {
			if _, alive := s.o.Fleet.Twin(h, together); !alive {
				s.o.Coverage.Clear(ctx, id.Tenant, id.Host, kindTwin)
			}
		}
	}
}

// attending notes that a stream of orders is open, at its begin and every 15 seconds.
func (s *Service) attending(ctx context.Context, id fleet.Identity, stream uint64, began int64) {
	s.contact(ctx, id, began, true)
	src, err := s.source(ctx, id)
	if err != nil || stream == 0 {
		return
	}
	src.mu.Lock()
	why := src.lives.open(stream, now())
	src.mu.Unlock()
	if why != "" {
		s.doubled(ctx, id, src, why)
	}
}

// contact notes a sign of life. One that goes on after a sensor had signed off shows that somebody else did that. open:
// it is a stream that stands, which says nothing of whether somebody answers at its other end.
func (s *Service) contact(ctx context.Context, id fleet.Identity, began int64, open bool) {
	off := s.o.Coverage.Heard(id.Tenant, id.Host, began, open)
	if off == 0 || now()-off < lingers {
		return
	}
	if h, ok := s.o.Fleet.Host(id.Tenant, id.Host); ok && h.Recording {
		return
	}
	if src, err := s.source(ctx, id); err == nil {
		s.doubled(ctx, id, src, fmt.Sprintf("it signed off at %s and went on", event.Clock(off)))
	}
}
