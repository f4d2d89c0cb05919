package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/notify"
)

// findings remembers what stands, as coverage does.
type findings struct {
	mu    sync.Mutex // guards open
	open  map[string]detection.Said
	since map[string]time.Time
}

func newFindings() *findings {
	return &findings{open: map[string]detection.Said{}, since: map[string]time.Time{}}
}

func (f *findings) ReportFinding(_ context.Context, class, subject string, what detection.Said) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.open[class+"/"+subject]; !ok {
		f.since[class+"/"+subject] = time.Now()
	}
	f.open[class+"/"+subject] = what
	return nil
}

func (f *findings) ClearFinding(_ context.Context, class, subject string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, class+"/"+subject)
	return nil
}

func (f *findings) get(name string) (detection.Said, time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.open[name]
	return s, f.since[name], ok
}

// fakeChannel answers as told and notes when it was asked.
type fakeChannel struct {
	name   string
	mu     sync.Mutex // guards answer, at, got
	answer func(attempt int) error
	at     []time.Time
	got    [][]notify.Notice
	hang   bool
}

func (c *fakeChannel) Name() string { return c.name }

func (c *fakeChannel) Deliver(ctx context.Context, n []notify.Notice) error {
	if c.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Now())
	if c.answer != nil {
		if err := c.answer(len(c.at)); err != nil {
			return err
		}
	}
	c.got = append(c.got, n)
	return nil
}

func (c *fakeChannel) seen() (at []time.Time, got [][]notify.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at), slices.Clone(c.got)
}

// memory is an Outbox without a disk, for tests on synthetic time.
type memory struct {
	mu   sync.Mutex // guards rows
	rows []*memoryRow
	err  error
}

type memoryRow struct {
	d notify.Delivery
	s notify.State
}

func (m *memory) PutDelivery(_ context.Context, d notify.Delivery, limit int) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting := 0
	for _, r := range m.rows {
		if r.d.Channel == d.Channel && r.d.Notice.Key == d.Notice.Key && r.d.Notice.Tenant == d.Notice.Tenant {
			return false, m.err
		}
		if r.d.Channel == d.Channel && r.s == notify.Pending {
			waiting++
		}
	}
	if waiting >= limit {
		return false, notify.ErrFull
	}
	m.rows = append(m.rows, &memoryRow{d, notify.Pending})
	return true, m.err
}

func (m *memory) DueDeliveries(_ context.Context, ch string, now time.Time, limit int) (out []notify.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.d.Channel == ch && r.s == notify.Pending && !r.d.Due.After(now) && len(out) < limit {
			out = append(out, r.d)
		}
	}
	return out, m.err
}

func (m *memory) NextDelivery(_ context.Context, ch string) (next time.Time, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.d.Channel == ch && r.s == notify.Pending && (!ok || r.d.Due.Before(next)) {
			next, ok = r.d.Due, true
		}
	}
	return next, ok, m.err
}

func (m *memory) SettleDelivery(_ context.Context, d notify.Delivery, s notify.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.d.Channel == d.Channel && r.d.Notice.Key == d.Notice.Key {
			r.d, r.s = d, s
		}
	}
	return m.err
}

func (m *memory) ForgetDeliveries(_ context.Context, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = slices.DeleteFunc(m.rows, func(r *memoryRow) bool { return r.s != notify.Pending && r.d.Created.Before(before) })
	return nil
}

func run(t *testing.T, o notify.Options) (r *notify.Router, stop func()) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	r, err := notify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func listed(n ...notify.Notice) []notify.Source {
	return []notify.Source{notify.SourceFunc(func(context.Context, time.Time) ([]notify.Notice, error) { return n, nil })}
}

func numbered(i int) notify.Notice {
	n := webShell()
	n.Key = notify.IncidentKey(fmt.Sprintf("i-%d", i), n.Severity)
	return n
}

// A source lists the same incident for a day; people are told once.
func TestListedAgainToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		low := numbered(2)
		low.Severity = detection.Medium
		ch, box := &fakeChannel{name: "webhook:a"}, &memory{}
		_, stop := run(t, notify.Options{Outbox: box, Findings: newFindings(), Channels: []notify.Channel{ch}, Sources: listed(webShell(), low)})
		time.Sleep(time.Minute)
		stop()
		// after a restart the outbox still knows
		_, stop = run(t, notify.Options{Outbox: box, Findings: newFindings(), Channels: []notify.Channel{ch}, Sources: listed(webShell(), low)})
		time.Sleep(time.Minute)
		stop()
		if _, got := ch.seen(); len(got) != 1 || len(got[0]) != 1 || got[0][0].Key != webShell().Key {
			t.Errorf("told %v; want the critical incident once and the medium one never", got)
		}
	})
}

func TestFailingChannelBecomesAFindingWithinFiveMinutes(t *testing.T) {
	for name, ch := range map[string]*fakeChannel{
		"refused":  {name: "mail:a", answer: func(int) error { return errors.New("connection refused") }},
		"hanging":  {name: "mail:a", hang: true},
		"password": {name: "mail:a", answer: func(int) error { return fmt.Errorf("535: %w", notify.ErrPermanent) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, start := newFindings(), time.Now()
				other := &fakeChannel{name: "webhook:b"}
				_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: f, Channels: []notify.Channel{ch, other}, Sources: listed(webShell())})
				defer stop()
				time.Sleep(5 * time.Minute)
				what, since, ok := f.get("notify/mail:a")
				if !ok {
					t.Fatalf("no finding after 5 minutes")
				}
				if what.En == "" || what.Ja == "" || !strings.Contains(what.En, "mail:a") {
					t.Errorf("finding %+v; want both languages and the channel", what)
				}
				t.Logf("finding after %v: %s", since.Sub(start), what.En)
				if _, got := other.seen(); len(got) != 1 {
					t.Errorf("the other channel got %d messages; want 1", len(got))
				}
				if _, _, bad := f.get("notify/webhook:b"); bad {
					t.Errorf("the channel that works has a finding")
				}
			})
		})
	}
}

func TestBackoffThenRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFindings()
		ch := &fakeChannel{name: "mail:a", answer: func(attempt int) error {
			if attempt <= 6 {
				return errors.New("451 later")
			}
			return nil
		}}
		_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: f, Channels: []notify.Channel{ch}, Sources: listed(webShell())})
		defer stop()
		time.Sleep(time.Hour)
		at, got := ch.seen()
		if len(at) != 7 || len(got) != 1 {
			t.Fatalf("%d attempts, %d deliveries; want 7 and 1", len(at), len(got))
		}
		for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second, 75 * time.Second, 5 * time.Minute, 5 * time.Minute} {
			if got := at[i+1].Sub(at[i]).Round(time.Second); got != want {
				t.Errorf("wait before attempt %d = %v; want %v", i+2, got, want)
			}
		}
		if _, _, still := f.get("notify/mail:a"); still {
			t.Errorf("the finding stands after a delivery")
		}
	})
}

// Grey-listing is how mail works, not a silent failure.
func TestAShortHiccupIsNoFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFindings()
		ch := &fakeChannel{name: "mail:a", answer: func(attempt int) error {
			if attempt <= 3 {
				return errors.New("451 later")
			}
			return nil
		}}
		_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: f, Channels: []notify.Channel{ch}, Sources: listed(webShell())})
		defer stop()
		time.Sleep(10 * time.Minute)
		if _, since, _ := f.get("notify/mail:a"); !since.IsZero() {
			t.Errorf("a finding was raised for three grey-listed attempts")
		}
	})
}

func TestAStormIsToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &fakeChannel{name: "mail:a"}
		var many []notify.Notice
		for i := range 120 {
			many = append(many, numbered(i))
		}
		_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: newFindings(), Channels: []notify.Channel{ch}, Sources: listed(many...)})
		defer stop()
		time.Sleep(time.Minute)
		at, got := ch.seen()
		told := map[string]int{}
		for _, n := range slices.Concat(got...) {
			told[n.Key]++
		}
		if len(told) != 120 || len(at) > 5 {
			t.Errorf("%d messages for %d notices; want every notice in at most 5 messages", len(at), len(told))
		}
	})
}

func TestExpiredNoticeIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, box := newFindings(), &memory{}
		ch := &fakeChannel{name: "mail:a", answer: func(int) error { return errors.New("no route to host") }}
		_, stop := run(t, notify.Options{Outbox: box, Findings: f, Channels: []notify.Channel{ch}, Sources: listed(webShell())})
		defer stop()
		time.Sleep(25 * time.Hour)
		what, _, ok := f.get("notify/mail:a")
		if !ok || !strings.Contains(what.En, "given up") || !strings.Contains(what.Ja, "取りやめ") {
			t.Errorf("finding %+v, %v; want it to say that a notice was given up", what, ok)
		}
		at, _ := ch.seen()
		time.Sleep(time.Hour)
		if later, _ := ch.seen(); len(later) != len(at) {
			t.Errorf("an expired notice is still tried")
		}
	})
}

func TestFullOutboxIsAFindingAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFindings()
		var many []notify.Notice
		for i := range 1010 {
			many = append(many, numbered(i))
		}
		down := true
		ch := &fakeChannel{name: "mail:a", answer: func(int) error {
			if down {
				return errors.New("connection refused")
			}
			return nil
		}}
		_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: f, Channels: []notify.Channel{ch}, Sources: listed(many...)})
		defer stop()
		time.Sleep(10 * time.Second)
		if what, _, ok := f.get("notify/mail:a"); !ok || !strings.Contains(what.En, "1000 notices wait") {
			t.Errorf("finding %+v, %v; want it to say that the outbox is full", what, ok)
		}
		ch.mu.Lock()
		down = false
		ch.mu.Unlock()
		time.Sleep(time.Hour)
		told := map[string]bool{}
		_, got := ch.seen()
		for _, n := range slices.Concat(got...) {
			told[n.Key] = true
		}
		if len(told) != 1010 {
			t.Errorf("%d of 1010 notices told", len(told))
		}
		if _, _, still := f.get("notify/mail:a"); still {
			t.Errorf("the finding stands after everything was delivered")
		}
	})
}

// A notice about a silent channel goes to the others.
func TestAChannelIsNotAskedToCarryItsOwnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := webShell()
		n.Kind, n.Severity, n.Channel = notify.Silent, detection.Medium, "mail:a"
		n.Key = notify.SilentKey(notify.FindingClass, "mail:a", n.Time)
		a, b := &fakeChannel{name: "mail:a"}, &fakeChannel{name: "webhook:b"}
		_, stop := run(t, notify.Options{Outbox: &memory{}, Findings: newFindings(), Channels: []notify.Channel{a, b}, Sources: listed(n)})
		defer stop()
		time.Sleep(time.Minute)
		_, toA := a.seen()
		_, toB := b.seen()
		if len(toA) != 0 || len(toB) != 1 {
			t.Errorf("mail:a got %d, webhook:b got %d; want 0 and 1", len(toA), len(toB))
		}
	})
}

func TestDeadOutboxAndSourceAreFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFindings()
		broken := notify.SourceFunc(func(context.Context, time.Time) ([]notify.Notice, error) {
			return nil, errors.New("database is locked")
		})
		_, stop := run(t, notify.Options{
			Outbox: &memory{err: errors.New("disk full")}, Findings: f, Channels: []notify.Channel{&fakeChannel{name: "mail:a"}}, Sources: []notify.Source{broken},
		})
		defer stop()
		time.Sleep(time.Minute)
		if _, _, ok := f.get("notify/mail:a"); !ok {
			t.Errorf("no finding for an outbox that does not answer")
		}
		if _, _, ok := f.get("notify/source-1"); !ok {
			t.Errorf("no finding for a source that does not answer")
		}
	})
}

func TestTwoChannelsOfOneNameAreRefused(t *testing.T) {
	_, err := notify.New(notify.Options{Channels: []notify.Channel{&fakeChannel{name: "webhook:a"}, &fakeChannel{name: "webhook:a"}}})
	if err == nil {
		t.Errorf("New took two channels called webhook:a")
	}
}

// The whole way with nothing pretended: SQLite outbox, SMTP server process that goes down and comes
// back, server restarted in between.
func TestMailWaitsForItsServerAcrossARestart(t *testing.T) {
	smtp := startSMTP(t, smtpPlan{})
	down := fmt.Sprintf("%s:%d", smtp.Host, smtp.Port)
	ch := mailChannel(t, smtp, nil)
	smtp.stop()

	path := filepath.Join(t.TempDir(), "control.db")
	open := func() *controldb.DB {
		db, err := controldb.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	f, db := newFindings(), open()
	r, stop := run(t, notify.Options{Outbox: db, Findings: f, Channels: []notify.Channel{ch}})
	if err := r.Notify(t.Context(), webShell()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a failed attempt in the outbox", func() bool {
		due, err := db.DueDeliveries(t.Context(), ch.Name(), time.Now().Add(time.Hour), 10)
		return err == nil && len(due) == 1 && due[0].Attempts > 0 && strings.Contains(due[0].Error, "refused")
	})
	if got := r.Test(t.Context()); len(got) != 1 || got[0].Err == nil {
		t.Errorf("Test with the server down = %+v; want its error", got)
	}
	if _, _, ok := f.get("notify/" + ch.Name()); !ok {
		t.Errorf("a failed test is no finding")
	}
	stop()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	back := startSMTP(t, smtpPlan{Address: down})
	db = open()
	defer db.Close()
	_, stop = run(t, notify.Options{Outbox: db, Findings: f, Channels: []notify.Channel{ch}})
	defer stop()
	if _, subject, _ := readMail(t, back.next(t).Data); !strings.Contains(subject, "緊急") {
		t.Errorf("subject %q", subject)
	}
	waitFor(t, "the finding to go", func() bool { _, _, still := f.get("notify/" + ch.Name()); return !still })
	if _, pending, err := db.NextDelivery(t.Context(), ch.Name()); err != nil || pending {
		t.Errorf("something is still pending: %v, %v", pending, err)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
