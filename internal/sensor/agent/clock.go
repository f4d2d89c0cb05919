package agent

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/yagura-edr/yagura/internal/boot"
	"github.com/yagura-edr/yagura/internal/durable"
)

// clock is the time that orders are judged by: the one in the middle of three witnesses (docs/adr/0021). They are the
// server's last word and the sensor's memory of the latest one, both with what has passed since by the boot's clock,
// and the host's own clock. So a host whose clock was moved obeys by the server's time, and a server that lies about
// the time brings no order back to life that ended: one of three that is wrong changes nothing.
type clock struct {
	file string               // keeps the memory over a restart; empty: it is not kept
	wall func() time.Time     // nil: the host's
	boot func() time.Duration // since the boot, sleep included; nil: the kernel's

	replace func(path string, b []byte) error
	writing sync.Mutex // held while the memory is read and written: the newest is written last

	mu     sync.Mutex // guards all below
	at     time.Duration
	server time.Time // as of at; zero before the first word
	memory time.Time // as of at; zero when there is none
	kept   time.Time // what the file says
}

const (
	agreeing  = 5 * time.Minute  // how far a host's clock and the server's may differ and still confirm one another
	doubtful  = time.Minute      // witnesses that differ by more are named when an order is refused for its time
	keepAfter = 10 * time.Minute // the file is at most this old while the server is heard
)

// openClock reads the memory. A file that cannot be read is no memory.
func openClock(file string) *clock {
	c := &clock{file: file, replace: durable.Replace}
	if b, err := os.ReadFile(file); err == nil {
		if us, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && us > 0 {
			c.memory, c.at = time.UnixMicro(us), c.since()
			c.kept = c.memory
		}
	}
	return c
}

func (c *clock) since() time.Duration {
	if c.boot != nil {
		return c.boot()
	}
	return time.Duration(boot.Now())
}

func (c *clock) host() time.Time {
	if c.wall != nil {
		return c.wall()
	}
	return time.Now().Round(0) // a set clock is the matter here: no monotonic reading
}

// set takes the server's word. The memory never goes back, but where the host's own clock confirms the server's.
func (c *clock) set(server time.Time) error {
	host := c.host()
	c.mu.Lock()
	now := c.since()
	memory := c.memory
	if !memory.IsZero() {
		memory = memory.Add(now - c.at)
	}
	if server.After(memory) || server.Sub(host).Abs() < agreeing {
		memory = server
	}
	c.server, c.memory, c.at = server, memory, now
	keep := memory.Sub(c.kept).Abs() >= keepAfter
	if keep {
		c.kept = memory
	}
	c.mu.Unlock()
	if !keep {
		return nil
	}
	return c.keep()
}

// keep writes the memory as it is now. An order's word on the time and a heartbeat's come at once: an older memory must
// not come to lie over a newer one.
func (c *clock) keep() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	memory := c.memory
	if !memory.IsZero() {
		memory = memory.Add(c.since() - c.at)
	}
	c.mu.Unlock()
	if memory.IsZero() || c.file == "" {
		return nil
	}
	if err := c.replace(c.file, fmt.Appendf(nil, "%d\n", memory.UnixMicro())); err != nil {
		return fmt.Errorf("keep the server's time: %w", err)
	}
	return nil
}

// witnesses gives the three, as of now; zero times where there is none.
func (c *clock) witnesses() (server, memory, host time.Time) {
	host = c.host()
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := c.since() - c.at
	if !c.server.IsZero() {
		server = c.server.Add(passed)
	}
	if !c.memory.IsZero() {
		memory = c.memory.Add(passed)
	}
	return server, memory, host
}

func (c *clock) now() time.Time {
	server, memory, host := c.witnesses()
	switch {
	case memory.IsZero():
		return host
	case server.IsZero(): // no order comes before the first word
		return latest(memory, host)
	}
	all := []time.Time{server, memory, host}
	slices.SortFunc(all, time.Time.Compare)
	return all[1]
}

// least is a time that is surely past: what an order's nonce is kept beyond.
func (c *clock) least() time.Time {
	_, memory, host := c.witnesses()
	if memory.IsZero() || host.Before(memory) {
		return host
	}
	return memory
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// doubt names the witnesses when they differ; empty when they agree.
func (c *clock) doubt() string {
	server, memory, host := c.witnesses()
	if server.IsZero() || server.Sub(host).Abs() < doubtful && server.Sub(memory).Abs() < doubtful {
		return ""
	}
	return fmt.Sprintf("the clocks differ: the server says %s, this host %s, the latest that the server ever said here is %s by now; set the clock that is wrong, of the server first, and give the order again",
		stamp(server), stamp(host), stamp(memory))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
