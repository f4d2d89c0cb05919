package coverage

import (
	"context"
	"log/slog"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Fault is something that works no longer while its lights might stay green: a clock, an identity, the
// notification channel. It stands until it is cleared. What of the server itself fails is in package fault.
type Fault struct {
	Tenant   tenant.ID
	Host     event.HostID // zero: the server itself
	Kind     string       // clock-skew, clone, id-conflict, notify …: one of a kind stands for a host
	Class    string       // of mdr.md §12.1, see the constants
	Severity detection.Severity
	What     detection.Said
	Fix      detection.Said
	Since    int64
	Until    int64 // 0 while it stands
}

type faultKey struct {
	tenant tenant.ID
	host   event.HostID
	kind   string
}

func (f Fault) key() faultKey { return faultKey{f.Tenant, f.Host, f.Kind} }

// again is how soon a fault that ended and comes back is the same one: a host that flaps makes no row, and no message,
// for each time.
const again = 10 * time.Minute

// Report notes a fault. While one of its kind stands, a further report only renews the words.
func (c *Coverage) Report(ctx context.Context, f Fault) {
	if _, news := c.stand(f); !news {
		return
	}
	c.saving.Lock() // what is written last is what stands
	f, news := c.stand(f)
	if news {
		c.mu.Lock()
		c.faults[f.key()] = f
		delete(c.past, f.key())
		c.mu.Unlock()
		c.write(ctx, f)
	}
	c.saving.Unlock()
	if news {
		c.changed(f.Tenant, "home")
	}
}

// write keeps a fault, or its end. A caller that hangs up in that moment changes nothing of it, and what cannot be written
// is tried again each second: else a fault that is over would stand in the table for ever. saving is held.
func (c *Coverage) write(ctx context.Context, f Fault) {
	err := c.o.Store.SaveFault(context.WithoutCancel(ctx), f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if _, again := c.owed[f.key()]; !again {
			c.o.Log.ErrorContext(ctx, "fault not written, trying again", slog.String("kind", f.Kind), slog.Any("err", err))
		}
		c.owed[f.key()] = f
		return
	}
	delete(c.owed, f.key())
}

// stand dates a fault by one that stands or ended just now, and says whether it says anything new.
func (c *Coverage) stand(f Fault) (dated Fault, news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, stands := c.faults[f.key()]
	past := c.past[f.key()]
	switch {
	case stands:
		f.Since = old.Since
	case past.Since != 0 && now()-past.Until < again.Microseconds():
		f.Since = past.Since
	case f.Since == 0:
		f.Since = now()
	}
	return f, !stands || old != f
}

// Stands says whether a fault of a kind stands, and since when.
func (c *Coverage) Stands(t tenant.ID, h event.HostID, kind string) (since int64, stands bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, stands := c.faults[faultKey{t, h, kind}]
	return f.Since, stands
}

// Clear ends a fault; nothing happens when none stands.
func (c *Coverage) Clear(ctx context.Context, t tenant.ID, h event.HostID, kind string) {
	if _, stands := c.Stands(t, h, kind); !stands {
		return
	}
	key := faultKey{t, h, kind}
	c.saving.Lock()
	c.mu.Lock()
	f, stands := c.faults[key]
	if stands {
		f.Until = now()
		delete(c.faults, key)
		c.past[key] = f
	}
	c.mu.Unlock()
	if stands {
		c.write(ctx, f)
	}
	c.saving.Unlock()
	if stands {
		c.changed(f.Tenant, "home")
	}
}
