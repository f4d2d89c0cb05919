package sense

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// Containment is what acts on a host of one system: linux/contain has one.
type Containment interface {
	// Isolator makes what isolates this host. It does nothing yet.
	Isolator(o IsolationOptions) Isolator
	// Processes makes what acts on processes of the boot with that tag; tree knows who started whom, nil: what hangs together now.
	Processes(bootTag uint32, tree Tree) Processes
}

// Processes acts on processes by their key, on all that one started too when tree is set, and waits for the effect.
type Processes interface {
	Kill(ctx context.Context, key event.Key, tree bool) (ProcessProof, error)
	Suspend(ctx context.Context, key event.Key, tree bool) (ProcessProof, error)
	Resume(ctx context.Context, key event.Key, tree bool) (ProcessProof, error)
}

// Errors of acts on processes.
var (
	ErrGone      = errors.New("the process is gone")
	ErrProtected = errors.New("the process is protected")
	ErrSurvived  = errors.New("not all of the tree was reached")
)

// ProcessProof is what was measured when processes were acted on.
type ProcessProof struct {
	Process string  `json:"process"`
	PID     int     `json:"pid"`
	Signal  string  `json:"signal"`
	State   string  `json:"state"` // exited, stopped, running: seen afterwards
	Reached int     `json:"reached"`
	Failed  int     `json:"failed,omitempty"`
	Millis  float64 `json:"ms"`

	Survived  int        `json:"survived,omitempty"` // of a tree: those that live on, protected ones too
	Survivors []Survivor `json:"survivors,omitempty"`
}

// Survivor is a process of a tree on which an act had no effect.
type Survivor struct {
	Process string `json:"process,omitempty"`
	PID     int    `json:"pid"`
	Name    string `json:"name"`
	Why     string `json:"why"`
}

// Said tells what was done, and what lives on by name; few enough for a line of text.
func (p *ProcessProof) Said() string {
	said := []string{fmt.Sprintf("pid %d is %s (%d reached) after %.1f ms", p.PID, p.State, p.Reached, p.Millis)}
	const most = 12
	for _, one := range p.Survivors[:min(len(p.Survivors), most)] {
		said = append(said, fmt.Sprintf("pid %d (%s) still lives: %s", one.PID, event.Show(one.Name), one.Why))
	}
	if more := p.Survived - (len(said) - 1); more > 0 {
		said = append(said, fmt.Sprintf("%d more still live: see the proof", more))
	}
	return strings.Join(said, "; ")
}
