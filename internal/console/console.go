// Package console serves the analyst console and its API (console/v1) to browsers on the loopback
// listener and to the CLI on the admin socket. It computes nothing that a screen draws: every list,
// story and coverage cell comes from the domain through the interfaces of Backend. It keeps no data.
// cmd/yagura wires it.
//
// All strings that were made on a host leave here as event.Text; the page and the CLI draw them escaped.
package console

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/access"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/fault"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Errors that a backend wraps to say which answer a caller gets; every other error is logged under an
// id, and the caller sees only the id.
var (
	ErrNotFound    = errors.New("not found")
	ErrInvalid     = errors.New("not valid")
	ErrUnavailable = errors.New("not available now")
	ErrRefused     = errors.New("refused")
	ErrMoved       = errors.New("changed meanwhile")
)

// Overview computes Home from the coverage table.
type Overview interface {
	Home(ctx context.Context, t tenant.ID) (*consolev1.Home, error)
	// Diagnose checks the server from inside; with notify it also sends a test message through every channel,
	// with deep it compares every stored file with its sum.
	Diagnose(ctx context.Context, t tenant.ID, notify, deep bool) ([]*consolev1.Check, error)
	// Store says what the event store holds; ConfirmExpiry lets what is past the retention go, however much it is.
	Store(ctx context.Context, t tenant.ID) (*consolev1.Store, error)
	ConfirmExpiry(ctx context.Context, t tenant.ID) (*consolev1.Store, error)
	// Quarantine lists accepted events that could not be written; Retry tries them again: one of them, or all.
	Quarantine(ctx context.Context, t tenant.ID) (*consolev1.Quarantine, error)
	Retry(ctx context.Context, t tenant.ID, id string) (*consolev1.Quarantine, error)
}

// Hosts knows the enrolled hosts. Hostname answers "" for a host it does not know.
type Hosts interface {
	Hosts(ctx context.Context, t tenant.ID) ([]*consolev1.Host, error)
	Hostname(ctx context.Context, t tenant.ID, h event.HostID) string
	RevokeHost(ctx context.Context, t tenant.ID, h event.HostID, by string) (*consolev1.Host, error)
	CreateEnrolToken(ctx context.Context, t tenant.ID, uses uint32, life time.Duration, recording bool, by string) (string, *consolev1.EnrolToken, error)
	EnrolTokens(ctx context.Context, t tenant.ID) ([]*consolev1.EnrolToken, error)
	// SensorAddress gives where tokens lead sensors, and where the server awaits them.
	SensorAddress() (url, listen string)
}

// Detections lists what rules found, newest first, and the rules.
type Detections interface {
	Detections(ctx context.Context, t tenant.ID, q *consolev1.ListDetectionsRequest) (*consolev1.ListDetectionsResponse, error)
	Rules(ctx context.Context, t tenant.ID) (*consolev1.ListRulesResponse, error)
}

// Incidents lists and changes incidents; the story comes as the JSON that internal/incident makes.
type Incidents interface {
	Incidents(ctx context.Context, t tenant.ID, q *consolev1.ListIncidentsRequest) (*consolev1.ListIncidentsResponse, error)
	Incident(ctx context.Context, t tenant.ID, id string) (*consolev1.Incident, error)
	SetIncidentState(ctx context.Context, t tenant.ID, q *consolev1.SetIncidentStateRequest, by string) (*consolev1.Incident, error)
	AddIncidentNote(ctx context.Context, t tenant.ID, id, text, by string) (*consolev1.Incident, error)
}

// EventQuery asks the store for events; zero fields do not narrow.
type EventQuery struct {
	Tenant   tenant.ID
	IDs      []event.ID
	Host     event.HostID
	Process  event.Key // only with Host
	From, To int64     // µs UTC
	Kinds    []event.Kind
	Limit    int
}

// Found is the answer to an EventQuery. Note says in words what the answer cannot know; nil when it can.
type Found struct {
	Events    []event.Stamped
	Truncated bool
	Note      *consolev1.Said
	Partial   *consolev1.Said // stored events that may belong to the answer cannot be read; nil: they can
}

// Events reads the event store.
type Events interface {
	Events(ctx context.Context, q EventQuery) (Found, error)
	Tree(ctx context.Context, t tenant.ID, process event.Ref, depth, limit int) (*consolev1.Tree, error)
}

// Actions relays signed commands and tells what became of them.
type Actions interface {
	Submit(ctx context.Context, t tenant.ID, q *consolev1.SubmitCommandRequest, by string) (*consolev1.Action, error)
	Actions(ctx context.Context, t tenant.ID, limit int, id string) ([]*consolev1.Action, error)
	SetOperatorList(ctx context.Context, t tenant.ID, list []byte, by string) (generation uint64, err error)
	Authority(ctx context.Context, t tenant.ID) (*consolev1.Authority, error)
}

// Backend is everything the console reads and acts through. A nil part answers "not available".
type Backend struct {
	Overview   Overview
	Hosts      Hosts
	Detections Detections
	Incidents  Incidents
	Events     Events
	Actions    Actions
}

// Options of a Server.
type Options struct {
	Access     *access.Desk
	Backend    Backend
	Hub        *Hub
	Tap        *Tap
	Web        fs.FS                    // index.html and assets; nil: a page that says how to build it
	SignInURL  func(link string) string // where a browser redeems a link
	TenantName string
	Version    string
	Say        func(english string) *consolev1.Said // a sentence of the server in both languages; nil: English alone
	Faults     *fault.Board                         // told of crowds before the listeners; may be nil
	Log        *slog.Logger
}

// Server serves browsers and the admin socket.
type Server struct {
	access  *access.Desk
	back    Backend
	hub     *Hub
	tap     *Tap
	pages   *pages
	signIn  func(link string) string
	tenant  string // name
	version string
	faults  *fault.Board
	log     *slog.Logger
	say     func(english string) *consolev1.Said
	fields  []registry.Field
	streams chan struct{} // bound of open streams; full: the next one is refused
}

// maxStreams bounds streams over all users: each costs a goroutine and a small queue.
const maxStreams = 128

// New makes a Server; it listens nowhere until Run.
func New(o Options) (*Server, error) {
	p, err := newPages(o.Web)
	if err != nil {
		return nil, err
	}
	return &Server{
		access: o.Access, back: o.Backend, hub: o.Hub, tap: o.Tap, pages: p,
		tenant: o.TenantName, version: o.Version, say: o.Say, signIn: o.SignInURL, log: o.Log.With(slog.String("part", "console")),
		fields: eventFields(), streams: make(chan struct{}, maxStreams), faults: o.Faults,
	}, nil
}
