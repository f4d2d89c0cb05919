// Package fault holds what of the server itself does not work: which causes there are, in words of both languages
// with what to do, and a board on which every part of the server raises and clears them. It lives in memory, so
// that it also works when the database, the log or the disk does not. Package coverage shows what stands to people
// (Home, notices), cmd/yagura in `doctor`. Faults of hosts and sensors are not here: they are coverage's own.
package fault

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
)

// Fault is one thing of the server that does not work, or did not.
type Fault struct {
	Cause   Cause
	Subject string // which of them: a shard's number, a file; "" where there is only one
	Detail  string // what went wrong last, in English: an error's text
	Ja      string // the same in Japanese, where it was given with Told or the board speaks it
	Count   uint64 // how often it was raised since Since
	Since   time.Time
	Last    time.Time // raised for the last time
	Healed  time.Time // zero while it stands
}

// ID names the fault; it is the same while it stands and when it comes again.
func (f Fault) ID() string {
	if f.Subject == "" {
		return string(f.Cause)
	}
	return string(f.Cause) + " " + f.Subject
}

// OfStore says whether it is about what the event store holds, which `yagura store` and `yagura quarantine` show.
func (f Fault) OfStore() bool {
	switch f.Cause { //nolint:exhaustive // the others are of something else
	case Quarantine, Segments, HotFile, Orphans, RetentionWaits, ClockJumped:
		return true
	}
	return false
}

// Severity says how bad it is.
func (f Fault) Severity() detection.Severity { return causes[f.Cause].severity }

// told is a detail in both languages.
type told struct{ en, ja string }

func (t *told) Error() string { return t.en }

// Told gives a detail that is no error's text, in both languages.
func Told(en, ja string) error { return &told{en, ja} }

// bounds of a board. Full: the subject is not told apart, its cause stands once for all further ones.
const (
	maxStanding = 200
	maxHealed   = 100
)

// again is how often a fault that stands is written to the log again. One that comes back within relapse never
// went: it keeps its beginning and its count, and is not told anew.
const (
	again   = time.Hour
	relapse = time.Minute
)

// Board is where faults stand. The methods of a nil board do nothing. It is safe for many goroutines.
type Board struct {
	// Japanese says an error's text in Japanese; nil leaves it as it is. It is set before the board is used.
	Japanese func(english string) string

	log *slog.Logger

	mu       sync.Mutex // guards what follows; never held across I/O
	standing map[key]*entry
	healed   []entry // the latest last
}

type key struct {
	cause   Cause
	subject string
}

type entry struct {
	Fault
	logged time.Time // zero: not yet
	over   time.Time // when the log was told that it is over
}

// NewBoard makes an empty board. Who raises a fault on it need not log it, too: the board does, once when it
// begins to show and once an hour while it stands.
func NewBoard(log *slog.Logger) *Board {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Board{log: log, standing: map[key]*entry{}}
}

// Raise says that something failed, with its error. A cause may take its time to show, see the table of causes:
// what heals sooner was none.
func (b *Board) Raise(cause Cause, subject string, err error) {
	if b == nil {
		return
	}
	if _, known := causes[cause]; !known {
		panic("fault: a cause without words: " + string(cause))
	}
	now := time.Now()
	b.mu.Lock()
	k := key{cause, subject}
	e := b.standing[k]
	if e == nil {
		if len(b.standing) >= maxStanding {
			k.subject = ""
			if e = b.standing[k]; e == nil && len(b.standing) >= maxStanding+len(causes) {
				b.mu.Unlock()
				return
			}
		}
		if e == nil {
			e = b.relapsed(k, now)
			b.standing[k] = e
		}
	}
	e.Count, e.Last = e.Count+1, now
	if err != nil {
		e.Detail, e.Ja = err.Error(), ""
		if t, ok := errors.AsType[*told](err); ok {
			e.Ja = t.ja
		} else if b.Japanese != nil {
			e.Ja = b.Japanese(e.Detail)
		}
	}
	tell := e.shows(now) && now.Sub(e.logged) >= again
	first := e.logged.IsZero()
	if tell {
		e.logged = now
	}
	f := e.Fault
	b.mu.Unlock()
	if !tell {
		return
	}
	attrs := []any{slog.String("fault", f.ID()), slog.String("what", f.What().En), slog.Uint64("count", f.Count), slog.Time("since", f.Since), slog.Any("err", err)}
	switch {
	case !first:
		b.log.Error("server fault still stands", attrs...)
	case f.Severity() < detection.High:
		b.log.Warn("server fault", attrs...)
	default:
		b.log.Error("server fault", attrs...)
	}
}

// relapsed gives the entry of a fault that begins, or the one that ended a moment ago.
func (b *Board) relapsed(k key, now time.Time) *entry {
	for i, e := range slices.Backward(b.healed) {
		if now.Sub(e.Healed) >= relapse {
			break
		}
		if e.Cause == k.cause && e.Subject == k.subject {
			b.healed = slices.Delete(b.healed, i, i+1)
			e.Healed = time.Time{}
			return &e
		}
	}
	return &entry{Fault: Fault{Cause: k.cause, Subject: k.subject, Since: now}}
}

func (e *entry) shows(now time.Time) bool { return now.Sub(e.Since) >= causes[e.Cause].after }

// Clear says that it works again; nothing happens when nothing stood.
func (b *Board) Clear(cause Cause, subject string) {
	if b == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	e := b.standing[key{cause, subject}]
	if e == nil {
		b.mu.Unlock()
		return
	}
	delete(b.standing, key{cause, subject})
	shown := e.shows(now)
	tell := shown && now.Sub(e.over) >= relapse
	if shown {
		e.Healed = now
		if tell {
			e.over = now
		}
		if len(b.healed) == maxHealed {
			b.healed = slices.Delete(b.healed, 0, 1)
		}
		b.healed = append(b.healed, *e)
	}
	f := e.Fault
	b.mu.Unlock()
	if tell {
		b.log.Info("server fault is over", slog.String("fault", f.ID()), slog.Uint64("count", f.Count), slog.Time("since", f.Since))
	}
}

// ClearAll clears every fault of a cause.
func (b *Board) ClearAll(cause Cause) {
	if b == nil {
		return
	}
	b.mu.Lock()
	var subjects []string
	for k := range b.standing {
		if k.cause == cause {
			subjects = append(subjects, k.subject)
		}
	}
	b.mu.Unlock()
	for _, subject := range subjects {
		b.Clear(cause, subject)
	}
}

// Report raises the fault for an error and clears it for nil: for work that is tried again and again.
func (b *Board) Report(cause Cause, subject string, err error) {
	if err != nil {
		b.Raise(cause, subject, err)
	} else {
		b.Clear(cause, subject)
	}
}

// Standing gives the faults that show now, the worst first.
func (b *Board) Standing() []Fault {
	if b == nil {
		return nil
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Fault
	for _, e := range b.standing {
		if e.shows(now) {
			out = append(out, e.Fault)
		}
	}
	slices.SortFunc(out, func(x, y Fault) int {
		return cmp.Or(-cmp.Compare(x.Severity(), y.Severity()), x.Since.Compare(y.Since), cmp.Compare(x.ID(), y.ID()))
	})
	return out
}

// Healed gives the faults that ended at or after a time, the latest first.
func (b *Board) Healed(since time.Time) []Fault {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Fault
	for _, e := range slices.Backward(b.healed) {
		if !e.Healed.Before(since) {
			out = append(out, e.Fault)
		}
	}
	return out
}
