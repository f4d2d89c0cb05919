package detect

import (
	"errors"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// ErrCursor says that a cursor was not made by the page before.
var ErrCursor = errors.New("not a cursor: ask for the first page")

// Query asks for kept detections, newest first.
type Query struct {
	Tenant   tenant.ID
	Limit    int                // 0: 200; at most 1,000
	Cursor   string             // of the page before; empty: the first page
	Severity detection.Severity // 0: all
	Incident string             // text form of an incident's id; empty: all
	RuleID   string
	Search   string // text in title, image, command line, user or rule; case is ignored
	Canary   bool   // canaries instead of what people should look at
}

// Kept is a detection as the store has it.
type Kept struct {
	detection.Detection
	Incident string // text form; empty: in none
}

// Page is a part of the answer. Total counts all that the query means, whatever the cursor.
type Page struct {
	Detections []Kept
	Cursor     string // empty: there are no more
	Total      uint64
}
