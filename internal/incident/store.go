package incident

import (
	"context"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Store keeps incidents; controldb implements it. What every implementation promises is tested by controldb/storetest.
type Store interface {
	StoryStore
	VerdictStore
	ListStore
}

// StoryStore keeps stories as they grow, and gives them back to a server that starts.
type StoryStore interface {
	// SaveIncident inserts or replaces the incident and adds the detections to it in one transaction. What people set
	// (state, verdict, reason, owner) stays as it is.
	SaveIncident(ctx context.Context, k Kept, added []detection.Detection) error
	// MergeIncident moves the detections of from to into and points from there.
	MergeIncident(ctx context.Context, t tenant.ID, from, into ID) error
	// OpenIncidents gives the unmerged incidents of every tenant that changed since, oldest first.
	OpenIncidents(ctx context.Context, since int64) ([]Row, error)
	// Unjoined gives detections since a time that no incident holds, of every tenant: what was received
	// and not yet written when the server stopped, and what is too low to open an incident.
	Unjoined(ctx context.Context, since int64, limit int) ([]detection.Detection, error)
}

// VerdictStore keeps what people say of an incident.
type VerdictStore interface {
	// SetIncidentState sets what c says and the owner, and keeps c in the history, in one transaction: ErrMoved when
	// the incident is not in the state from, ErrNotFound when there is none. An empty from is any.
	SetIncidentState(ctx context.Context, t tenant.ID, id ID, from State, owner string, c Change) error
	// AddIncidentNote keeps a note in the history; ErrNotFound.
	AddIncidentNote(ctx context.Context, t tenant.ID, id ID, c Change) error
	// IncidentHistory gives the changes and notes of an incident and of those merged into it, oldest first.
	IncidentHistory(ctx context.Context, t tenant.ID, id ID) ([]Change, error)
}

// ListStore answers for one tenant. Merged incidents stay readable by id.
type ListStore interface {
	// Incidents gives rows and how many there are without the limit.
	Incidents(ctx context.Context, t tenant.ID, q Query) (rows []Row, total int, err error)
	// OpenIncidentCounts counts the incidents that are not closed.
	OpenIncidentCounts(ctx context.Context, t tenant.ID) (map[detection.Severity]int, error)
	// Incident gives one with its story and members; ErrNotFound.
	Incident(ctx context.Context, t tenant.ID, id ID) (Kept, error)
	// IncidentDetections gives the detections of an incident, by time.
	IncidentDetections(ctx context.Context, t tenant.ID, id ID) ([]detection.Detection, error)
	// IncidentOf gives the incident of a detection; ok is false when it has none.
	IncidentOf(ctx context.Context, t tenant.ID, detectionID string) (id ID, ok bool, err error)
}
