package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

func TestWhatAHostSaysAtHelloIsKnownAtOnceAndAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), nil)
		ten := newTenant()
		h, cert := s.enrol(ten, "web")
		id, err := s.Identify(calls(t, cert))
		check(t, err)
		many := [][]byte{{192, 0, 2, 1}, []byte("no address"), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2}}
		for i := range 40 {
			many = append(many, []byte{10, 0, 0, byte(i)})
		}
		was := s.Arrive(id, fleet.Greeting{Hostname: []byte("web\xff"), OS: "linux", Kernel: "6.1", Version: "2", BootID: []byte{1, 2}, Addresses: many, ClockSkew: -5})
		if was.Name != "web" || was.Boot != "" {
			t.Errorf("Arrive gave %+v; want what was known before", was)
		}
		s.Reported(h.ID, 7, 1<<64-1, 9)
		now, _ := s.Host(ten, h.ID)
		if now.Name != event.Text("web\xff") || now.Version != "2" || now.Boot != "0102" || now.ClockSkew != 7 || now.LastSeen == 0 {
			t.Errorf("after Hello: %+v", now)
		}
		if a := now.Addresses; len(a) != 31 || a[0] != "192.0.2.1" || a[1] != "192.0.2.2" {
			t.Errorf("%d addresses %v; want the readable ones of the first 32", len(a), a)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(6 * time.Second)
		if all, err := s.db.Fleet().Hosts(t.Context()); err != nil || all[0].Name != now.Name {
			t.Errorf("six seconds later the database has %+v, %v", all, err)
		}
		s.Doubled(h.ID) // just before the end
		cancel()
		check(t, <-done)
		s = s.again()
		kept, ok := s.Host(ten, h.ID)
		if !ok || kept.Twice == 0 || kept.SpoolEvents != 1<<64-1 || fmt.Sprint(kept.Addresses) != fmt.Sprint(now.Addresses) {
			t.Errorf("after a restart: %+v", kept)
		}
	})
}

// failing is a store that cannot write hosts while broken.
type failing struct {
	fleet.Store
	broken atomic.Bool
	saves  atomic.Int32
}

func (f *failing) SaveHosts(ctx context.Context, hosts []fleet.Host) error {
	f.saves.Add(1)
	if f.broken.Load() {
		return errors.New("disk full")
	}
	return f.Store.SaveHosts(ctx, hosts)
}

func TestAHostThatCouldNotBeSavedIsSavedLaterAndAQuietOneNotAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{}
		f.broken.Store(true)
		s := open(t, t.TempDir(), func(o *fleet.Options) { f.Store, o.Store = o.Store, f })
		h, _ := s.enrol(newTenant(), "web")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		s.Seen(h.ID)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		f.broken.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		all, err := f.Hosts(t.Context())
		if err != nil || all[0].LastSeen == 0 || f.saves.Load() != 2 {
			t.Errorf("after the disk came back: last seen %d, %v, %d saves; want it saved by the second", all[0].LastSeen, err, f.saves.Load())
		}
		time.Sleep(time.Minute)
		cancel()
		check(t, <-done)
		if f.saves.Load() != 2 {
			t.Errorf("%d saves of one change; want 2", f.saves.Load())
		}
	})
}

func TestHostsAreListedByNameToTheirTenantOnlyAndStrangersChangeNothing(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	ten := newTenant()
	var first event.HostID
	for _, name := range []string{"b", "a", "c"} {
		h, _ := s.enrol(ten, name)
		first = h.ID
	}
	s.enrol(newTenant(), "aa")
	names := ""
	for _, h := range s.Hosts(ten) {
		names += h.Name
	}
	if names != "abc" {
		t.Errorf("hosts %q; want abc", names)
	}
	if got := s.Hosts(newTenant()); got == nil || len(got) != 0 {
		t.Errorf("hosts of a tenant without any = %v; want an empty list", got)
	}
	if _, ok := s.Host(newTenant(), first); ok || s.Active(newTenant(), first) || !s.Active(ten, first) {
		t.Error("another tenant has the host")
	}
	stranger := event.HostID(newTenant())
	s.Seen(stranger)
	s.Doubled(stranger)
	s.Reported(stranger, 1, 1, 1)
	if was := s.Arrive(fleet.Identity{Tenant: ten, Host: stranger}, fleet.Greeting{Hostname: []byte("x")}); was.ID != (event.HostID{}) {
		t.Errorf("Arrive of a stranger = %+v", was)
	}
	if len(s.Hosts(ten)) != 3 {
		t.Error("a stranger became a host")
	}
}

func TestTheClockOfABootIsKeptForItsHost(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	_, cert := s.enrol(newTenant(), "web")
	_, other := s.enrol(newTenant(), "db")
	id, err := s.Identify(calls(t, cert))
	check(t, err)
	check(t, s.SaveBoot(t.Context(), id, fleet.Boot{ID: "aa", Offset: 5, Seen: 1}))
	check(t, s.SaveBoot(t.Context(), id, fleet.Boot{ID: "bb", Offset: 6, Seen: 2}))
	s = s.again()
	got, err := s.Boots(t.Context(), id)
	if err != nil || len(got) != 2 || got[0].ID != "bb" || got[0].Offset != 6 {
		t.Errorf("Boots = %+v, %v; want bb, aa", got, err)
	}
	foreign, err := s.Identify(calls(t, other))
	check(t, err)
	if got, err := s.Boots(t.Context(), foreign); err != nil || len(got) != 0 {
		t.Errorf("another host reads %+v, %v", got, err)
	}
}
