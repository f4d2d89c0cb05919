package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type eventsVerb struct {
	Tail eventsTailVerb `cmd:"" help:"Print events as they arrive."`
	List eventsListVerb `cmd:"" help:"Print stored events, by id, process or time."`
}

type eventsTailVerb struct {
	Host  string   `help:"Only this host, by id (h-…) or name."`
	Kind  []string `help:"Only these kinds, such as process.exec (docs/events.md)."`
	Limit int      `help:"Stop after this many; 0 follows until interrupted." short:"n" aliases:"count"`
}

// Help shows examples.
func (eventsTailVerb) Help() string {
	return "Examples:\n  yagura events tail --kind process.exec\n  yagura events tail --json --limit 10 # ten events as lines of JSON, then stop"
}

// Run follows events.
func (v eventsTailVerb) Run(s *shell) error {
	host, err := s.optionalHost(v.Host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stream, err := s.console().TailEvents(ctx, connect.NewRequest(&consolev1.TailEventsRequest{HostId: host, Kinds: v.Kind}))
	if err != nil {
		return s.explain("follow events", err)
	}
	defer func() { _ = stream.Close() }()
	for n := 0; v.Limit == 0 || n < v.Limit; n++ {
		if !stream.Receive() {
			break
		}
		if err := s.eventRow(stream.Msg()); err != nil {
			return err
		}
		if v.Limit > 0 && n+1 == v.Limit {
			return nil
		}
	}
	if err := stream.Err(); err != nil && !errors.Is(s.ctx.Err(), context.Canceled) {
		return s.explain("follow events", err)
	}
	return nil
}

type eventsListVerb struct {
	IDs     []string `arg:"" optional:"" name:"event" help:"Event ids."`
	Process string   `help:"Events of this process (HOST/p-…)."`
	Host    string   `help:"Events of this host, by id (h-…) or name."`
	Kind    []string `help:"Only these kinds, such as process.exec (docs/events.md)."`
	From    moment   `help:"From this time on: 15m ago is 15m; or 10:30, 2026-11-22 10:30, RFC 3339, µs UTC." placeholder:"TIME"`
	To      moment   `help:"Before this time." placeholder:"TIME"`
	Limit   uint32   `help:"At most this many, newest first." default:"100"`
}

// Help shows examples.
func (eventsListVerb) Help() string {
	return "Examples:\n  yagura events list --from 15m --kind process.exec --limit 20\n" +
		"  yagura events list --process \"$(yagura detections --json | jq -r '.[0].process')\" # of the newest detection"
}

// eventsPage is how many events are asked for at a time.
const eventsPage = 1000

// Run lists stored events, page by page.
func (v eventsListVerb) Run(s *shell) error {
	host, err := s.optionalHost(v.Host)
	if err != nil {
		return err
	}
	process, err := s.optionalProcess(v.Process)
	if err != nil {
		return err
	}
	q := &consolev1.ListEventsRequest{Ids: v.IDs, Process: process, HostId: host, Kinds: v.Kind, From: int64(v.From), To: int64(v.To)}
	note := ""                                             // what the answer cannot know
	whole := func(r *consolev1.ListEventsResponse) error { // of an answer that is done with
		if r.Partial {
			return partialf("%s", s.said(r.PartialSaid))
		}
		return nil
	}
	defer func() {
		if note != "" {
			s.warn(note)
		}
	}()
	boundary := map[string]bool{} // ids of the oldest moment printed so far: the next page begins with them
	for left := v.Limit; left > 0; {
		q.Limit = min(left+uint32(len(boundary)), eventsPage)
		r, err := s.console().ListEvents(s.ctx, connect.NewRequest(q))
		if err != nil {
			return s.explain("list events", err)
		}
		printed := uint32(0)
		oldest := int64(0)
		for _, e := range r.Msg.Events {
			if boundary[e.Id] {
				continue
			}
			if err := s.eventRow(e); err != nil {
				return err
			}
			printed++
			oldest = e.Time
		}
		if len(r.Msg.Missing) > 0 {
			return errors.Join(whole(r.Msg), partialf("not in the store: %s", strings.Join(r.Msg.Missing, ", ")))
		}
		if said := s.said(r.Msg.NoteSaid); said != "" {
			note = said
		}
		if len(boundary) == 0 && printed == 0 && len(v.IDs) == 0 && !s.json {
			s.warn(s.say("no event is stored that fits: `yagura hosts` shows who reports, and docs/events.md which kinds there are"))
		}
		left -= min(left, printed)
		switch {
		case !r.Msg.Truncated || len(v.IDs) > 0:
			return whole(r.Msg)
		case printed == 0:
			return partialf("more than %d events of one moment: narrow the question with --host or --kind", eventsPage)
		case left == 0:
			s.warn(s.say("there are more: ask for them with --limit or --to"))
			return whole(r.Msg)
		}
		next := map[string]bool{}
		for _, e := range r.Msg.Events {
			if e.Time == oldest {
				next[e.Id] = true
			}
		}
		boundary, q.To = next, oldest+1
	}
	return nil
}

// kindColumn holds the longest name of a kind.
const kindColumn = 20

// eventRow prints one event: a line of JSON, or a sentence.
func (s *shell) eventRow(e *consolev1.EventRow) error {
	if !s.json {
		s.printf("%s  %-*s %s %s\n", terminal.FineClock(e.Time), kindColumn, e.Kind, terminal.Pad(event.Show(e.Hostname), 12), event.Show(s.said(e.Line)))
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("print event %s: %w", e.Id, err)
	}
	s.print(string(event.ShowJSON(b)) + "\n")
	return nil
}
