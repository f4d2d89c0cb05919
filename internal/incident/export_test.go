package incident

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// Told is an incident as the desk would write it, the worst first.
type Told struct {
	Row   Row
	Story Story
}

// Tell joins what was received and tells every incident that is open, with the context's names, addresses and holes.
func (d *Desk) Tell(ctx context.Context, t tenant.ID, c Context) ([]Told, error) {
	if err := d.Flush(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.floor(t)
	var out []Told
	for _, st := range f.open {
		s := f.tell(st, c, time.UnixMicro(0))
		out = append(out, Told{st.row, s})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i].Row, &out[j].Row
		if a.Severity != b.Severity {
			return a.Severity > b.Severity
		}
		if a.Title.En != b.Title.En {
			return a.Title.En < b.Title.En
		}
		return a.First < b.First || a.First == b.First && strings.Join(a.Hostnames, " ") < strings.Join(b.Hostnames, " ")
	})
	return out, nil
}

// FindingIDs are those that have words, with the names of what they are about.
func FindingIDs() map[string]Said { return findingWords }
