package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// at is a moment of the tests.
const at int64 = 1_790_000_000_000_000

// whole is an event that uses every sort of field, with text that was not UTF-8, words of SQL and a field of the future.
func whole() *event.Event {
	return &event.Event{
		Kind: event.NetConnect, OS: event.Linux, Time: at, Received: at, BootNS: 12345, HostTime: -7, Ancestors: []string{"/sbin/init", "", "/usr/bin/\xff"},
		ExitCode: -1, Initiated: true, Protocol: "tcp", LocalAddr: netip.MustParseAddr("127.0.0.1"), LocalPort: 40000,
		RemoteAddr: netip.MustParseAddr("2001:db8::1"), RemotePort: 443, BytesSent: 1<<64 - 1,
		Actor:  event.Process{Key: event.LinuxKey(5, 6, 7), PID: 6, Path: "/usr/bin/\xff\xfe'; DROP TABLE x; --", CommandLine: "a\x00b\n日本語 \x1b[31m \u202e%_\\\"", SHA256: [32]byte{1, 2, 3}},
		Parent: event.Process{Key: event.LinuxKey(1, 2, 7), PID: 2, Path: "/bin/sh"},
		Extra:  []byte{0xf8, 0x7f, 0x2a}, // field 2047, varint 42
	}
}

func events(c subject) {
	c.that("an event comes back as it was", func(t *testing.T, s Store) func(*testing.T) {
		mine, h := newTenant(), newHost()
		want := s.Put(t, mine, h, whole(), &event.Event{Kind: event.ProcessExec, Time: at, Received: at})
		want = append(want, s.Put(t, mine, h, whole())...)
		return func(t *testing.T) {
			for _, w := range want {
				got := find(t, s, eventstore.Query{Tenant: mine, IDs: []event.ID{w.ID}}).Events
				if len(got) != 1 || got[0].ID != w.ID || !reflect.DeepEqual(got[0].Event, w.Event) {
					t.Errorf("event %s = %+v; want %+v", w.ID, got, w.Event)
				}
			}
		}
	})
	c.that("nobody sees an event of another tenant, by whatever it is asked for", func(t *testing.T, s Store) func(*testing.T) {
		mine, theirs, h := newTenant(), newTenant(), newHost()
		secret := s.Put(t, theirs, h, whole())[0]
		s.Put(t, mine, newHost(), whole())
		return func(t *testing.T) {
			for what, q := range map[string]eventstore.Query{
				"id": {IDs: []event.ID{secret.ID}}, "host": {Host: h}, "host and process": {Host: h, Process: secret.Event.Actor.Key},
				"host and time": {Host: h, From: at, To: at + 1}, "host and kind": {Host: h, Kinds: []event.Kind{event.NetConnect}},
			} {
				q.Tenant = mine
				if got := find(t, s, q).Events; len(got) != 0 {
					t.Errorf("by %s another tenant sees %v", what, IDs(got))
				}
			}
			if got := find(t, s, eventstore.Query{Tenant: newTenant()}); len(got.Events) != 0 || got.Truncated {
				t.Errorf("a tenant without events sees %v", IDs(got.Events))
			}
			if _, err := s.Events(t.Context(), eventstore.Query{}); err == nil {
				t.Error("a question without a tenant is answered")
			}
		}
	})
	c.that("every question has the answer of a plain slice: newest first, each once, bounded", func(t *testing.T, s Store) func(*testing.T) {
		seed := s.Seed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		t.Logf("-seed=%d", seed)
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test draws again what its seed gave
		tenants, hosts := []tenant.ID{newTenant(), newTenant()}, []event.HostID{newHost(), newHost(), newHost()}
		kinds := []event.Kind{event.ProcessExec, event.ProcessExit, event.NetConnect, event.FileCreate, 999}
		key := func() event.Key { return event.LinuxKey(1+r.Uint64N(4), 1, 1) }
		var model []Owned
		for range 3 {
			for i, h := range hosts {
				var batch []*event.Event
				for range 15 {
					batch = append(batch, &event.Event{
						Kind: kinds[r.IntN(len(kinds))], Time: at - r.Int64N(40)*3_600_000_000, Received: at, BootNS: r.Uint64N(3),
						Actor: event.Process{Key: key()}, Target: event.Process{Key: key()},
					})
				}
				owner := tenants[i%2]
				for _, e := range s.Put(t, owner, h, batch...) {
					model = append(model, Owned{owner, e})
				}
			}
		}
		var questions []eventstore.Query
		for range 30 {
			q := eventstore.Query{Tenant: tenants[r.IntN(2)], Limit: []int{0, 1, 3, 1000}[r.IntN(4)]}
			if r.IntN(2) == 0 {
				q.Host = hosts[r.IntN(3)]
			}
			if r.IntN(3) == 0 {
				q.Kinds = []event.Kind{kinds[r.IntN(5)], kinds[r.IntN(5)]}
			}
			if r.IntN(3) == 0 {
				q.Process = key()
			}
			if r.IntN(3) == 0 {
				q.From = at - r.Int64N(40)*3_600_000_000 // on the hour, as the events are: the ends are asked for
				q.To = q.From + r.Int64N(20)*3_600_000_000
			}
			if r.IntN(4) == 0 {
				q.IDs = []event.ID{model[r.IntN(len(model))].ID, model[r.IntN(len(model))].ID, {Host: hosts[0], Stream: 1, Seq: 1 << 40}}
			}
			questions = append(questions, q)
		}
		return func(t *testing.T) {
			for _, q := range questions {
				got, want := find(t, s, q), Find(model, q)
				if !reflect.DeepEqual(IDs(got.Events), IDs(want.Events)) || got.Truncated != want.Truncated || len(got.Missing) != 0 {
					t.Errorf("-seed=%d: %+v\n got %v, truncated %v, missing %v\nwant %v, truncated %v", seed, q, IDs(got.Events), got.Truncated, got.Missing, IDs(want.Events), want.Truncated)
				}
			}
		}
	})
}

func bounds(c subject) {
	c.that("no answer is longer than was asked for, nor than it may be, and says that there is more", func(t *testing.T, s Store) func(*testing.T) {
		mine, h := newTenant(), newHost()
		for range 6 {
			var batch []*event.Event
			for range 1700 {
				batch = append(batch, &event.Event{Kind: event.ProcessExec, Time: at, Received: at})
			}
			s.Put(t, mine, h, batch...)
		}
		return func(t *testing.T) {
			for _, ask := range []struct {
				limit, want int
				more        bool
			}{{0, eventstore.DefaultLimit, true}, {-5, eventstore.DefaultLimit, true}, {1, 1, true}, {eventstore.MaxLimit, eventstore.MaxLimit, true}, {1 << 40, eventstore.MaxLimit, true}} {
				if got := find(t, s, eventstore.Query{Tenant: mine, Limit: ask.limit}); len(got.Events) != ask.want || got.Truncated != ask.more {
					t.Errorf("limit %d gives %d events, more %v; want %d, %v", ask.limit, len(got.Events), got.Truncated, ask.want, ask.more)
				}
			}
		}
	})
	c.that("no ids are no events, and too many are refused", func(t *testing.T, s Store) func(*testing.T) {
		mine := newTenant()
		one := s.Put(t, mine, newHost(), whole())[0]
		return func(t *testing.T) {
			if got := find(t, s, eventstore.Query{Tenant: mine, IDs: []event.ID{}}); len(got.Events) != 0 {
				t.Errorf("no ids give %v", IDs(got.Events))
			}
			if got := find(t, s, eventstore.Query{Tenant: mine, IDs: []event.ID{one.ID, one.ID, {Host: one.ID.Host}}}); len(got.Events) != 1 {
				t.Errorf("an id asked for twice, with one that is not there, gives %v", IDs(got.Events))
			}
			if _, err := s.Events(t.Context(), eventstore.Query{Tenant: mine, IDs: make([]event.ID, 2001)}); !errors.Is(err, eventstore.ErrTooWide) {
				t.Errorf("2001 ids = %v; want ErrTooWide", err)
			}
		}
	})
	c.that("a caller who is gone is not answered", func(t *testing.T, s Store) func(*testing.T) {
		mine := newTenant()
		s.Put(t, mine, newHost(), whole())
		return func(t *testing.T) {
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if got, err := s.Events(gone, eventstore.Query{Tenant: mine}); err == nil {
				t.Errorf("a cancelled question gives %v", IDs(got.Events))
			}
			late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancel()
			if got, err := s.Events(late, eventstore.Query{Tenant: mine}); err == nil {
				t.Errorf("a question past its time gives %v", IDs(got.Events))
			}
			if got := find(t, s, eventstore.Query{Tenant: mine}); len(got.Events) != 1 {
				t.Errorf("the question after them gives %s", fmt.Sprint(IDs(got.Events)))
			}
		}
	})
}
