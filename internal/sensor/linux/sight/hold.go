package sight

import (
	"context"
	"errors"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/image"
)

// hold keeps the events of one process back while the hash of its image is made. The exec comes first.
type hold struct {
	until  time.Time
	events []*event.Event
}

// exec lets an exec go with its hash when the content is known, and holds it for at most hashWait otherwise.
// It needs mu.
func (s *Sight) exec(e *event.Event) {
	s.release(e.Actor.Key) // an earlier exec of the same process still waits: keep the order
	seen := image.Identity(s.probe.Executed())
	if sum, ok := s.hasher.Known(seen); ok { // most programs run more than once
		s.note(e, e.Actor.ExecID, image.Result{SHA256: sum})
		s.out(e)
		return
	}
	who, execID, at := e.Actor, e.Actor.ExecID, e.BootNS
	want := image.Want{
		PID: who.PID, Path: who.Path, Volume: who.VolumeID, Inode: seen.Inode, Size: int64(e.File.Size), Mtime: e.File.ModifiedTime,
		Time: e.HostTime, Kernel: seen,
	}
	r, ok, err := s.hasher.Ask(want, func(r image.Result) { s.hashed(who, at, r) })
	switch {
	case err != nil:
		e.HashState = event.HashError
	case ok:
		s.note(e, execID, r)
	default:
		e.HashState = event.HashPending
		if s.n < maxHeld {
			s.arm(hashWait)
			s.held[who.Key] = &hold{until: time.Now().Add(hashWait), events: []*event.Event{e}}
			s.n++
			return
		}
	}
	s.out(e)
}

// note puts a result into an exec event and the tree.
func (s *Sight) note(e *event.Event, execID uint64, r image.Result) {
	switch {
	case r.Err == nil:
		e.HashState, e.Actor.SHA256 = event.HashKnown, r.SHA256
		s.tree.SetHash(e.Actor.Key, execID, r.SHA256)
	case errors.Is(r.Err, image.ErrTooBig):
		e.HashState = event.HashTooBig
	case errors.Is(r.Err, image.ErrGone):
		e.HashState = event.HashGone
	case errors.Is(r.Err, image.ErrHung):
		e.HashState = event.HashHung
	default:
		e.HashState = event.HashError
	}
}

// hashed takes a worker's result: into the exec if it still waits, as process.image_hashed if not.
func (s *Sight) hashed(who event.Process, at uint64, r image.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[who.Key]
	if h != nil && h.events[0].Actor.ExecID == who.ExecID {
		s.note(h.events[0], who.ExecID, r)
		for _, e := range h.events[1:] {
			if e.Actor.Key == who.Key && e.Actor.ExecID == who.ExecID {
				e.Actor.SHA256 = r.SHA256
			}
		}
		s.release(who.Key)
		return
	}
	boot, host := s.probe.Now()
	late := &event.Event{
		Kind: event.ProcessImageHashed, OS: event.Linux, BootNS: boot, HostTime: host, Actor: who,
		FromNS: at,
	}
	s.note(late, who.ExecID, r)
	s.tree.Complete(late)
	s.pass(late)
}

// pass lets an event go, behind those of its process that wait. It needs mu.
func (s *Sight) pass(e *event.Event) {
	if len(s.held) == 0 {
		s.out(e)
		return
	}
	h := s.held[e.Actor.Key]
	if h == nil {
		s.out(e)
		return
	}
	if s.n >= maxHeld {
		s.release(e.Actor.Key)
		s.out(e)
		return
	}
	h.events = append(h.events, e)
	s.n++
}

// release lets go all that waits for one process. It needs mu.
func (s *Sight) release(key event.Key) {
	h := s.held[key]
	if h == nil {
		return
	}
	delete(s.held, key)
	s.n -= len(h.events)
	for _, e := range h.events {
		s.out(e)
	}
}

// out lets an event go for good. It needs mu.
func (s *Sight) out(e *event.Event) {
	s.emit(e)
	s.probe.Free(e)
}

// arm makes expire look in a while, unless it will anyway. It needs mu.
func (s *Sight) arm(in time.Duration) {
	if !s.armed {
		s.armed = true
		s.alarm.Reset(in)
	}
}

// expire releases what waited long enough, until ctx ends. Its alarm is set only while something waits.
func (s *Sight) expire(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-s.alarm.C:
			s.mu.Lock()
			for key, h := range s.held {
				if !now.Before(h.until) {
					s.release(key)
				}
			}
			s.armed = false
			boot, _ := s.probe.Now()
			s.tellPipes(boot)
			if len(s.held) > 0 {
				s.arm(hashWait / 5)
			}
			s.mu.Unlock()
		}
	}
}

// flush releases all that waits.
func (s *Sight) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.held {
		s.release(key)
	}
}
