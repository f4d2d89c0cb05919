package access

import (
	"fmt"
	"time"
)

// maxSlowed bounds what is remembered of wrong guesses; full: who has all guesses again is forgotten, then all are.
const maxSlowed = 4096

// allowance is what somebody may do burst times at once and once more every so often. It is the moment when all is
// given back.
type allowance time.Time

// take takes one; when none is left it says when the next one comes.
func (a *allowance) take(now time.Time, burst int, every time.Duration) (next time.Time, ok bool) {
	back := time.Time(*a)
	if back.Before(now) {
		back = now
	}
	if next = back.Add(-time.Duration(burst-1) * every); next.After(now) {
		return next, false
	}
	*a = allowance(back.Add(every))
	return next, true
}

// slowness remembers wrong guesses, by whom they are held against. It is slow-down, never lock-out: a guess more
// comes back every GuessEvery, a name without one left is still open to two codes in a row, and what strangers
// spend costs a known browser nothing. Guarded by Desk.mu.
type slowness struct {
	known  map[string]*allowance // of names, users, devices and links that exist
	nobody map[string]*allowance // of names that nobody has
}

func newSlowness() slowness {
	return slowness{known: map[string]*allowance{}, nobody: map[string]*allowance{}}
}

func (s slowness) take(subject string, exists bool, now time.Time) (next time.Time, ok bool) {
	all := s.nobody
	if exists {
		all = s.known
	}
	a := all[subject]
	if a == nil {
		if len(all) >= maxSlowed {
			for name, b := range all {
				if !time.Time(*b).After(now) {
					delete(all, name)
				}
			}
		}
		if len(all) >= maxSlowed {
			clear(all)
		}
		a = new(allowance)
		all[subject] = a
	}
	return a.take(now, GuessLimit, GuessEvery)
}

// forget gives all guesses back.
func (s slowness) forget(subject string) { delete(s.known, subject) }

// takeGuess takes a guess of subject before it is judged, so that of many sent at once only GuessLimit are.
func (d *Desk) takeGuess(subject string, exists bool) (next time.Time, ok bool) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slow.take(subject, exists, now)
}

// Refused sign-ins are written one by one while they are few; a guesser at full speed would fill the disk with rows.
const (
	refusedAtOnce = 60
	refusedEvery  = 10 * time.Second
)

// refusals counts what the audit was not told one by one. Guarded by Desk.mu.
type refusals struct {
	rows allowance
	more int
}

// tell says whether this refusal gets a row, and what the row adds.
func (r *refusals) tell(now time.Time) (also string, ok bool) {
	if _, ok := r.rows.take(now, refusedAtOnce, refusedEvery); !ok {
		r.more++
		return "", false
	}
	if r.more > 0 {
		also = fmt.Sprintf(", and %d more refused since the row before", r.more)
		r.more = 0
	}
	return also, true
}
