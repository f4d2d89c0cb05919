package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Bounds of a query.
const (
	DefaultLimit = 1000
	MaxLimit     = 10_000
	maxIDs       = 2000
	maxFiles     = 4000 // segments planned; more is refused with the numbers
)

// queryTime is how long an interactive query may take when its caller sets no deadline.
const queryTime = 30 * time.Second

// ErrTooWide means that a query would read more than it may. Its text says what to narrow.
var ErrTooWide = errors.New("the query is too wide")

// Query says which events are wanted. The tenant is required; other zero fields do not narrow.
type Query struct {
	Tenant  tenant.ID
	IDs     []event.ID
	Host    event.HostID
	Process event.Key // the process acted, or it was done to it
	From    int64     // µs UTC, inclusive
	To      int64     // µs UTC, exclusive
	Kinds   []event.Kind
	Limit   int // 0 = DefaultLimit, at most MaxLimit
}

// Events is the answer of Store.Events.
type Events struct {
	Events    []event.Stamped // newest first, each once
	Truncated bool            // there are more
	Missing   []Damaged       // files that may hold more and cannot be read
}

// Events gives the newest events that match, sealed or hot.
func (s *Store) Events(ctx context.Context, q Query) (Events, error) {
	if q.Tenant == (tenant.ID{}) {
		return Events{}, errors.New("find events: no tenant is named")
	}
	if len(q.IDs) > maxIDs {
		return Events{}, fmt.Errorf("find %d events by id: at most %d at a time: %w", len(q.IDs), maxIDs, ErrTooWide)
	}
	if q.IDs != nil && len(q.IDs) == 0 {
		return Events{}, nil
	}
	r := Request{Op: "events", From: q.From, To: q.To, Kinds: q.Kinds, Limit: limit(q.Limit)}
	want := Want{Tenant: q.Tenant, From: q.From, To: q.To}
	for _, id := range q.IDs {
		r.IDs = append(r.IDs, id.String())
		if q.Host == (event.HostID{}) && sameHost(q.IDs) {
			q.Host = id.Host
		}
	}
	if q.Host != (event.HostID{}) {
		r.Host = q.Host.String()
		want.Host = r.Host
	}
	if q.Process != (event.Key{}) {
		r.Process = q.Process.String()
	}
	for _, k := range q.Kinds {
		if g := k.Group(); !slices.Contains(want.Groups, g) {
			want.Groups = append(want.Groups, g)
		}
	}
	var out Events
	a, gaps, err := s.ask(ctx, want, r, &out.Events)
	if err != nil {
		return Events{}, fmt.Errorf("find events: %w", err)
	}
	out.Missing = gaps
	out.Truncated = a.Truncated
	return out, nil
}

func sameHost(ids []event.ID) bool {
	return !slices.ContainsFunc(ids, func(id event.ID) bool { return id.Host != ids[0].Host })
}

func limit(n int) int {
	if n <= 0 {
		return DefaultLimit
	}
	return min(n, MaxLimit)
}

// ask takes a snapshot and lets a query worker answer over it. A file that cannot be read is found, left out
// and given among the gaps.
func (s *Store) ask(ctx context.Context, w Want, r Request, to *[]event.Stamped) (Answer, []Damaged, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, queryTime)
		defer cancel()
	}
	for {
		a, gaps, again, err := s.askOnce(ctx, w, r, to)
		if !again || ctx.Err() != nil {
			return a, gaps, err
		}
	}
}

func (s *Store) askOnce(ctx context.Context, w Want, r Request, to *[]event.Stamped) (a Answer, gaps []Damaged, again bool, err error) {
	snap, err := s.snapshot(ctx, w)
	if err != nil {
		return Answer{}, nil, false, err
	}
	defer snap.release()
	if len(snap.Files) > maxFiles {
		return Answer{}, nil, false, fmt.Errorf("it would read %d segments, at most %d: narrow the time: %w", len(snap.Files), maxFiles, ErrTooWide)
	}
	if len(snap.Files) == 0 && len(snap.hot) == 0 {
		return Answer{}, snap.gaps, false, nil
	}
	r.Tenant, r.Segments, r.Hot, r.Cursors = w.Tenant.String(), snap.Files, snap.hotPaths(), snap.Cursors[:]
	*to = (*to)[:0]
	a, err = s.queries.do(ctx, r, nil, collect(to))
	if blind(err) {
		again = s.seek(ctx, snap, r, err)
	}
	return a, snap.gaps, again, err
}
