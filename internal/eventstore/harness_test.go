//go:build duckdb && duckdb_arrow

package eventstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/eventstore/duck"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// TestMain makes the test binary its own worker and its own victim, as `yagura worker` is the server's.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "worker" {
		if err := duck.Main(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 4 && os.Args[1] == "prisoner" {
		if err := imprison(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "victim" {
		if err := victim(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var (
	tenantA = tenant.ID(uuid.MustParse("01920000-0000-7000-8000-00000000000a"))
	tenantB = tenant.ID(uuid.MustParse("01920000-0000-7000-8000-00000000000b"))
)

func host(n int) event.HostID {
	return event.HostID(uuid.MustParse(fmt.Sprintf("01920000-0000-7000-9000-%012x", n)))
}

// server is everything a real one has under its store.
type server struct {
	t     testing.TB
	dir   string
	log   *stream.Log
	db    *controldb.DB
	store *eventstore.Store
	opts  eventstore.Options
	stop  func()
}

// start opens log, database and store in dir and runs the store. change may set options.
func start(t testing.TB, dir string, change func(*eventstore.Options)) *server {
	t.Helper()
	s := &server{t: t, dir: dir}
	if err := s.open(context.Background(), change); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func (s *server) open(ctx context.Context, change func(*eventstore.Options)) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.log, err = stream.Open(ctx, stream.Options{Dir: filepath.Join(s.dir, "log"), MaxBytes: 4 << 30, Reserve: 1 << 20}); err != nil {
		return err
	}
	if s.db, err = controldb.Open(ctx, filepath.Join(s.dir, "control.db")); err != nil {
		return err
	}
	s.opts = eventstore.Options{
		Dir: s.dir, Stream: s.log, Manifest: s.db, WorkerArgs: []string{"worker"},
		HotEvery: 50 * time.Millisecond, SealEvery: time.Hour, TidyEvery: time.Hour,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if change != nil {
		change(&s.opts)
	}
	if s.store, err = eventstore.Open(ctx, s.opts); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.store.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "store:", err)
		}
	})
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			wg.Wait()
			_ = s.log.Close()
			_ = s.db.Close()
		})
	}
	return nil
}

// sender is one sensor: it numbers its events.
type sender struct {
	tenant tenant.ID
	host   event.HostID
	stream uint64
	next   [3]uint64
}

func newSender(t tenant.ID, n int) *sender {
	return &sender{tenant: t, host: host(n), stream: uint64(1000 + n), next: [3]uint64{1, 1, 1}}
}

// batches packs events as ingest does, one batch for each lane.
func (s *sender) batches(events []*event.Event) ([]stream.Batch, []event.Stamped, error) {
	var out []stream.Batch
	var ids []event.Stamped
	for _, lane := range event.Lanes {
		var mine []*event.Event
		for _, e := range events {
			if e.Kind.Lane() == lane {
				mine = append(mine, e)
			}
		}
		if len(mine) == 0 {
			continue
		}
		received := time.Now().UnixMicro()
		for i, e := range mine {
			e.Textify()
			if e.Received == 0 {
				e.Received = received
			}
			if e.Time == 0 {
				e.Time = received
			}
			ids = append(ids, event.Stamped{ID: event.ID{Host: s.host, Stream: s.stream, Lane: lane, Seq: s.next[lane] + uint64(i)}, Event: e})
		}
		content, err := stream.Pack(mine)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, stream.Batch{Tenant: s.tenant, Host: s.host, Stream: s.stream, Lane: lane, First: s.next[lane], Count: len(mine), Received: received, Content: content})
		s.next[lane] += uint64(len(mine))
	}
	return out, ids, nil
}

// send appends events of one sensor as one record and gives them with their ids.
func (s *server) send(from *sender, events ...*event.Event) []event.Stamped {
	s.t.Helper()
	b, ids, err := from.batches(events)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.log.Append(context.Background(), stream.ShardOf(from.host), b); err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// settle waits until everything appended is searchable.
func (s *server) settle() {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for shard := range stream.Shards {
		for s.store.Lag(shard).Searchable > 0 {
			if time.Now().After(deadline) {
				s.t.Fatalf("shard %d is not searchable after 30 s: %+v", shard, s.store.Lag(shard))
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func (s *server) seal() {
	s.t.Helper()
	s.settle()
	if err := s.store.SealNow(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) find(q eventstore.Query) eventstore.Events {
	s.t.Helper()
	a, err := s.store.Events(context.Background(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}
