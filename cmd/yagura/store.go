package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type storeVerb struct {
	Show   storeShowVerb   `cmd:"" default:"1" help:"Say what is stored, and which files are not whole."`
	Expire storeExpireVerb `cmd:"" help:"Show what is past the retention and waits; with --yes remove it and believe the server's clock."`
}

type storeShowVerb struct{}

// Help shows examples.
func (storeShowVerb) Help() string {
	return "Exit code 3 when stored events cannot be read. Beside the files of the store it lists files in its folder that the control database does not name; what each word means stands below the list.\n\nExamples:\n  yagura store\n  yagura store --json | jq '.files[]?'"
}

// Run shows the store.
func (storeShowVerb) Run(s *shell) error {
	r, err := s.console().GetStore(s.ctx, connect.NewRequest(&consolev1.GetStoreRequest{}))
	if err != nil {
		return s.explain("look at the store", err)
	}
	m := r.Msg
	bad := 0
	for _, f := range m.Files {
		if f.State == "missing" || f.State == "altered" || f.State == "unreadable" {
			bad++
		}
	}
	var partial error
	if bad > 0 {
		partial = partialf("stored files that cannot be read: %d", bad)
	}
	if s.json {
		return errors.Join(s.printJSON(m), partial)
	}
	s.wrapped(s.say("%d files with %d events, %d bytes; %d compared with their sums within a week; kept for %d days", m.Segments, m.Rows, m.Bytes, m.Checked, m.RetentionDays))
	if m.Days > 0 {
		s.wrapped(s.say(many(m.Days, "%d day of events, from %s to %s", "%d days of events, from %s to %s"), m.Days, terminal.Clock(m.From), terminal.Clock(m.To)))
	}
	for _, f := range m.Files {
		s.printf("%s  %s\n", terminal.Pad(s.say(f.State), 12), event.Show(f.Path))
		if f.Rows > 0 {
			s.below(s.say(many(uint64(f.Rows), "%d event of %s to %s", "%d events of %s to %s"), f.Rows, terminal.Clock(f.From), terminal.Clock(f.To)))
		}
		switch names := event.Show(strings.Join(f.Hosts, ", ")); {
		case int(f.HostCount) > len(f.Hosts):
			s.below(s.say("hosts that may be affected: %s and %d more", names, int(f.HostCount)-len(f.Hosts)))
		case f.HostCount > 0:
			s.below(s.say("hosts that may be affected: %s", names))
		}
		if f.Since > 0 {
			s.below(s.say("found %s", terminal.Clock(f.Since)))
		}
		if f.Why != "" {
			s.below(s.tongue.Text(f.Why))
		}
	}
	if m.UnreadNewest > 0 {
		s.wrapped(s.say("Some of the newest events cannot be read until they are sealed, mostly within a minute (%d files).", m.UnreadNewest))
	}
	for _, w := range stateWords() {
		if slices.ContainsFunc(m.Files, func(f *consolev1.StoreFile) bool { return f.State == w[0] }) {
			s.paragraph(s.say(w[0]), 14, s.say(w[1]))
		}
	}
	s.expiring(m)
	return partial
}

// below prints a sentence under the name of a file.
func (s *shell) below(text string) {
	for _, line := range terminal.Wrap(event.Show(text), max(s.width(), 80)-14) {
		s.printf("%14s%s\n", "", line)
	}
}

// wrapped prints a sentence in the width of the terminal.
func (s *shell) wrapped(text string) {
	for _, line := range terminal.Wrap(event.Show(text), max(s.width(), 80)) {
		s.printf("%s\n", line)
	}
}

// stateWords explain what is said of a file, in the order in which it matters.
func stateWords() [][2]string {
	return [][2]string{
		{"missing", "the file is gone: put it back from a backup, and it is read again within a minute"},
		{"altered", "its bytes are not those that were written: put it back from a backup, and look for errors of the disk"},
		{"unreadable", "it cannot be opened or decoded: it is tried again at the next start; put it back from a backup if it stays so"},
		{"kept", "the control database does not name it, and nobody can say whether its events are stored elsewhere: it stays until you put it back or remove it"},
		{"unjudged", "the control database does not name it: whether its events are stored elsewhere is looked at when the log has been read; nothing is to be done"},
		{"redundant", "every event of it is stored elsewhere, too: it goes by itself after seven days"},
		{"unfinished", "a write that never ended: its events are in the log or stored elsewhere; it goes by itself after seven days"},
	}
}

// expiring says what of the clock and the retention waits for a person.
func (s *shell) expiring(m *consolev1.Store) {
	if m.ClockJumped {
		s.wrapped(s.say("the clock of the server's host says %s; by the time that has passed it is %s, and that is what retention goes by", terminal.Clock(m.Clock), terminal.Clock(m.Believed)))
	}
	if m.Expiring > 0 {
		s.wrapped(s.say("%d files with %d events are past the retention and wait, received from %s to %s", m.Expiring, m.ExpiringRows, terminal.Clock(m.ExpiringFrom), terminal.Clock(m.ExpiringTo)))
	}
}

type storeExpireVerb struct {
	Yes bool `help:"Believe the clock of the server's host, and remove all that is past the retention by it."`
}

// Help shows examples.
func (storeExpireVerb) Help() string {
	return "Retention never removes more than three days' worth at once, and does not follow a clock that jumped: after a machine was off for weeks, or when retention_days " +
		"was made shorter, it waits for this.\n\nExamples:\n  yagura store expire       # what would go\n  yagura store expire --yes # let it go"
}

// Run shows what waits, or lets it go.
func (v storeExpireVerb) Run(s *shell) error {
	r, err := s.console().GetStore(s.ctx, connect.NewRequest(&consolev1.GetStoreRequest{}))
	if err != nil {
		return s.explain("look at the store", err)
	}
	if v.Yes {
		if r, err = s.console().ConfirmExpiry(s.ctx, connect.NewRequest(&consolev1.ConfirmExpiryRequest{})); err != nil {
			return s.explain("remove what is past the retention", err)
		}
	}
	m := r.Msg
	if s.json {
		return s.printJSON(m)
	}
	if v.Yes {
		s.wrapped(s.say("%d files with %d events were removed; the clock is believed: %s", m.Expiring, m.ExpiringRows, terminal.Clock(m.Clock)))
		return nil
	}
	s.expiring(m)
	before := time.UnixMicro(m.Clock).Add(-time.Duration(m.RetentionDays) * 24 * time.Hour)
	s.wrapped(s.say("the server's clock says %s; kept for %d days, what was received before %s would be removed with --yes: %d files with %d events",
		terminal.Clock(m.Clock), m.RetentionDays, terminal.Clock(before.UnixMicro()), m.Due, m.DueRows))
	return nil
}
