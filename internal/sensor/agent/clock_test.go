package agent

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var (
	ours = tenant.ID{0: 1, 15: 0xaa}
	here = event.HostID{0: 2, 15: 1}
)

// room is a host with a clock of its own, a server, and an operator who signs by the server's clock.
type room struct {
	t       *testing.T
	began   time.Time
	true    time.Duration // since began
	off     time.Duration // of the host's clock
	clock   *clock
	chain   command.Chain
	key     ed25519.PrivateKey
	journal *journal
	file    string
}

func newRoom(t *testing.T, off time.Duration) *room {
	r := &room{t: t, began: time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC), off: off, file: filepath.Join(t.TempDir(), "clock")}
	_, authority, _ := ed25519.GenerateKey(nil)
	var public ed25519.PublicKey
	public, r.key, _ = ed25519.GenerateKey(nil)
	list, err := command.SignList(&command.Operators{Tenant: ours, Generation: 1, Issued: r.began.Add(-time.Hour), Expiry: r.began.Add(24 * time.Hour), HostCap: 1, Keys: []command.Key{
		{ID: command.KeyID(public), Algorithm: command.Ed25519, Public: public, Role: command.CLI, Person: "aki", Classes: []command.Class{command.C0, command.C1}, NotAfter: r.began.Add(24 * time.Hour)},
	}}, authority)
	if err != nil {
		t.Fatal(err)
	}
	r.chain = command.Chain{Tenant: ours, Authority: authority.Public().(ed25519.PublicKey)}
	if err := r.chain.Adopt(list); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

// start is a sensor that starts: what it knows is what is on disk.
func (r *room) start() {
	r.clock = openClock(r.file)
	r.clock.wall = func() time.Time { return r.now().Add(r.off) }
	r.clock.boot = func() time.Duration { return r.true }
	if !r.clock.memory.IsZero() {
		r.clock.at = r.true
	}
	var err error
	if r.journal, err = openJournal(filepath.Join(filepath.Dir(r.file), "journal"), r.clock.least); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) now() time.Time { return r.began.Add(r.true) }

func (r *room) sign(at time.Time) command.Signed {
	b, _ := command.EncodeArguments(command.ReleaseArguments{})
	c, err := command.New(ours, 1, 1, command.Release, b, at, command.Life, here)
	if err != nil {
		r.t.Fatal(err)
	}
	return command.Signed{Canonical: c.Canonical(), Arguments: b, Signatures: []command.Signature{command.Sign(c.Canonical(), r.key)}}
}

func (r *room) obey(s command.Signed) error {
	_, err := r.chain.Verify(r.t.Context(), r.clock.now(), here, r.journal, s)
	return err
}

func (r *room) hear(server time.Time) {
	if err := r.clock.set(server); err != nil {
		r.t.Fatal(err)
	}
}

// Of twelve orders four were refused because each was faster than the last word on the time had been; a host whose
// clock root had set ahead by eleven minutes could not be isolated at all.
func TestOrdersAreObeyedWhateverTheHostsClockSays(t *testing.T) {
	offsets := []time.Duration{11 * time.Minute, 2 * time.Hour, -3 * time.Hour, 400 * 24 * time.Hour, -20 * 365 * 24 * time.Hour}
	for ms := -3000; ms <= 3000; ms += 500 {
		offsets = append(offsets, time.Duration(ms)*time.Millisecond)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	way := func() time.Duration { return time.Duration(random.Int64N(int64(400 * time.Millisecond))) }
	for _, off := range offsets {
		t.Run(off.String(), func(t *testing.T) {
			r := newRoom(t, off)
			refused := 0
			for range 100 {
				said := r.now()
				r.true += way()
				r.hear(said)
				r.true += time.Duration(random.Int64N(int64(15 * time.Second)))
				s := r.sign(r.now())
				r.true += way() / 100
				if err := r.obey(s); err != nil {
					refused++
					t.Log(err)
				}
			}
			if refused > 0 {
				t.Errorf("%d of 100 refused", refused)
			}
		})
	}
}

// The clock may also be moved while the sensor runs, or while it does not.
func TestAClockThatIsMovedBetweenTwoOrdersChangesNothing(t *testing.T) {
	r := newRoom(t, 0)
	for _, off := range []time.Duration{0, 11 * time.Minute, 2 * time.Hour, -3 * time.Hour, 40 * 24 * time.Hour} {
		for _, restart := range []bool{false, true} {
			r.hear(r.now())
			r.off = off
			if restart {
				if err := errors.Join(r.clock.keep(), r.journal.close()); err != nil {
					t.Fatal(err)
				}
				r.true += time.Minute
				r.start()
			}
			r.hear(r.now())
			if err := r.obey(r.sign(r.now())); err != nil {
				t.Errorf("moved by %s, restart %v: %v", off, restart, err)
			}
		}
	}
}

// An order acts once: whoever sends it again, after a restart and with the clocks moved, is refused. What ended stays
// ended for a server that lies about the time.
func TestNoLieAboutTheTimeBringsAnOrderBack(t *testing.T) {
	r := newRoom(t, 0)
	r.hear(r.now())
	taken, kept := r.sign(r.now()), r.sign(r.now()) // the second never arrives
	if err := r.obey(taken); err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{0, -5 * time.Minute, 2 * time.Hour, 40 * 24 * time.Hour} {
		if err := r.journal.close(); err != nil {
			t.Fatal(err)
		}
		r.off = off
		r.start()
		r.hear(r.now())
		if err := r.obey(taken); !errors.Is(err, command.Replayed) {
			t.Errorf("sent again after a restart, the host's clock moved by %s: %v", off, err)
		}
	}
	r.off = 0
	signed := r.now()
	for range 60 {
		r.true += time.Minute
		r.hear(r.now())
	}
	for _, restart := range []bool{false, true} {
		if restart {
			if err := errors.Join(r.clock.keep(), r.journal.close()); err != nil {
				t.Fatal(err)
			}
			r.start()
		}
		r.hear(signed.Add(time.Second)) // the stolen server
		if err := r.obey(kept); !errors.Is(err, command.Expired) {
			t.Errorf("restart %v: an order that had ended: %v", restart, err)
		}
		if d := r.clock.doubt(); !strings.Contains(d, "the clocks differ") || !strings.Contains(d, fmt.Sprintf("this host %s", r.now().Format(time.RFC3339))) {
			t.Errorf("the refusal does not say why: %q", d)
		}
	}
	r.hear(r.now().AddDate(10, 0, 0)) // one that lies ahead poisons no memory for good
	r.hear(r.now())
	if err := r.obey(r.sign(r.now())); err != nil {
		t.Errorf("after the server's clock was mended: %v", err)
	}
	if d := r.clock.doubt(); d != "" {
		t.Errorf("doubt stays: %s", d)
	}
}
