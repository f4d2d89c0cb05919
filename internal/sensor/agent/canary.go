package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

// canaries matches the processes started for nonces with the keys the kernel's events give them.
type canaries struct {
	mu      sync.Mutex           // guards waiting
	waiting map[string]event.Key // by nonce; zero until its exec was seen
}

// How long a canary may run, and how long its exec may take from the kernel to us: less than the 90 s after which
// the server misses it.
const (
	canaryRuns = 30 * time.Second
	canarySeen = 30 * time.Second
)

// maxCanaries bounds how many wait for their exec. Full: a nonce is not run, which the server notices.
const maxCanaries = 4

// look notes the key of a canary that was started for a nonce.
func (c *canaries) look(e *event.Event) {
	if e.Kind != event.ProcessExec {
		return
	}
	_, rest, ok := strings.Cut(e.Actor.CommandLine, " canary ")
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.waiting[rest]; ok && k == (event.Key{}) && e.Parent.PID == uint64(os.Getpid()) {
		c.waiting[rest] = e.Actor.Key
	}
}

// Nonce asks for a canary.
func (h *host) Nonce(ctx context.Context, nonce string) {
	if !validNonce(nonce) {
		h.log.WarnContext(ctx, "the server sent a canary nonce that is none")
		return
	}
	select {
	case h.nonces <- nonce:
	default: // the server notices and says so
	}
}

func validNonce(s string) bool {
	if len(s) < 8 || len(s) > 128 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) && s[0] != '-'
}

// runCanaries starts one canary after the other.
func (a *Agent) runCanaries(ctx context.Context) error {
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case nonce := <-a.nonces:
			if nonce == last || a.o.Source == nil {
				continue // the same nonce may come by report and by stream
			}
			last = nonce
			if err := a.runCanary(ctx, nonce); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "canary did not run", slog.Any("err", err))
			}
		}
	}
}

func (a *Agent) runCanary(ctx context.Context, nonce string) error {
	c := &a.canary
	c.mu.Lock()
	full := len(c.waiting) >= maxCanaries
	if !full {
		c.waiting[nonce] = event.Key{}
	}
	c.mu.Unlock()
	if full {
		return errors.New("too many canaries wait for their exec to be seen")
	}
	defer func() {
		c.mu.Lock()
		delete(c.waiting, nonce)
		c.mu.Unlock()
	}()
	start := a.o.Canary
	if start == nil {
		start = startCanary
	}
	// A canary may take its time on a host that is short of everything, but not as long as the server waits.
	running, cancel := context.WithTimeout(ctx, canaryRuns)
	defer cancel()
	pid, failed := start(running, nonce)
	if pid == 0 {
		return failed
	}
	// Whatever became of it, the process was ours and the server must hear so: its exec was seen or will be, and
	// a nonce that nobody claims is somebody playing the canary. The exec comes through the rings within
	// milliseconds; without it there is nothing to report, and the server will say that the class is degraded.
	seen, cancel := context.WithTimeout(ctx, canarySeen)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		key := c.waiting[nonce]
		c.mu.Unlock()
		if key != (event.Key{}) {
			a.put(&event.Event{Kind: event.SensorCanary, OS: sense.OS, Nonce: nonce, Target: event.Process{Key: key, PID: uint64(pid)}})
			return failed
		}
		select {
		case <-seen.Done():
			return errors.Join(failed, fmt.Errorf("its exec was not seen within %s", canarySeen))
		case <-tick.C:
		}
	}
}

// startCanary runs this program as a canary and waits for its end. It gives the process id whenever there was a
// process, also beside an error.
func startCanary(ctx context.Context, nonce string) (int, error) {
	cmd := exec.CommandContext(ctx, ownProgram(), "canary", nonce) //nolint:gosec // ourselves, with a nonce of letters and digits
	cmd.Args[0] = "yagura-sensor"
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		return 0, fmt.Errorf("run canary: %w", err)
	}
	if err != nil {
		return cmd.Process.Pid, fmt.Errorf("run canary: %w: %.200s", err, out)
	}
	return cmd.Process.Pid, nil
}

// BeCanary is what a canary does: it creates and removes a file and connects to the loopback. That it was
// started is the rest of the proof.
func BeCanary(ctx context.Context, nonce string) error {
	if !validNonce(nonce) {
		return errors.New("the nonce is not one that a server gives")
	}
	f, err := os.CreateTemp("", "yagura-canary-*")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("remove file: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on the loopback: %w", err)
	}
	defer l.Close()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return fmt.Errorf("connect to the loopback: %w", err)
	}
	return conn.Close()
}
