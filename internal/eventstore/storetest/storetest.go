// Package storetest is the promise of the event store's searcher: what whoever asks for events or a process tree may
// rely on, whichever engine answers. It knows no engine: who keeps events calls Run with a function that opens an empty
// store. eventstore runs it over its DuckDB workers; ClickHouse will run the same.
//
// A promise is a subtest whose name says it, and it holds in every state that an event goes through: just arrived,
// sealed, merged. What a store keeps after a crash is tested beside each store.
package storetest

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Searcher finds stored events again. *eventstore.Store is one.
type Searcher interface {
	Events(ctx context.Context, q eventstore.Query) (eventstore.Events, error)
	Tree(ctx context.Context, t tenant.ID, root event.Ref, depth, max int) (eventstore.Tree, error)
}

// Store is an empty store that a test fills.
type Store struct {
	Searcher
	// Put stores what a host sent, and returns when it is searchable. It gives the events with their ids, as they stand.
	Put func(t *testing.T, of tenant.ID, h event.HostID, events ...*event.Event) []event.Stamped
	// Next brings all that was put to the next state that the store has, and names it; empty: there is no other.
	Next func(t *testing.T) string
	// Seed of what is drawn; 0: a new one, which is printed.
	Seed uint64
}

// Opener opens an empty store and sees to its end, with t.Cleanup.
type Opener func(t *testing.T) Store

// Run tests the searcher of the stores that open gives.
func Run(t *testing.T, open Opener) {
	for name, promises := range map[string]func(subject){"events": events, "bounds": bounds, "trees": trees} {
		t.Run(name, func(t *testing.T) { promises(subject{t, open}) })
	}
}

// subject is what a group of promises is about.
type subject struct {
	t    *testing.T
	open Opener
}

// that fills an empty store and tests one promise in each of its states.
func (c subject) that(promise string, test func(t *testing.T, s Store) (holds func(t *testing.T))) {
	c.t.Run(promise, func(t *testing.T) {
		s := c.open(t)
		holds := test(t, s)
		for state := "fresh"; state != ""; state = s.Next(t) {
			t.Run(state, holds)
		}
	})
}

func newTenant() tenant.ID  { return tenant.ID(uuid.Must(uuid.NewV7())) }
func newHost() event.HostID { return event.HostID(uuid.Must(uuid.NewV7())) }

func find(t *testing.T, s Store, q eventstore.Query) eventstore.Events {
	t.Helper()
	a, err := s.Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
