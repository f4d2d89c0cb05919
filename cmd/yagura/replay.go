package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/recording"
)

type replayVerb struct {
	Files []string `arg:"" help:"Recordings: JSON as yagura-sensor watch prints it (lines or an array, also gzip or zstd), or batches of a sensor; - for standard input." name:"file"`
	Host  string   `help:"Name of the host that the recording shall belong to." default:"replay"`
	Now   bool     `help:"Move the whole recording so that its last event is now; otherwise it keeps its own times."`
}

// Help shows examples.
func (replayVerb) Help() string {
	return "A recording goes the whole way of a live event: a host is enrolled for it, its batches are uploaded, judged and stored. " +
		"Event logs of other programs (EVTX, Sysmon, auditd, ECS, pcap) are not read; docs/recordings.md tells how to convert.\n\n" +
		"Examples:\n  sudo timeout 60 yagura-sensor watch > attack.ndjson # record a minute\n  yagura replay attack.ndjson\n  yagura replay --host web-07 --now attack.ndjson     # as if it happened just now"
}

// Run replays recordings.
func (v replayVerb) Run(s *shell) error {
	var events []*event.Event
	now := time.Now().UnixMicro()
	for _, name := range v.Files {
		read, err := s.openRecording(name)
		if err != nil {
			return err
		}
		if n := date(read, now); n > 0 {
			s.warn(s.say("%s: %d events have no time (host_time in µs, or boot_ns): they were put behind the one before them", name, n))
		}
		if events = append(events, read...); len(events) > recording.MaxEvents {
			return fmt.Errorf("replay: more than %d events: split the recording", recording.MaxEvents)
		}
	}
	if err := v.move(events, now); err != nil {
		return err
	}
	host, err := s.upload(v.Host, events)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"host": host.String(), "events": len(events)})
	}
	s.printf("%s\n", s.say("%d events replayed as %s (%s)", len(events), event.Show(v.Host), host))
	return nil
}

// date marks the events of one recording as imported, which lets them keep their own times, and sees to it
// that each has one: the server's where it was exported from one, else the host's. A recording that only has
// boot_ns keeps its distances and ends now; events without any time follow the one before.
func date(events []*event.Event, now int64) (undated int) {
	anchor, found := int64(0), false // wall time at boot time 0, by the first event that has both
	newest := int64(0)
	for _, e := range events {
		if e.Time > 0 {
			e.HostTime = e.Time
		}
		b := bootMicros(e)
		newest = max(newest, b)
		if e.HostTime > 0 && b > 0 && !found {
			anchor, found = e.HostTime-b, true
		}
	}
	if !found {
		anchor = now - newest
	}
	last := int64(0)
	var before []*event.Event // those that precede every time
	for _, e := range events {
		switch b := bootMicros(e); {
		case e.HostTime > 0:
		case b > 0:
			e.HostTime = anchor + b
		case last > 0:
			undated++
			e.HostTime = last + 1
		default:
			undated++
			before = append(before, e)
		}
		if last = e.HostTime; last > 0 && len(before) > 0 {
			follow(before, last)
			before = nil
		}
		e.Time, e.Received = 0, 0
		e.Flags |= event.FlagImported
	}
	follow(before, now)
	return undated
}

// follow gives events without a time those before at, in their order.
func follow(events []*event.Event, at int64) {
	for i, e := range events {
		e.HostTime = at - int64(len(events)-i)
	}
}

func bootMicros(e *event.Event) int64 {
	return int64(e.BootNS / 1000)
}

// move moves a recording as a whole so that it ends now, and refuses one that ends later: the server does not
// believe in the future, and would draw all of that together in one instant.
func (v replayVerb) move(events []*event.Event, now int64) error {
	newest := int64(0)
	for _, e := range events {
		newest = max(newest, e.HostTime)
	}
	if !v.Now {
		if newest > now {
			return fmt.Errorf("replay: the recording ends at %s, which is yet to come by this clock: --now moves it", time.UnixMicro(newest).UTC().Format(time.RFC3339))
		}
		return nil
	}
	for _, e := range events {
		if e.HostTime += now - newest; e.HostTime <= 0 { // the server would take it for an event without a time
			return errors.New("replay: with --now its first event would be before 1970: the recording mixes times that cannot be")
		}
	}
	return nil
}

// openRecording reads one file, or standard input for "-".
func (s *shell) openRecording(name string) ([]*event.Event, error) {
	if name == "-" {
		events, err := recording.Read(s.stdin)
		if err != nil {
			return nil, fmt.Errorf("replay -: %w", err)
		}
		return events, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("replay %s: this is a folder: name the recordings in it", name)
	}
	events, err := recording.Read(f)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", name, err)
	}
	return events, nil
}
