package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/clock"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	"github.com/yagura-edr/yagura/internal/fault"
	"github.com/yagura-edr/yagura/internal/fleet"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/tenant"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// partialSaid says in both languages what an answer lacks; nil when it lacks nothing.
func partialSaid(missing []eventstore.Damaged) *consolev1.Said {
	if len(missing) == 0 {
		return nil
	}
	var rows, from, to int64
	hot, hosts := 0, map[string]bool{}
	var reasons []string
	for _, d := range missing {
		rows += d.Rows
		if d.Hot {
			hot++
			continue
		}
		if from == 0 || d.MinTime < from {
			from = d.MinTime
		}
		to = max(to, d.MaxTime)
		hosts[d.MinHost], hosts[d.MaxHost] = true, true
		if !slices.Contains(reasons, d.Reason) {
			reasons = append(reasons, d.Reason)
		}
	}
	var all detection.Said
	add := func(s detection.Said) {
		all.En, all.Ja = strings.TrimSpace(all.En+" "+s.En), all.Ja+s.Ja
	}
	if n := len(missing) - hot; n > 0 {
		en, ja := tongueOf(terminal.English), tongueOf(terminal.Japanese)
		said := func(t *terminal.Tongue) string {
			words := make([]string, len(reasons))
			for i, r := range reasons {
				words[i] = t.Say(r)
			}
			if t.Language() == terminal.Japanese {
				return strings.Join(words, "、")
			}
			return strings.Join(words, ", ")
		}
		const text = "This answer is not whole: %d stored files cannot be read (%s) that hold up to %d events of %s to %s. `yagura store` names them."
		add(detection.Said{
			En: en.Say(text, n, said(en), rows, event.Clock(from), event.Clock(to)),
			Ja: ja.Say(text, n, said(ja), rows, event.Clock(from), event.Clock(to)),
		})
	}
	if hot > 0 {
		add(say.Both("Some of the newest events cannot be read until they are sealed, mostly within a minute (%d files).", hot))
	}
	return said(all)
}

// maxStoreFiles bounds the list of files of one answer; the numbers beside it are of all.
const maxStoreFiles = 1000

// Store says what the event store holds and what of it is not whole.
func (b *overviewBack) Store(ctx context.Context, t tenant.ID) (*consolev1.Store, error) {
	st, err := b.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	scrub, err := b.store.Scrub(ctx)
	if err != nil {
		return nil, err
	}
	wait, at := b.store.Waiting(), b.clock.State()
	m := &consolev1.Store{
		Segments: int64(st.Segments), Rows: st.Rows, Bytes: st.Bytes, Checked: int64(scrub.Checked), OldestCheck: scrub.Oldest,
		Expiring: int64(wait.Segments), ExpiringRows: wait.Events, ExpiringFrom: wait.Oldest, ExpiringTo: wait.Newest,
		Days: uint32(st.Days), From: st.From, To: st.To,
		Clock: at.Wall.UnixMicro(), Believed: at.Believed.UnixMicro(), ClockJumped: at.Jumped, RetentionDays: uint32(b.store.Retention() / (24 * time.Hour)),
	}
	due, err := b.store.Due(ctx, at.Wall)
	if err != nil {
		return nil, err
	}
	m.Due, m.DueRows = int64(due.Segments), due.Events
	hosts := b.fleet.Hosts(t)
	for _, d := range b.store.Damaged() {
		switch {
		case d.Hot:
			m.UnreadNewest++
		case d.Tenant == t && len(m.Files) < maxStoreFiles:
			f := &consolev1.StoreFile{
				Path: d.Path, State: d.Reason, Rows: d.Rows, Bytes: d.Bytes, From: d.MinTime, To: d.MaxTime, Group: d.Group, Since: d.Found.UnixMicro(),
			}
			concerns(f, d, hosts)
			m.Files = append(m.Files, f)
		}
	}
	for _, o := range b.store.Orphans() {
		if len(m.Files) < maxStoreFiles {
			f := &consolev1.StoreFile{Path: o.Path, State: o.Verdict, Why: o.Why, Bytes: o.Bytes, Since: o.Found.UnixMicro()}
			if o.Why != "" {
				f.WhySaid = said(say.One(o.Why))
			}
			m.Files = append(m.Files, f)
		}
	}
	return m, nil
}

// maxFileHosts bounds the names of one file; their number is of all.
const maxFileHosts = 20

// concerns names the hosts that events of a file may be of: the manifest keeps the first and the last of them.
func concerns(f *consolev1.StoreFile, d eventstore.Damaged, hosts []fleet.Host) {
	for _, h := range hosts {
		if !d.Overlaps(h.ID, 0, 0) {
			continue
		}
		if f.HostCount++; len(f.Hosts) < maxFileHosts {
			f.Hosts = append(f.Hosts, h.Name)
		}
	}
}

// ConfirmExpiry believes the machine's clock and lets what is past the retention go.
func (b *overviewBack) ConfirmExpiry(ctx context.Context, t tenant.ID) (*consolev1.Store, error) {
	if err := b.clock.Confirm(); err != nil {
		return nil, err
	}
	tellClock(b.faults, b.clock.State(), nil)
	gone, err := b.store.Confirm(ctx)
	if err != nil {
		return nil, err
	}
	m, err := b.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	m.Expiring, m.ExpiringRows, m.ExpiringFrom, m.ExpiringTo = int64(gone.Segments), gone.Events, gone.Oldest, gone.Newest
	return m, nil
}

// checkStore says how the stored files are; deep compares all of them with their sums first.
func (b *overviewBack) checkStore(ctx context.Context, t tenant.ID, deep bool) (*consolev1.Check, error) {
	looked := 0
	var err error
	if deep {
		if looked, err = b.store.Deep(ctx); err != nil {
			return &consolev1.Check{Name: "store", State: "fail", What: said(say.Both("%d stored files were compared with their sums, then it ended: %v", looked, err))}, nil
		}
	}
	m, err := b.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &consolev1.Check{Name: "store", State: "ok"}
	bad := 0
	for _, f := range m.Files {
		if f.State == eventstore.Missing || f.State == eventstore.Altered || f.State == eventstore.Unreadable {
			bad++
		}
	}
	switch {
	case bad > 0 && deep:
		c.What = said(say.Both("%d stored files cannot be read; all %d were compared with their sums now", bad, looked))
	case bad > 0:
		c.What = said(say.Both("%d of %d stored files cannot be read; %d were compared with their sums within a week", bad, m.Segments, m.Checked))
	case deep:
		c.What = said(say.Both("all %d stored files were compared with their sums now", looked))
	default:
		c.What = said(say.Both("%d of %d stored files were compared with their sums within a week", m.Checked, m.Segments))
	}
	if bad > 0 {
		c.State, c.Page = "fail", pageStore
		c.Fix = said(say.Both("`yagura store` names the files that are not whole"))
	}
	return c, nil
}

// tellClock raises or clears what is to be said of the machine's clock.
func tellClock(board *fault.Board, s clock.State, err error) {
	switch {
	case s.Jumped:
		d := say.Both("it says %s; by the time that has passed it is %s", event.Clock(s.Wall.UnixMicro()), event.Clock(s.Believed.UnixMicro()))
		board.Raise(fault.ClockJumped, "", fault.Told(d.En, d.Ja))
	case err != nil:
		board.Raise(fault.ClockJumped, "", err)
	default:
		board.Clear(fault.ClockJumped, "")
	}
}
