package fleet

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// maxAddresses of one host are kept.
const maxAddresses = 32

// Greeting is what a host says of itself at Hello.
type Greeting struct {
	Hostname  []byte
	OS        string
	Kernel    string
	Version   string
	BootID    []byte
	Addresses [][]byte
	ClockSkew int64 // µs, host minus server
}

// Arrive notes a Hello and gives what was known of the host before.
func (f *Fleet) Arrive(id Identity, g Greeting) (was Host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.hosts[id.Host]
	if m == nil {
		return Host{}
	}
	was = m.Host
	m.Boot = hex.EncodeToString(g.BootID)
	m.Name = event.Cut(event.Text(string(g.Hostname)), maxName)
	m.OS = event.Cut(event.Text(g.OS), 32)
	m.Kernel = event.Cut(event.Text(g.Kernel), 128)
	m.Version = event.Cut(event.Text(g.Version), 64)
	m.ClockSkew = g.ClockSkew
	m.Addresses = nil
	for _, a := range g.Addresses[:min(len(g.Addresses), maxAddresses)] {
		if addr, ok := netip.AddrFromSlice(a); ok {
			m.Addresses = append(m.Addresses, addr.Unmap().String())
		}
	}
	m.LastSeen = now()
	m.dirty = true
	return was
}

// Doubled notes that two machines were just seen to use a host's identity; it outlives a restart of the server. Single
// ends that.
func (f *Fleet) Doubled(h event.HostID) { f.setTwice(h, now()) }

// Single notes that one machine alone has used the identity for long enough.
func (f *Fleet) Single(h event.HostID) { f.setTwice(h, 0) }

func (f *Fleet) setTwice(h event.HostID, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.hosts[h]; m != nil {
		m.Twice, m.dirty = at, true
	}
}

// Namesake gives another host of the tenant that is not revoked and has the same name, if there is one.
func (f *Fleet) Namesake(h Host) (Host, bool) {
	return f.other(h, func(o *Host) bool { return o.Name == h.Name })
}

// Twin gives another host that has the same machine id and was heard within the span, if there is one.
func (f *Fleet) Twin(h Host, within time.Duration) (Host, bool) {
	return f.other(h, func(o *Host) bool {
		return h.Machine != "" && o.Machine == h.Machine && now()-o.LastSeen < within.Microseconds()
	})
}

func (f *Fleet) other(h Host, fits func(*Host) bool) (Host, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.hosts {
		if m.Tenant == h.Tenant && m.ID != h.ID && m.Revoked == 0 && fits(&m.Host) {
			return m.Host, true
		}
	}
	return Host{}, false
}

// Seen notes any sign of life.
func (f *Fleet) Seen(h event.HostID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.hosts[h]; m != nil {
		m.LastSeen, m.dirty = now(), true
	}
}

// Reported notes what a heartbeat said.
func (f *Fleet) Reported(h event.HostID, skew int64, spoolEvents, spoolBytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.hosts[h]; m != nil {
		m.LastSeen, m.dirty = now(), true
		m.ClockSkew, m.SpoolEvents, m.SpoolBytes = skew, spoolEvents, spoolBytes
	}
}

// SaveBoot keeps the clock of a boot, for batches of it that a spool still holds after a reboot.
func (f *Fleet) SaveBoot(ctx context.Context, id Identity, b Boot) error {
	if err := f.store.SaveBoot(ctx, id.Tenant, id.Host, b); err != nil {
		return fmt.Errorf("keep boot of %s: %w", id.Host, err)
	}
	return nil
}

// Boots gives the clocks of a host's boots, newest first.
func (f *Fleet) Boots(ctx context.Context, id Identity) ([]Boot, error) {
	b, err := f.store.Boots(ctx, id.Tenant, id.Host)
	if err != nil {
		return nil, fmt.Errorf("read boots of %s: %w", id.Host, err)
	}
	return b, nil
}

// Hosts lists the hosts of a tenant, by name.
func (f *Fleet) Hosts(t tenant.ID) []Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []Host{}
	for _, m := range f.hosts {
		if m.Tenant == t {
			out = append(out, m.Host)
		}
	}
	slices.SortFunc(out, func(a, b Host) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID.String(), b.ID.String())
	})
	return out
}

// Host gives one host of a tenant.
func (f *Fleet) Host(t tenant.ID, h event.HostID) (Host, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.hosts[h]; m != nil && m.Tenant == t {
		return m.Host, true
	}
	return Host{}, false
}

// Revoke takes a host's identity away: refused from the next call on, and its open streams are cut now.
func (f *Fleet) Revoke(ctx context.Context, t tenant.ID, h event.HostID) (Host, error) {
	if _, ok := f.Host(t, h); !ok {
		return Host{}, fmt.Errorf("%w (%s)", ErrUnknownHost, h)
	}
	at := now()
	if err := f.store.RevokeHost(ctx, t, h, at); err != nil {
		return Host{}, fmt.Errorf("revoke %s: %w", h, err)
	}
	f.mu.Lock()
	m := f.hosts[h]
	if m.Revoked == 0 {
		m.Revoked = at
		close(m.cut)
	}
	out := m.Host
	f.mu.Unlock()
	f.log.WarnContext(ctx, "host revoked", slog.Any("tenant", t), slog.Any("host", h))
	return out, nil
}

// Active says whether a host belongs to the tenant and is not revoked.
func (f *Fleet) Active(t tenant.ID, h event.HostID) bool {
	x, ok := f.Host(t, h)
	return ok && x.Revoked == 0
}
