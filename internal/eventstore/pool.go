package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/stream"
)

// Roles of worker processes, with the memory each may use.
const (
	RoleQuery   = "query"
	RoleSeal    = "seal"
	RoleCompact = "compact"
)

// Budgets in MiB, by role (store.md §8).
var budgets = map[string]int{RoleQuery: 1000, RoleSeal: 500, RoleCompact: 700}

// Budget gives the memory of a role in MiB.
func Budget(role string) int { return budgets[role] }

// queriesPerWorker bounds what a leak in a C library can grow to.
const queriesPerWorker = 500

// ErrBusy means that every worker of the role stayed busy until the caller gave up.
var ErrBusy = errors.New("all workers are busy")

// pool keeps the worker processes of one role. Each process serves one request at a time.
type pool struct {
	role     string
	dir      string // the data directory
	launch   *launcher
	log      *slog.Logger
	faults   *fault.Board
	patience time.Duration // how long a worker may take for the smallest request there is
	turns    chan struct{} // one token for each process that may exist; full: callers wait in line

	mu     sync.Mutex // guards what follows
	idle   []*worker
	shut   bool
	deaths int       // in a row
	since  time.Time // of the first of them
	worked time.Time // last answer
	told   time.Time // when the log was last told of a death
	untold int       // deaths since then
	hello  Hello     // of the last process that came up
}

func newPool(program *program, role, dir string, size int, o *Options) *pool {
	return &pool{role: role, dir: dir, launch: newLauncher(program, role, dir), log: o.Log, faults: o.Faults, patience: o.HotTime / 2, turns: make(chan struct{}, size)}
}

// do runs one request in a process: entries are sent behind it, rows come back through onRows. A process
// that fails is killed and the next request gets a new one.
func (p *pool) do(ctx context.Context, q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	a, err := p.turn(ctx, q, entries, onRows)
	p.note(ctx, err)
	return a, err
}

func (p *pool) turn(ctx context.Context, q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("wait for a %s worker: %w", p.role, errors.Join(ErrBusy, context.Cause(ctx)))
	}
	defer func() { <-p.turns }()
	w, err := p.take(ctx)
	if err != nil {
		return Answer{}, err
	}
	a, err := p.run(ctx, w, q, entries, onRows)
	// A process that died while idle says nothing about this request; one that dies in it is tried again
	// once, and the second death is the request's own.
	if d, dead := errors.AsType[*death](err); dead && d.how != hung && w.served > 0 && ctx.Err() == nil {
		if w, err = p.start(ctx); err != nil {
			return Answer{}, err
		}
		a, err = p.run(ctx, w, q, entries, onRows)
	}
	return a, err
}

func (p *pool) run(ctx context.Context, w *worker, q Request, entries []Entry, onRows func([]byte) error) (Answer, error) {
	q.MemoryMB, q.Data, q.Shown = Budget(p.role), p.launch.program.sees(p.dir), p.dir
	if until, ok := ctx.Deadline(); ok {
		q.Deadline = max(1, time.Until(until).Milliseconds())
	}
	over := make(chan struct{})
	var watch sync.WaitGroup
	var ours ending // how we ended it, if we did
	watch.Go(func() { ours = p.watch(ctx, w, over) })
	a, err := w.exchange(q, entries, onRows)
	close(over)
	watch.Wait()
	answer, refused := errors.AsType[*Fault](err)
	answered := err == nil || refused && answer.Code != "memory"
	if answered && ours == "" {
		p.put(w)
		return a, err
	}
	if !answered && !refused && ours == "" {
		w.linger()
	}
	w.kill()
	w.reap()
	switch {
	case answered: // and ended in the same moment, because its caller gave up: nobody may be given this process
		return a, err
	case ours == "" && refused:
		return Answer{}, err
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return Answer{}, fmt.Errorf("%s worker stopped: %w", p.role, context.Cause(ctx))
	}
	d := w.autopsy(p.role, ours, err)
	if d.how == hung {
		d.err = context.Cause(ctx)
	}
	p.tell(ctx, d)
	return Answer{}, d
}

// deathsTold is how often the log hears of workers that die; a broken one may die ten times a second.
const deathsTold = 30 * time.Second

func (p *pool) tell(ctx context.Context, d *death) {
	p.mu.Lock()
	p.untold++
	n, due := p.untold, time.Since(p.told) >= deathsTold
	if due {
		p.told, p.untold = time.Now(), 0
	}
	p.mu.Unlock()
	if due {
		p.log.WarnContext(ctx, "worker process replaced", slog.String("role", p.role), slog.String("how", string(d.how)), slog.Int("deaths", n), slog.Any("err", d), slog.String("stderr", d.stderr))
	}
}

// deathsInARow is how often workers of a role must die with no answer between before they are tried with what is
// known to be good.
const deathsInARow = 3

// note keeps the score: whether workers of the role work at all is a fault of the server, whatever was asked of them.
func (p *pool) note(ctx context.Context, err error) {
	d, dead := errors.AsType[*death](err)
	if !dead {
		if _, answered := errors.AsType[*Fault](err); answered || err == nil {
			p.alive()
		}
		return
	}
	p.mu.Lock()
	if p.deaths == 0 {
		p.since = time.Now()
	}
	p.deaths++
	n := p.deaths
	p.mu.Unlock()
	switch {
	case d.how == unborn:
		p.faults.Raise(fault.Workers, p.role, d)
	case n >= deathsInARow:
		_ = p.prove(ctx)
	}
}

func (p *pool) alive() {
	p.mu.Lock()
	p.deaths, p.worked = 0, time.Now()
	p.mu.Unlock()
	p.faults.Clear(fault.Workers, p.role)
}

// prove asks a worker for something that is known to be good and gives the error of a role that does not work.
func (p *pool) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	q, entries := p.knownGood()
	_, err := p.turn(ctx, q, entries, nil)
	if q.Path != "" {
		_ = os.Remove(filepath.Join(p.dir, filepath.FromSlash(q.Path)))
		_ = os.Remove(filepath.Join(p.dir, filepath.FromSlash(q.Path+".tmp")))
	}
	if d, dead := errors.AsType[*death](err); dead {
		p.faults.Raise(fault.Workers, p.role, d)
		return d
	}
	if err == nil {
		p.alive()
	}
	return err
}

// knownGood makes the smallest request that does what the role is for.
func (p *pool) knownGood() (Request, []Entry) {
	if p.role != RoleSeal {
		return Request{Op: "probe"}, nil
	}
	e := &event.Event{Kind: event.ProcessExec, Time: 1, Received: 1, Actor: event.Process{PID: 1, Path: "/sbin/init"}}
	content, err := stream.Pack([]*event.Event{e})
	if err != nil {
		panic("eventstore: the event that is known to be good cannot be packed: " + err.Error())
	}
	b := stream.Batch{Stream: 1, First: 1, Count: 1, Received: 1, Content: content}
	return Request{Op: "hot", Path: "hot/" + probePrefix + uuid.NewString() + ".parquet"}, []Entry{{Record: 1, Batches: []stream.Batch{b}}}
}

// watch ends the process when the caller gives up or its memory passes the budget by half.
func (p *pool) watch(ctx context.Context, w *worker, over <-chan struct{}) ending {
	limit := int64(Budget(p.role)) << 20 * 3 / 2
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return ""
		case <-ctx.Done():
			w.kill()
			return hung
		case <-tick.C:
			if used := resident(w.cmd.Process.Pid); used > limit {
				w.kill()
				return overweight
			}
		}
	}
}

func (p *pool) take(ctx context.Context) (*worker, error) {
	p.mu.Lock()
	if p.shut {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w, nil
	}
	p.mu.Unlock()
	return p.start(ctx)
}

// start makes a process and waits for its greeting. What fails here is no request's fault.
func (p *pool) start(ctx context.Context) (*worker, error) {
	w, err := p.launch.start(p.role)
	if errors.Is(err, ErrClosed) {
		return nil, err
	}
	if err != nil {
		d := &death{role: p.role, how: unborn, err: err}
		p.tell(ctx, d)
		return nil, d
	}
	hello, d := w.greet(ctx, p.role, p.patience)
	if d != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%s worker stopped: %w", p.role, context.Cause(ctx))
	}
	if d != nil {
		p.tell(ctx, d)
		return nil, d
	}
	p.mu.Lock()
	p.hello = hello
	p.mu.Unlock()
	p.launch.confinement(hello, p.faults)
	return w, nil
}

func (p *pool) put(w *worker) {
	w.served++
	p.mu.Lock()
	keep := !p.shut && w.served < queriesPerWorker
	if keep {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		w.kill()
		w.reap()
	}
}

// close ends the idle processes; busy ones end when their request does, or with the thread that started them.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.shut = nil, true
	p.mu.Unlock()
	for _, w := range idle {
		w.kill()
		w.reap()
	}
	p.launch.close()
}

// WorkerState says how the workers of one role are.
type WorkerState struct {
	Role    string
	Works   bool      // the last of them answered, or none was needed yet
	Worked  time.Time // last answer; zero: none yet
	Running int       // idle and busy processes
	Hello   Hello     // of the last one that came up
	Bounds  Bounds
}

func (p *pool) state() WorkerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return WorkerState{Role: p.role, Works: p.deaths == 0, Worked: p.worked, Running: len(p.idle) + len(p.turns), Hello: p.hello, Bounds: p.launch.bounds()}
}

// Workers says how the worker processes are, by role.
func (s *Store) Workers() []WorkerState {
	return []WorkerState{s.seals.state(), s.queries.state(), s.merges.state()}
}

// nurse tries workers that do not work, so that a fault ends without anybody's request; and it tries those that
// write once at the start, so that a server whose workers cannot run says so before the first event.
func (s *Store) nurse(ctx context.Context) error {
	_ = s.seals.prove(ctx)
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for _, p := range []*pool{s.seals, s.queries, s.merges} {
				if !p.state().Works {
					_ = p.prove(ctx)
				}
			}
		}
	}
}
