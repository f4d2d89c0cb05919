package contain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Bounds of an act on a tree.
const (
	maxWave    = 1024             // processes that are held at one time
	maxWaves   = 16               // full: the act stops there and names what lives
	treeWait   = 20 * time.Second // for the whole act
	catchUp    = time.Second
	maxSurvive = 64 // named in the proof; the rest is counted
)

// Why a process was not reached.
const (
	whyRefused   = "the kernel refused the signal"
	whyWaits     = "it waits in the kernel and ends when that answers"
	whyNotYet    = "it took the signal and has not obeyed yet"
	whyProtected = "it is init, the kernel or the sensor itself, and protected"
	whyTooMany   = "there are too many: isolate the host"
)

// grip holds the processes of a tree that an act is about.
type grip struct {
	p     *Processes
	root  event.Key
	known map[int]*held // this wave, by pid
	wave  []*held
	done  map[int]uint64 // acted on in an earlier wave, or never to be: start by pid
	lives []sense.Survivor
	full  bool
}

func (g *grip) spare(pid int, start uint64, name string, key event.Key, why string) {
	g.done[pid] = start
	s := sense.Survivor{PID: pid, Name: name, Why: why}
	if key != (event.Key{}) {
		s.Process = key.String()
	}
	g.lives = append(g.lives, s)
}

// take holds one process and stops it, so that it starts no other while the rest is looked for; it says whether it is news.
func (g *grip) take(h *held, name string, key event.Key, stop bool) (fresh bool) {
	if start, ok := g.done[h.pid]; ok && start == h.tick || g.known[h.pid] != nil {
		h.close()
		return false
	}
	if g.p.spare(h.pid) != nil {
		g.spare(h.pid, h.tick, name, key, whyProtected)
		h.close()
		return false
	}
	if len(g.wave) >= maxWave {
		g.full = true
		h.close()
		return false
	}
	h.name, h.key = name, key
	if stop {
		_ = h.send(unix.SIGSTOP) // refused: the act itself will be, and says so
	}
	g.known[h.pid] = h
	g.wave = append(g.wave, h)
	return true
}

// look takes hold of whoever descends from the root and is not held yet: by what was recorded, and by who is whose child now.
func (g *grip) look(ctx context.Context, stop bool) (fresh int, err error) {
	if g.p.Tree != nil {
		for _, one := range g.p.Tree.Below(g.root) {
			h, err := g.p.hold(one.Key)
			if err != nil {
				continue // ended, or its number is another's by now
			}
			if g.ours(h.parent) {
				h.close()
				continue
			}
			if g.take(h, nameOf(&one), one.Key, stop) {
				fresh++
			}
		}
	}
	pids, err := processes()
	if err != nil {
		return fresh, err
	}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return fresh, context.Cause(ctx)
		}
		st, err := readStat(pid)
		if err != nil || g.known[pid] != nil || g.ours(st.parent) {
			continue
		}
		// Its parent is ours for sure only while that one lives: else the number may be another's.
		if parent := g.known[st.parent]; parent == nil || parent.state() == "exited" {
			continue
		}
		h, err := hold(pid)
		if err != nil {
			continue
		}
		if h.tick != st.start {
			h.close()
			continue
		}
		if g.take(h, st.name, event.Key{}, stop) {
			fresh++
		}
	}
	return fresh, nil
}

// ours says whether a process was started by the sensor: its canary, its tools. They end by themselves.
func (g *grip) ours(parent int) bool { return parent == os.Getpid() }

func nameOf(p *event.Process) string {
	if p.Path != "" {
		return path.Base(p.Path)
	}
	return p.Comm
}

// signalTree acts on a process and on all that it started. The process itself may be gone; those it started are acted on all the same.
func (p *Processes) signalTree(ctx context.Context, key event.Key, sig unix.Signal) (sense.ProcessProof, error) {
	begin := time.Now()
	proof := sense.ProcessProof{Process: key.String(), Signal: unix.SignalName(sig), PID: int(binary.BigEndian.Uint32(key[8:]))}
	whole, cancel := context.WithTimeout(ctx, treeWait)
	defer cancel()
	g := &grip{p: p, root: key, known: map[int]*held{}, done: map[int]uint64{}}
	stop := sig != unix.SIGCONT
	root, err := p.open(key)
	switch {
	case err == nil:
		g.take(root, root.name, key, stop)
	case !errors.Is(err, sense.ErrGone) || binary.BigEndian.Uint32(key[12:]) != p.BootTag:
		return proof, err
	}
	gone := err
	want := goal[sig]
	proof.State = "exited" // of the process itself
	for wave := 0; ; wave++ {
		err := g.gather(whole, stop)
		if len(g.wave) == 0 {
			if err != nil && proof.Reached == 0 {
				return proof, err
			}
			break
		}
		full := g.full
		g.act(ctx, sig, want, &proof)
		if wave+1 >= maxWaves || whole.Err() != nil {
			g.leave(ctx, stop)
			break
		}
		if sig != unix.SIGKILL && !full {
			break
		}
	}
	proof.Millis = float64(time.Since(begin).Microseconds()) / 1000
	if gone != nil && proof.Reached == 0 && len(g.lives) == 0 {
		return proof, gone
	}
	if proof.Survived = len(g.lives); proof.Survived > maxSurvive {
		g.lives = g.lives[:maxSurvive]
	}
	proof.Survivors = g.lives
	for _, s := range g.lives {
		if s.Why != whyProtected {
			proof.Failed++
		}
	}
	if proof.Failed > 0 {
		return proof, fmt.Errorf("%w: %s", sense.ErrSurvived, proof.Said())
	}
	return proof, nil
}

// gather looks until two looks find nobody new, the second after the record has caught up with the first.
func (g *grip) gather(ctx context.Context, stop bool) error {
	for last := false; ; {
		fresh, err := g.look(ctx, stop)
		switch {
		case err != nil:
			return err
		case g.full:
			return nil
		case fresh > 0:
			last = false
		case last:
			return nil
		default:
			last = true
			if g.p.Tree != nil {
				wait, cancel := context.WithTimeout(ctx, catchUp)
				_ = g.p.Tree.CatchUp(wait) // a sight that stands still says so itself
				cancel()
			}
		}
	}
}

// leave names those that are left when time or waves are over. Who is to end stays stopped.
func (g *grip) leave(ctx context.Context, stop bool) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	_, _ = g.look(ctx, stop)
	for _, h := range g.wave {
		g.spare(h.pid, h.tick, h.name, h.key, whyTooMany)
		h.close()
	}
	g.wave = nil
}

// act sends the signal to all that are held, waits for its effect, and lets them go.
func (g *grip) act(ctx context.Context, sig unix.Signal, want string, proof *sense.ProcessProof) {
	refused := map[*held]bool{}
	for _, h := range g.wave {
		if err := h.send(sig); err != nil && !errors.Is(err, unix.ESRCH) {
			refused[h] = true
			continue
		}
		proof.Reached++
	}
	ctx, cancel := context.WithTimeout(ctx, g.p.wait())
	defer cancel()
	for _, h := range g.wave {
		state := h.state()
		if !refused[h] {
			state = h.await(ctx, want)
		}
		if h.key == g.root {
			proof.State = state
		}
		g.done[h.pid] = h.tick
		if state != want && state != "exited" {
			why := whyNotYet
			if st, err := readStat(h.pid); refused[h] {
				why = whyRefused
			} else if err == nil && st.state == 'D' {
				why = whyWaits
			}
			g.spare(h.pid, h.tick, h.name, h.key, why)
		}
		h.close()
	}
	g.wave, g.full = nil, false
	clear(g.known)
}
