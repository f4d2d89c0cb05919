package contain

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/event"
)

// Errors of acts on processes.
var (
	ErrGone      = errors.New("the process is gone")
	ErrProtected = errors.New("the process is protected")
)

// maxTree bounds how many processes one act may reach. Full: the act stops there and says so.
const maxTree = 4096

// ProcessProof is what was measured when processes were acted on.
type ProcessProof struct {
	Process string  `json:"process"`
	PID     int     `json:"pid"`
	Signal  string  `json:"signal"`
	State   string  `json:"state"` // exited, stopped, running: seen afterwards
	Reached int     `json:"reached"`
	Failed  int     `json:"failed,omitempty"`
	Millis  float64 `json:"ms"`
}

// Processes acts on processes of this boot by their key.
type Processes struct {
	BootTag uint32
	Spare   []int         // pids that are never touched beside init and this process
	Wait    time.Duration // for the effect to show, 3 s
}

// Kill ends the process with a key, its descendants too when tree is set, and waits until it is gone.
func (p *Processes) Kill(ctx context.Context, key event.Key, tree bool) (ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGKILL)
}

// Suspend stops the process.
func (p *Processes) Suspend(ctx context.Context, key event.Key, tree bool) (ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGSTOP)
}

// Resume lets a stopped process go on.
func (p *Processes) Resume(ctx context.Context, key event.Key, tree bool) (ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGCONT)
}

func (p *Processes) signal(ctx context.Context, key event.Key, tree bool, sig unix.Signal) (ProcessProof, error) {
	start := time.Now()
	proof := ProcessProof{Process: key.String(), Signal: unix.SignalName(sig)}
	h, err := p.open(key)
	if err != nil {
		return proof, err
	}
	defer h.close()
	proof.PID = h.pid
	all := []*held{h}
	if tree {
		// Stopped first, so that nothing forks while its children are counted; twice the same list is the end.
		if err := h.send(unix.SIGSTOP); err != nil {
			return proof, fmt.Errorf("stop pid %d: %w", h.pid, err)
		}
		found, err := p.descendants(ctx, all)
		defer func() {
			for _, d := range found {
				d.close()
			}
		}()
		if err != nil {
			return proof, err
		}
		all = append(all, found...)
	}
	for _, one := range all {
		if err := one.send(sig); err != nil && !errors.Is(err, unix.ESRCH) {
			proof.Failed++
			continue
		}
		proof.Reached++
	}
	wait := p.Wait
	if wait == 0 {
		wait = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	want := map[unix.Signal]string{unix.SIGKILL: "exited", unix.SIGSTOP: "stopped", unix.SIGCONT: "running"}[sig]
	for i, one := range all {
		state := one.await(ctx, want)
		if i == 0 {
			proof.State = state
		}
		if state != want && state != "exited" {
			proof.Failed++
		}
	}
	proof.Millis = float64(time.Since(start).Microseconds()) / 1000
	if proof.Failed > 0 || proof.State != want && proof.State != "exited" {
		return proof, fmt.Errorf("%d of %d processes are not %s after %s: look at them on the host", proof.Failed, len(all), want, wait)
	}
	if proof.State == "exited" && sig != unix.SIGKILL {
		return proof, fmt.Errorf("process %s: %w", key, ErrGone)
	}
	return proof, nil
}

// held is a process that cannot be mistaken for another: a pidfd whose start time was compared.
type held struct {
	pid  int
	fd   int
	tick uint64 // start, in clock ticks
}

func (h *held) close() { _ = unix.Close(h.fd) }

func (h *held) send(sig unix.Signal) error { return unix.PidfdSendSignal(h.fd, sig, nil, 0) }

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for /proc on all our architectures.
const ticksPerSecond = 100

// open finds the process of a key. The key says when the process started and its pid; the pid alone
// proves nothing, because another process may have it by now. So: take a pidfd, read who has the pid, then
// see that the pidfd's process still lives: then it was that one we read about.
func (p *Processes) open(key event.Key) (*held, error) {
	startNS := binary.BigEndian.Uint64(key[0:])
	pid := int(binary.BigEndian.Uint32(key[8:]))
	if tag := binary.BigEndian.Uint32(key[12:]); tag != p.BootTag {
		return nil, fmt.Errorf("process %s is of another boot or another host: %w", key, ErrGone)
	}
	h, err := hold(pid)
	if err != nil {
		return nil, fmt.Errorf("process %s: %w", key, err)
	}
	if h.tick != startNS/(1e9/ticksPerSecond) {
		h.close()
		return nil, fmt.Errorf("process %s: its pid %d belongs to another process now: %w", key, pid, ErrGone)
	}
	if err := p.spare(pid); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (p *Processes) spare(pid int) error {
	if slices.Contains([]int{1, 2, os.Getpid()}, pid) || slices.Contains(p.Spare, pid) {
		return fmt.Errorf("pid %d is init, the kernel or the sensor itself: %w", pid, ErrProtected)
	}
	return nil
}

func hold(pid int) (*held, error) {
	if pid <= 0 {
		return nil, ErrGone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // the last two: a thread has the number now
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("open pid %d: %w", pid, err)
	}
	st, err := readStat(pid)
	if err == nil {
		err = unix.PidfdSendSignal(fd, 0, nil, 0)
	}
	if err != nil || st.state == 'Z' || st.state == 'X' { // ended, only not yet collected by its parent
		_ = unix.Close(fd)
		return nil, ErrGone
	}
	return &held{pid: pid, fd: fd, tick: st.start}, nil
}

// await polls until the process is in the state or ctx ends; it gives the state seen last.
func (h *held) await(ctx context.Context, want string) string {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		state := h.state()
		if state == want || state == "exited" {
			return state
		}
		select {
		case <-ctx.Done():
			return state
		case <-tick.C:
		}
	}
}

func (h *held) state() string {
	// A pidfd becomes readable when its process has ended, reaped or not.
	fds := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0 {
		return "exited"
	}
	st, err := readStat(h.pid)
	switch {
	case err != nil || st.start != h.tick:
		return "exited"
	case st.state == 'T' || st.state == 't':
		return "stopped"
	}
	return "running"
}

// descendants lists the children of all, and theirs, stopped, until a round finds no new one.
func (p *Processes) descendants(ctx context.Context, all []*held) ([]*held, error) {
	known := map[int]uint64{}
	for _, h := range all {
		known[h.pid] = h.tick
	}
	var found []*held
	for {
		pids, err := processes()
		if err != nil {
			return found, err
		}
		fresh := 0
		for _, pid := range pids {
			if ctx.Err() != nil {
				return found, context.Cause(ctx)
			}
			st, err := readStat(pid)
			if err != nil {
				continue
			}
			if _, ok := known[pid]; ok {
				continue
			}
			if _, child := known[st.parent]; !child || p.spare(pid) != nil {
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
			if len(found) >= maxTree {
				h.close()
				return found, fmt.Errorf("more than %d processes descend from it: isolate the host instead", maxTree)
			}
			_ = h.send(unix.SIGSTOP)
			known[pid] = h.tick
			found = append(found, h)
			fresh++
		}
		if fresh == 0 {
			return found, nil
		}
	}
}

func processes() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

type stat struct {
	state  byte
	parent int
	start  uint64 // clock ticks since boot
}

var errStat = errors.New("not a stat line")

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, fmt.Errorf("read stat of pid %d: %w", pid, err)
	}
	return parseStat(b)
}

// parseStat reads what follows the name. The name is the process's own choice and may hold spaces,
// brackets and newlines, so it ends at the last bracket.
func parseStat(b []byte) (s stat, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return s, errStat
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 || len(f[0]) != 1 {
		return s, errStat
	}
	s.state = f[0][0]
	if letter := s.state | 0x20; letter < 'a' || letter > 'z' { // proc(5): one of RSDZTtWXxKPI
		return s, errStat
	}
	if s.parent, err = strconv.Atoi(string(f[1])); err != nil {
		return s, errStat
	}
	if s.start, err = strconv.ParseUint(string(f[19]), 10, 64); err != nil {
		return s, errStat
	}
	return s, nil
}
