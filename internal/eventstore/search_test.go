//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"flag"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/storetest"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var seed = flag.Uint64("seed", 0, "of the questions that TestDuckDB draws")

// TestDuckDB holds the workers' answers to every promise that who asks relies on.
func TestDuckDB(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		s := start(t, t.TempDir(), func(o *eventstore.Options) { o.HotEvery, o.MergeFiles = 5*time.Millisecond, 2 })
		senders, states := map[event.HostID]*sender{}, []string{"sealed", "merged"}
		return storetest.Store{
			Searcher: s.store, Seed: *seed,
			Put: func(t *testing.T, of tenant.ID, h event.HostID, events ...*event.Event) []event.Stamped {
				t.Helper()
				x := senders[h]
				if x == nil {
					x = &sender{tenant: of, host: h, stream: uint64(1000 + len(senders)), next: [3]uint64{1, 1, 1}}
					senders[h] = x
				}
				s.seal() // what was put before: an answer comes from segments and hot files together, and a merge has two to merge
				ids := s.send(x, events...)
				s.settle()
				return ids
			},
			Next: func(t *testing.T) (state string) {
				t.Helper()
				if len(states) == 0 {
					return ""
				}
				state, states = states[0], states[1:]
				if state == "sealed" {
					s.seal()
				} else if _, err := s.store.Compact(t.Context(), time.Now()); err != nil {
					t.Fatal(err)
				}
				return state
			},
		}
	})
}
