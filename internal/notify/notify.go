// Package notify tells people: mail and signed webhooks for a new high or critical incident and for a
// silent failure. What is to be said is kept in an outbox until each channel has taken it, and a channel
// that cannot deliver becomes a silent failure itself.
//
// It does not decide what is worth telling (incident and coverage do, through Source) and it does not
// wait for acknowledgements. The server runs one Router; yagura doctor calls its Test.
package notify

import (
	"context"
	"errors"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Kind says what a notice is about.
type Kind string

// The kinds.
const (
	Incident Kind = "incident" // a new high or critical incident
	Silent   Kind = "silent"   // something stopped working while the rest looks healthy
	Trial    Kind = "test"     // an operator tries a channel
)

// FindingClass is the class under which channels that cannot deliver are reported to Findings; its
// subject is the channel's name.
const FindingClass = "notify"

// Notice is one thing that people must hear of. Its texts may hold host-made words: they are shown with
// event.Show, and control characters never reach a mail header.
type Notice struct {
	Key      string // the same key is told once: IncidentKey, SilentKey
	Tenant   tenant.ID
	Kind     Kind
	Severity detection.Severity
	Title    detection.Said
	Summary  detection.Said // what is known, a line or two; may be empty
	Todo     detection.Said // what to do first; may be empty
	Hosts    []string       // names of hosts
	Act      Act            // the worst thing that was done; zero when no process stands behind the notice
	Credits  []string       // rules behind it with author and licence, as DRL asks of matches
	Link     string         // path on the console, such as /incidents/i-…; the public URL is put before it
	Time     time.Time      // when it happened
	Channel  string         // for a Silent notice about a channel: that channel is not asked to carry it
}

// Act is one process at work: what a person asks for first. Its texts are host-made.
type Act struct {
	Host        string   `json:"host"`
	Addresses   []string `json:"addresses"` // of the host
	User        string   `json:"user"`
	PID         uint64   `json:"pid"`
	Path        string   `json:"path"`
	CommandLine string   `json:"command_line"`
	Key         string   `json:"key"` // HOST/p-…, as every verb takes it
}

// IncidentKey gives the key of an incident's notice. An incident that grows to a higher severity is told
// again.
func IncidentKey(id string, s detection.Severity) string { return "incident/" + id + "/" + s.String() }

// SilentKey gives the key of a silent failure's notice: a class that flaps is told once an hour.
func SilentKey(class, subject string, since time.Time) string {
	return "silent/" + class + "/" + subject + "/" + since.UTC().Format("2006-01-02T15")
}

// Source lists what is worth telling: incident and coverage stand behind it. A notice may be listed
// again and again; its key decides. Listing instead of calling means that a crash between an incident
// and its notice loses nothing.
type Source interface {
	Notices(ctx context.Context, since time.Time) ([]Notice, error)
}

// SourceFunc makes a Source of a function.
type SourceFunc func(ctx context.Context, since time.Time) ([]Notice, error)

// Notices calls f.
func (f SourceFunc) Notices(ctx context.Context, since time.Time) ([]Notice, error) {
	return f(ctx, since)
}

// Findings takes what notify itself cannot do; coverage shows it on Home. Both calls may be repeated.
type Findings interface {
	ReportFinding(ctx context.Context, class, subject string, what detection.Said) error
	ClearFinding(ctx context.Context, class, subject string) error
}

// State is where a delivery stands.
type State string

// The states. All but Pending are final.
const (
	Pending State = "pending"
	Sent    State = "sent"
	Expired State = "expired"
)

// Delivery is one notice for one channel.
type Delivery struct {
	Notice   Notice
	Channel  string
	Attempts int
	Created  time.Time
	Due      time.Time
	Error    string // of the last attempt
}

// ErrFull says that a channel's outbox holds as many pending deliveries as it may.
var ErrFull = errors.New("outbox full")

// Outbox keeps deliveries across restarts; *controldb.DB implements it. Times are kept to the microsecond.
type Outbox interface {
	// PutDelivery adds d, unless a delivery of the same tenant, channel and key exists in any state; added
	// tells which. When limit deliveries of the channel are pending it gives ErrFull.
	PutDelivery(ctx context.Context, d Delivery, limit int) (added bool, err error)
	// DueDeliveries gives the pending deliveries of a channel that are due at now, oldest first.
	DueDeliveries(ctx context.Context, channel string, now time.Time, limit int) ([]Delivery, error)
	// NextDelivery gives when the next pending delivery of a channel is due; ok is false when none is.
	NextDelivery(ctx context.Context, channel string) (due time.Time, ok bool, err error)
	// SettleDelivery stores attempts, due, error and state of d.
	SettleDelivery(ctx context.Context, d Delivery, s State) error
	// ForgetDeliveries removes settled deliveries that were created before t.
	ForgetDeliveries(ctx context.Context, before time.Time) error
}

// Channel carries notices to people. Deliver sends all of them as one message; it is called by one
// goroutine at a time and again with the same notices after an error. An error wrapped by Permanent will
// not go away by itself.
type Channel interface {
	Name() string
	Deliver(ctx context.Context, notices []Notice) error
}

// ErrPermanent marks an error that waiting does not cure: a refused recipient, a wrong password.
var ErrPermanent = errors.New("will not pass without a change")

// permanent marks err.
func permanent(err error) error { return &lasting{err} }

type lasting struct{ error }

func (l *lasting) Unwrap() []error { return []error{l.error, ErrPermanent} }
