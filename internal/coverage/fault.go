package coverage

import (
	"context"
	"log/slog"

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

// Report notes a fault. While one of its kind stands, a further report only renews the words.
func (c *Coverage) Report(ctx context.Context, f Fault) {
	c.mu.Lock()
	old, stands := c.faults[f.key()]
	if f.Since == 0 {
		f.Since = now()
	}
	if stands {
		f.Since = old.Since
	}
	same := stands && old == f
	c.faults[f.key()] = f
	c.mu.Unlock()
	if same {
		return
	}
	if err := c.o.Store.SaveFault(ctx, f); err != nil {
		c.o.Log.ErrorContext(ctx, "fault not written; it stands in memory", slog.String("kind", f.Kind), slog.Any("err", err))
	}
	c.changed("home")
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
	c.mu.Lock()
	f, stands := c.faults[faultKey{t, h, kind}]
	delete(c.faults, faultKey{t, h, kind})
	c.mu.Unlock()
	if !stands {
		return
	}
	f.Until = now()
	if err := c.o.Store.SaveFault(ctx, f); err != nil {
		c.o.Log.ErrorContext(ctx, "end of a fault not written", slog.String("kind", f.Kind), slog.Any("err", err))
	}
	c.changed("home")
}
