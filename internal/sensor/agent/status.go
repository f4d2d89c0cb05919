package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/yagura-edr/yagura/internal/private"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/spool"
)

// Status is what a running sensor says of itself, in a file of its folder.
type Status struct {
	PID          int             `json:"pid"`
	Version      string          `json:"version"`
	Started      time.Time       `json:"started"`
	Updated      time.Time       `json:"updated"`
	Host         string          `json:"host"`
	Tenant       string          `json:"tenant"`
	Server       string          `json:"server"`
	Connected    bool            `json:"connected"`
	Since        time.Time       `json:"since"`
	Problem      string          `json:"problem,omitempty"`
	Certificate  time.Time       `json:"certificate_expiry"`
	Stream       string          `json:"stream"`
	Seen         uint64          `json:"seen"`
	Sent         uint64          `json:"sent"`
	Spool        spool.Stats     `json:"spool"`
	Capabilities []Capability    `json:"capabilities"`
	Isolation    sense.Isolation `json:"isolation"`
}

// Capability says what can be seen of one class.
type Capability struct {
	Class  string `json:"class"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// statusPeriod is how often the file is written; one older than three times that is of a sensor that hangs.
const statusPeriod = 2 * time.Second

// Status gives how the sensor is now.
func (a *Agent) Status() Status {
	link := a.link.State()
	s := Status{
		PID: os.Getpid(), Version: a.o.Version, Started: a.started, Updated: time.Now(), Host: a.id.Host.String(), Tenant: a.id.Tenant.String(),
		Server: a.id.URL, Connected: link.Connected, Since: link.Since, Problem: link.Problem, Certificate: a.id.Expiry(),
		Stream: fmt.Sprintf("%016x", a.spool.Stream()), Seen: a.seen.Load(), Sent: link.Sent, Spool: a.spool.Stats(), Isolation: a.isolate.State(),
	}
	for _, c := range a.capabilities() {
		s.Capabilities = append(s.Capabilities, Capability{c.Class, c.State, string(c.Reason)})
	}
	return s
}

func (a *Agent) keepStatus(ctx context.Context) error {
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	for {
		if err := a.writeStatus(); err != nil {
			a.log.DebugContext(ctx, "status cannot be written", slog.Any("err", err)) // a full disk is said elsewhere
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Agent) writeStatus() error {
	b, err := json.MarshalIndent(a.Status(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	path := a.o.Config.statusFile()
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

func (a *Agent) removeStatus() { _ = os.Remove(a.o.Config.statusFile()) }

// ErrNotRunning says that no sensor uses the folder.
var ErrNotRunning = errors.New("no sensor runs with this data folder")

// ReadStatus reads the status of the sensor that runs with a data folder. A hanging one is an error too,
// with what it said last.
func ReadStatus(c Config) (Status, error) {
	var s Status
	b, err := private.ReadFile(c.statusFile())
	if errors.Is(err, os.ErrNotExist) {
		return s, fmt.Errorf("%w (%s): start it with `sudo yagura-sensor run`", ErrNotRunning, c.Data)
	}
	if err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read status %s: %w", c.statusFile(), err)
	}
	if !alive(s.PID) {
		return s, fmt.Errorf("%w: the one with pid %d ended without a word at about %s", ErrNotRunning, s.PID, s.Updated.Format(time.RFC3339))
	}
	if age := time.Since(s.Updated); age > 3*statusPeriod+time.Second {
		return s, fmt.Errorf("the sensor (pid %d) has said nothing for %s: restart it", s.PID, age.Round(time.Second))
	}
	return s, nil
}
