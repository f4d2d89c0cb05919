// Package pipeline joins the two ends of pipes: which program writes what another one reads. An exec tells which
// pipes its descriptors lead to, and the exit of a shell's own child that never called exec does; a pipe is known by
// its inode. Package sight feeds it and emits the process.pipe events that it makes. It follows no data, and a pipe that is
// made and read inside one process is not seen.
package pipeline

import (
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Bounds. Memory: 2 × maxPipes pipes of at most maxWriters + maxReaders programs, 520 bytes each beside a line of at most
// maxLine: 5 MB when all is full, a few hundred kilobytes on an ordinary host.
const (
	maxPipes    = 512 // of one generation; a full young one becomes the old one
	maxWriters  = 3   // of one pipe: what a subshell starts one after the other
	maxReaders  = 2   // of one pipe: one program, and what it becomes by another exec
	maxLine     = 512 // bytes of a command line
	maxUpstream = 8
	maxWaiting  = 256 // joined, but the pipeline above is not whole yet; full: told as it is

	// Wait is how long a joined pair waits for the rest of the pipeline to be known: its programs start within milliseconds.
	Wait = 200 * time.Millisecond

	// again is how old the reader of a FIFO is when what comes next is another use of it: to open one waits for the other end,
	// so those that belong together start together.
	again = uint64(time.Second)

	// A script that calls the same pair again and again is told of so often, then once a second.
	pairBurst = 20
	pairEvery = uint64(time.Second)
	maxPairs  = 256
)

// ID names a pipe: the device and inode of the pipe or FIFO. A FIFO has a name and may be used again, by others.
type ID struct {
	Dev   uint32
	Inode uint64
	FIFO  bool
}

// program is a process with the image that it had when its end of a pipe became known.
type program struct {
	who     event.Process // without its lists; the line cut
	in      ID            // what it reads itself
	at      uint64
	builtin bool // a shell's own child: it never called exec
}

type pipe struct {
	writers []program
	readers []program
	late    *program // of a FIFO: the last reader that was not the first
}

type join struct {
	reader, writer program
	since          uint64
}

// Table knows the pipes. It is used from one goroutine at a time.
type Table struct {
	young, old map[ID]*pipe
	waiting    []join
	pairs      map[pair]*budget
}

type pair struct{ reader, writer, cgroup string }

type budget struct {
	left  int
	since uint64
}

// New makes an empty table.
func New() *Table { return &Table{young: map[ID]*pipe{}, pairs: map[pair]*budget{}} }

// Len gives the number of pipes known.
func (t *Table) Len() int { return len(t.young) + len(t.old) }

// at gives a pipe, made if need be.
func (t *Table) at(id ID) *pipe {
	if p := t.young[id]; p != nil {
		return p
	}
	p := t.old[id]
	if p == nil {
		p = &pipe{}
	} else {
		delete(t.old, id)
	}
	if len(t.young) >= maxPipes {
		t.old, t.young = t.young, make(map[ID]*pipe, maxPipes)
	}
	t.young[id] = p
	return p
}

func (t *Table) known(id ID) *pipe {
	if p := t.young[id]; p != nil {
		return p
	}
	return t.old[id]
}

// Exec takes a process that started a new image: in are the pipes that it can read, the one on standard input first, out is
// the one that its standard output goes into. Zero names no pipe.
func (t *Table) Exec(who *event.Process, in []ID, stdin, out ID, now uint64) {
	if len(in) == 0 && out == (ID{}) {
		return
	}
	p := program{who: kept(who), in: stdin, at: now}
	if out != (ID{}) {
		t.writes(out, p, now)
	}
	if !reads(who) {
		return
	}
	for _, id := range in {
		if id != out {
			t.reads(id, p, now)
		}
	}
}

// Exit takes a process that ends without ever having called exec: what a shell does itself in a pipeline.
func (t *Table) Exit(who *event.Process, in, out ID, now uint64) {
	if out == (ID{}) || in == out {
		return
	}
	if p := t.known(out); p != nil && slices.ContainsFunc(p.writers, func(o program) bool { return !o.builtin }) {
		return // the subshell around a program that wrote: told by that
	}
	t.writes(out, program{who: kept(who), in: in, at: now, builtin: true}, now)
}

// kept copies what is kept of a process.
func kept(who *event.Process) event.Process {
	p := *who
	if len(p.CommandLine) > maxLine {
		p.CommandLine = string([]byte(p.CommandLine[:maxLine]))
	}
	return p
}

func (t *Table) writes(id ID, w program, now uint64) {
	p := t.at(id)
	p.renew(id, now)
	same := func(o program) bool { return o.who.Key == w.who.Key }
	if id.FIFO && len(p.readers) > 0 && len(p.writers) > 0 && !slices.ContainsFunc(p.writers, same) {
		// Both ends were there already: it is used again.
		p.readers, p.writers = p.next(now), nil
	}
	if i := slices.IndexFunc(p.writers, same); i >= 0 {
		p.writers[i] = w // what it is now: a shell that became the program
	} else if len(p.writers) < maxWriters {
		p.writers = append(p.writers, w)
	} else {
		return
	}
	for _, r := range p.readers {
		t.join(r, w, now)
	}
}

// renew forgets an earlier use of a FIFO.
func (p *pipe) renew(id ID, now uint64) {
	if id.FIFO && len(p.readers) > 0 && now > p.readers[0].at+again {
		p.readers = p.next(now)
		p.writers = slices.DeleteFunc(p.writers, func(w program) bool { return now > w.at+again })
	}
}

// next takes the reader that came before the writer of its own use did, if there is one.
func (p *pipe) next(now uint64) (readers []program) {
	if p.late != nil && now <= p.late.at+again {
		readers = []program{*p.late}
	}
	p.late = nil
	return readers
}

func (t *Table) reads(id ID, r program, now uint64) {
	p := t.at(id)
	p.renew(id, now)
	switch {
	case len(p.readers) == 0:
	case len(p.readers) < maxReaders && p.readers[0].who.Key == r.who.Key:
	default:
		if id.FIFO {
			p.late = &r
		}
		return // what the first one starts has the same input; it is the first one that was given it
	}
	p.readers = append(p.readers, r)
	for _, w := range p.writers {
		t.join(r, w, now)
	}
}

func (t *Table) join(r, w program, now uint64) {
	if r.who.Key == w.who.Key || !t.spend(pair{r.who.Path, w.who.Path, r.who.Cgroup}, now) {
		return
	}
	if len(t.waiting) >= maxWaiting {
		t.waiting[0].since = 0 // told at the next look
		return
	}
	t.waiting = append(t.waiting, join{reader: r, writer: w, since: now})
}

// spend takes one from what a pair of programs may still tell.
func (t *Table) spend(p pair, now uint64) bool {
	b := t.pairs[p]
	if b == nil {
		if len(t.pairs) >= maxPairs {
			clear(t.pairs)
		}
		b = &budget{left: pairBurst, since: now}
		t.pairs[p] = b
	}
	if earned := (now - b.since) / pairEvery; now > b.since && earned > 0 {
		b.left = min(pairBurst, b.left+int(min(earned, pairBurst)))
		b.since = now
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// Ready gives the events of the pairs whose pipeline is known to its beginning, or that waited long enough. Actor, Target and
// Upstream are filled; the images of both are those of their exec.
func (t *Table) Ready(now uint64) (out []*event.Event) {
	if len(t.waiting) == 0 {
		return nil
	}
	still := t.waiting[:0]
	for _, j := range t.waiting {
		upstream, whole := t.upstream(j.writer)
		if !whole && now < j.since+uint64(Wait) && j.since != 0 {
			still = append(still, j)
			continue
		}
		out = append(out, &event.Event{
			Kind: event.ProcessPipe, OS: sense.OS, BootNS: max(j.reader.at, j.writer.at), Actor: j.reader.who, Target: j.writer.who, Upstream: upstream,
		})
	}
	clear(t.waiting[len(still):])
	t.waiting = still
	return out
}

// Waits says whether a pair waits for the rest of its pipeline.
func (t *Table) Waits() bool { return len(t.waiting) > 0 }

// upstream follows a pipeline from its writer upwards; whole is false when a pipe on the way has no writer yet.
func (t *Table) upstream(w program) (paths []string, whole bool) {
	for {
		paths = append(paths, w.who.Path)
		if w.in == (ID{}) || len(paths) >= maxUpstream {
			return paths, true
		}
		p := t.known(w.in)
		if p == nil || len(p.writers) == 0 {
			return paths, false
		}
		key := w.who.Key
		if w = p.writers[0]; w.who.Key == key {
			return paths, true
		}
		for _, other := range p.writers {
			if w.builtin && !other.builtin {
				w = other
			}
		}
	}
}
