package incident

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// ErrNotFound says that no incident has the id.
var ErrNotFound = errors.New("no such incident")

// ErrMoved says that an incident is no longer in the state that it was to leave.
var ErrMoved = errors.New("the incident has left that state")

// ID is the UUIDv7 of an incident.
type ID uuid.UUID

// String gives the text form "i-…".
func (id ID) String() string { return "i-" + uuid.UUID(id).String() }

// ParseID reads the text form.
func ParseID(s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, "i-")
	if !ok {
		return ID{}, errNoID(s)
	}
	u, err := uuid.Parse(rest)
	if err != nil {
		return ID{}, errNoID(s)
	}
	return ID(u), nil
}

func errNoID(s string) error {
	return fmt.Errorf("incident id %q is not i-UUID: `yagura incidents` lists them", s)
}

// State is where an incident stands.
type State string

// The states. A merged incident keeps its last state; MergedInto says where to look.
const (
	StateNew      State = "new"
	StateTriaging State = "triaging"
	StateClosed   State = "closed"
)

// Row is an incident in a list.
type Row struct {
	ID         ID
	Tenant     tenant.ID
	Title      Said
	Severity   detection.Severity
	Why        Said // why this severity
	State      State
	Verdict    string // of a closed incident: the ID of one of Verdicts
	Reason     string // given by who changed the state
	Owner      string
	First      int64 // µs UTC, first event of the story
	Last       int64
	Hosts      []event.HostID
	Hostnames  []string
	Detections int
	Processes  int
	ATTACK     []string
	Entry      Said
	Route      string
	User       string
	Created    int64
	Updated    int64
	Unseen     int // detections appended since the state was last set
	MergedInto ID  // zero: not merged
}

// Kept is an incident as it is stored: its row, its story as JSON, the processes that are its members (to
// SaveIncident: those that are new).
type Kept struct {
	Row     Row
	Story   []byte
	Members []event.Ref
}

// Query asks for rows. Merged ones are never in the answer; other zero fields do not narrow.
type Query struct {
	State      State
	Open       bool // all but closed
	Severity   detection.Severity
	Host       string // name or id
	Text       string // every word of it stands in title, host, user, owner, entry route, reason, verdict or id
	WorstFirst bool   // by severity, then newest; false: newest first
	Limit      int    // 0: 500
}

// Names gives the host's name, empty when not known.
type Names func(ctx context.Context, t tenant.ID, h event.HostID) string

// Coverage says where a host could not be seen.
type Coverage interface {
	Holes(ctx context.Context, t tenant.ID, h event.HostID, from, to int64) ([]Hole, error)
}

// Recent gives stored events again, oldest first, so that a restarted server knows what it knew.
type Recent interface {
	Recent(ctx context.Context, since int64) iter.Seq2[Observed, error]
}

// Observed is one event with its tenant.
type Observed struct {
	Tenant tenant.ID
	Event  event.Stamped
}
