package console

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/tenant"
)

// A page hears of the lists of its own tenant, and of no other's.
func TestAPageHearsOfItsOwnTenantOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := tenant.ID(uuid.Must(uuid.NewV7())), tenant.ID(uuid.Must(uuid.NewV7()))
		h := NewHub()
		ctx, cancel := context.WithCancel(t.Context())
		var heard []string
		done := make(chan error, 1)
		go func() {
			done <- h.watch(ctx, mine, func(names []string) error { heard = append(heard, names...); return nil })
		}()
		synctest.Wait()
		h.Changed(theirs, ChangedIncidents)
		h.Changed(tenant.ID{}, ChangedHosts)
		h.Changed(mine, ChangedHome)
		time.Sleep(time.Second)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("watch = %v", err)
		}
		if !slices.Equal(heard, []string{ChangedHome}) {
			t.Errorf("heard %v; want its own home only", heard)
		}
	})
}
