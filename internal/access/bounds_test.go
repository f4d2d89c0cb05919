package access

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// memory takes what opening a session writes.
type memory struct {
	Store
	rows []Entry
}

func (*memory) PutDevice(context.Context, Device, int) error { return nil }

func (m *memory) AppendAudit(_ context.Context, e Entry) error {
	m.rows = append(m.rows, e)
	return nil
}

func openDesk(t *testing.T) (*Desk, *memory, *time.Time) {
	t.Helper()
	m, at := &memory{}, time.Unix(1_795_000_000, 0)
	d, err := New(tenant.ID{1}, m, Key{}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return d, m, &at
}

func TestOfTooManySessionsTheLongestUnusedEnds(t *testing.T) {
	d, _, at := openDesk(t)
	var all []Opened
	for range maxSessions {
		o, err := d.open(t.Context(), User{Name: "y.sato"}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
		*at = at.Add(time.Millisecond)
	}
	if _, err := d.Session(all[0].Token); err != nil { // used: the second is the longest unused one now
		t.Fatal(err)
	}
	if _, err := d.open(t.Context(), User{Name: "y.sato"}, "", ""); err != nil {
		t.Fatal(err)
	}
	if !d.Alive(all[0].Session) || d.Alive(all[1].Session) || !d.Alive(all[2].Session) || len(d.sessions) != maxSessions {
		t.Errorf("alive: %v %v %v of %d; want the second gone", d.Alive(all[0].Session), d.Alive(all[1].Session), d.Alive(all[2].Session), len(d.sessions))
	}
}

func TestSessionsThatAreOverMakeRoomFirst(t *testing.T) {
	d, _, at := openDesk(t)
	for range 10 {
		if _, err := d.open(t.Context(), User{}, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	*at = at.Add(SessionIdle)
	if _, err := d.open(t.Context(), User{}, "", ""); err != nil || len(d.sessions) != 1 {
		t.Errorf("%d sessions are kept, %v; want the new one alone", len(d.sessions), err)
	}
}

func TestWhatTheAuditKeepsIsBounded(t *testing.T) {
	d, m, _ := openDesk(t)
	long := strings.Repeat("櫓", 5000)
	if err := d.Note(t.Context(), long, long, long, long, long); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{m.rows[0].Actor, m.rows[0].Verb, m.rows[0].Target, m.rows[0].Detail, m.rows[0].Peer} {
		if len(text) > maxAuditText || !strings.HasPrefix(long, text) {
			t.Errorf("the audit holds %d bytes; want the beginning, at most %d", len(text), maxAuditText)
		}
	}
}

func TestWrongGuessesAreRememberedWithinABoundAndComeBackOneByOne(t *testing.T) {
	s, now := newSlowness(), time.Unix(1_795_000_000, 0)
	for i := range 3 * maxSlowed {
		if _, ok := s.take(strconv.Itoa(i), false, now); !ok {
			t.Fatalf("the first guess of name %d was refused", i)
		}
	}
	if len(s.nobody) > maxSlowed || len(s.known) != 0 {
		t.Errorf("%d names that nobody has and %d that exist are remembered; want at most %d and none", len(s.nobody), len(s.known), maxSlowed)
	}
	for range GuessLimit {
		if _, ok := s.take("name", true, now); !ok {
			t.Fatal("a guess within the limit was refused")
		}
	}
	next, ok := s.take("name", true, now)
	if ok || next.Sub(now) != GuessEvery {
		t.Errorf("a guess over the limit: %v, the next in %s; want it refused and one in %s", ok, next.Sub(now), GuessEvery)
	}
	if _, ok := s.take("name", true, next); !ok {
		t.Error("the guess that came back was refused")
	}
	if _, ok := s.take("name", true, next); ok {
		t.Error("two came back at once")
	}
	s.forget("name")
	if _, ok := s.take("name", true, next); !ok {
		t.Error("after a right sign-in guesses are still held back")
	}
}

func TestASealedSecretOpensForItsOwnerUnderItsKeyOnly(t *testing.T) {
	k := Key{1}
	sealed, err := k.seal("secret", "u-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.open(sealed, "u-1"); err != nil || got != "secret" {
		t.Errorf("open = %q, %v", got, err)
	}
	again, err := k.seal("secret", "u-1")
	if err != nil || string(again) == string(sealed) {
		t.Errorf("the same secret sealed twice looks the same, %v", err)
	}
	broken := append([]byte{}, sealed...)
	broken[len(broken)-1] ^= 1
	for what, try := range map[string]struct {
		k     Key
		of    []byte
		owner string
	}{"for another owner": {k, sealed, "u-2"}, "under another key": {Key{2}, sealed, "u-1"}, "changed": {k, broken, "u-1"}, "cut": {k, sealed[:5], "u-1"}, "empty": {k, nil, "u-1"}} {
		if got, err := try.k.open(try.of, try.owner); err == nil {
			t.Errorf("open %s = %q; want an error", what, got)
		}
	}
	if text := fmt.Sprintf("%v %s", k, k); strings.Contains(text, "1") {
		t.Errorf("a key prints as %q", text)
	}
}
