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
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// Processes acts on processes of this boot by their key.
type Processes struct {
	BootTag uint32
	Spare   []int         // pids that are never touched beside init and this process
	Wait    time.Duration // for the effect to show, 3 s
	Tree    sense.Tree    // who started whom; nil: a tree is what hangs together now
}

func (p *Processes) wait() time.Duration {
	if p.Wait == 0 {
		return 3 * time.Second
	}
	return p.Wait
}

// goal is what a signal makes of a process.
var goal = map[unix.Signal]string{unix.SIGKILL: "exited", unix.SIGSTOP: "stopped", unix.SIGCONT: "running"}

// Kill ends the process with a key, all that it started too when tree is set, and waits until it is gone.
func (p *Processes) Kill(ctx context.Context, key event.Key, tree bool) (sense.ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGKILL)
}

// Suspend stops the process.
func (p *Processes) Suspend(ctx context.Context, key event.Key, tree bool) (sense.ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGSTOP)
}

// Resume lets a stopped process go on.
func (p *Processes) Resume(ctx context.Context, key event.Key, tree bool) (sense.ProcessProof, error) {
	return p.signal(ctx, key, tree, unix.SIGCONT)
}

func (p *Processes) signal(ctx context.Context, key event.Key, tree bool, sig unix.Signal) (sense.ProcessProof, error) {
	if tree {
		return p.signalTree(ctx, key, sig)
	}
	start := time.Now()
	proof := sense.ProcessProof{Process: key.String(), Signal: unix.SignalName(sig)}
	h, err := p.open(key)
	if err != nil {
		return proof, err
	}
	defer h.close()
	proof.PID = h.pid
	if err := h.send(sig); err != nil && !errors.Is(err, unix.ESRCH) {
		proof.Failed++
	} else {
		proof.Reached++
	}
	wait, want := p.wait(), goal[sig]
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	proof.State = h.await(ctx, want)
	proof.Millis = float64(time.Since(start).Microseconds()) / 1000
	if proof.State != want && proof.State != "exited" {
		return proof, fmt.Errorf("pid %d is not %s after %s: look at it on the host", proof.PID, want, wait)
	}
	if proof.State == "exited" && sig != unix.SIGKILL {
		return proof, fmt.Errorf("process %s: %w", key, sense.ErrGone)
	}
	return proof, nil
}

// held is a process that cannot be mistaken for another: a pidfd whose start time was compared.
type held struct {
	pid    int
	fd     int
	tick   uint64 // start, in clock ticks
	parent int    // when it was taken hold of
	name   string
	key    event.Key // zero when it is known by its number alone
}

func (h *held) close() { _ = unix.Close(h.fd) }

func (h *held) send(sig unix.Signal) error { return unix.PidfdSendSignal(h.fd, sig, nil, 0) }

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for /proc on all our architectures.
const ticksPerSecond = 100

// open finds the process of a key, if an act may be done on it.
func (p *Processes) open(key event.Key) (*held, error) {
	h, err := p.hold(key)
	if err != nil {
		return nil, err
	}
	if err := p.spare(h.pid); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// hold finds the process of a key. The key says when the process started and its pid; the pid alone
// proves nothing, because another process may have it by now. So: take a pidfd, read who has the pid, then
// see that the pidfd's process still lives: then it was that one we read about.
func (p *Processes) hold(key event.Key) (*held, error) {
	startNS := binary.BigEndian.Uint64(key[0:])
	pid := int(binary.BigEndian.Uint32(key[8:]))
	if tag := binary.BigEndian.Uint32(key[12:]); tag != p.BootTag {
		return nil, fmt.Errorf("process %s is of another boot or another host: %w", key, sense.ErrGone)
	}
	h, err := hold(pid)
	if err != nil {
		return nil, fmt.Errorf("process %s: %w", key, err)
	}
	if h.tick != startNS/(1e9/ticksPerSecond) {
		h.close()
		return nil, fmt.Errorf("process %s: its pid %d belongs to another process now: %w", key, pid, sense.ErrGone)
	}
	return h, nil
}

func (p *Processes) spare(pid int) error {
	if slices.Contains([]int{1, 2, os.Getpid()}, pid) || slices.Contains(p.Spare, pid) {
		return fmt.Errorf("pid %d is init, the kernel or the sensor itself: %w", pid, sense.ErrProtected)
	}
	return nil
}

func hold(pid int) (*held, error) {
	if pid <= 0 {
		return nil, sense.ErrGone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // the last two: a thread has the number now
		return nil, sense.ErrGone
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
		return nil, sense.ErrGone
	}
	return &held{pid: pid, fd: fd, tick: st.start, parent: st.parent, name: st.name}, nil
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
	name   string
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
	if open := bytes.IndexByte(b, '('); open >= 0 && open < i {
		s.name = string(b[open+1 : i])
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
