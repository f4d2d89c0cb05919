package console

import (
	"context"
	"errors"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/console/line"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// sessionCheck is how soon an ended session's streams end.
const sessionCheck = 5 * time.Second

// kindSkipped marks a row of a tail that stands for events it was too slow to take.
const kindSkipped = "console.skipped"

var (
	errManyStreams = connect.NewError(connect.CodeResourceExhausted, errors.New("too many open pages and tails: close some"))
	errStreamEnded = connect.NewError(connect.CodeUnauthenticated, errors.New("the session ended: sign in"))
)

// stream runs serve until the caller goes, the server ends, or the caller's session does.
func (s api) stream(ctx context.Context, serve func(context.Context) error) error {
	select {
	case s.streams <- struct{}{}:
	default:
		return errManyStreams
	}
	defer func() { <-s.streams }()
	a, ok := actorOf(ctx)
	if !ok {
		return errStreamEnded
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !a.local {
		ended := make(chan struct{})
		defer func() { <-ended }()
		defer cancel(nil)
		go func() {
			defer close(ended)
			t := time.NewTicker(sessionCheck)
			defer t.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-t.C:
					if !s.access.Alive(a.session) {
						cancel(errStreamEnded)
						return
					}
				}
			}
		}()
	}
	err := serve(ctx)
	if errors.Is(context.Cause(ctx), errStreamEnded) {
		return errStreamEnded
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Watch says which list changed.
func (s api) Watch(ctx context.Context, _ *connect.Request[consolev1.WatchRequest], out *connect.ServerStream[consolev1.Change]) error {
	return s.stream(ctx, func(ctx context.Context) error {
		return s.hub.watch(ctx, tenantOf(ctx), func(names []string) error {
			if len(names) == 0 {
				names = []string{"alive"}
			}
			for _, n := range names {
				if err := out.Send(&consolev1.Change{What: n}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// TailEvents streams events as they are judged.
func (s api) TailEvents(ctx context.Context, q *connect.Request[consolev1.TailEventsRequest], out *connect.ServerStream[consolev1.EventRow]) error {
	var host event.HostID
	if t := q.Msg.GetHostId(); t != "" {
		h, err := event.ParseHostID(t)
		if err != nil {
			return connect.NewError(connect.CodeInvalidArgument, err)
		}
		host = h
	}
	kinds, err := parseKinds(q.Msg.GetKinds())
	if err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return s.stream(ctx, func(ctx context.Context) error {
		backlog := min(int(q.Msg.GetBacklog()), tapBacklog)
		return s.tap.follow(ctx, tenantOf(ctx), host, kinds, backlog, func(events []event.Stamped, skipped int) error {
			if skipped > 0 {
				n := strconv.Itoa(skipped)
				r := &consolev1.EventRow{Kind: kindSkipped, Fields: map[string]string{"count": n}, Line: &consolev1.Said{
					En: n + " events came faster than this view could take them and are not shown; they are in the store",
					Ja: "表示が追いつかず " + n + " 件のイベントを省きました(ストアには保存されています)",
				}}
				if err := out.Send(r); err != nil {
					return err
				}
			}
			for _, e := range events {
				if err := out.Send(s.row(ctx, e)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// row is an event as the API gives it: its sentence and every field that is set, by registry name.
func (s api) row(ctx context.Context, e event.Stamped) *consolev1.EventRow {
	said := line.Of(e.Event)
	r := &consolev1.EventRow{
		Id: e.ID.String(), Kind: e.Event.Kind.String(), Time: e.Event.Time, HostId: e.ID.Host.String(),
		Line: &consolev1.Said{En: said.En, Ja: said.Ja}, Fields: map[string]string{},
	}
	if s.back.Hosts != nil {
		r.Hostname = s.back.Hosts.Hostname(ctx, tenantOf(ctx), e.ID.Host)
	}
	if (e.Event.Actor.Key != event.Key{}) {
		r.Process = event.Ref{Host: e.ID.Host, Key: e.Event.Actor.Key}.String()
	}
	for _, f := range s.fields {
		if v := e.Event.Value(event.Number(f.Number)); v.Type == event.TypeAttributes {
			for _, a := range v.Attributes {
				r.Fields["extra."+event.Show(a.Name)] = a.String()
			}
		} else if v.Set {
			r.Fields[f.Name] = v.String()
		}
	}
	return r
}

// eventFields lists what row shows, without what the row says already.
func eventFields() []registry.Field {
	var kept []registry.Field
	for _, f := range registry.Fields() {
		switch f.Name {
		case "kind", "time":
		default:
			kept = append(kept, f)
		}
	}
	return kept
}
