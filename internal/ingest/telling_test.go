package ingest_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/ingest"
)

// blocked is the real table; a fault of one kind is written when its gate opens.
type blocked struct {
	coverage.Store
	kind          string
	writing, gate chan struct{}
}

func (b *blocked) SaveFault(ctx context.Context, f coverage.Fault) error {
	if f.Kind == b.kind {
		close(b.writing)
		<-b.gate
	}
	return b.Store.SaveFault(ctx, f)
}

// The alarm of a copied identity had stood its ten minutes and was being ended when the copy was seen again: the end
// was told last, and no word of the copy brought the alarm back.
func TestTheEndOfAnAlarmDoesNotLieOverANewOne(t *testing.T) {
	ctx, s := t.Context(), start(t)
	id := fleet.Identity{Tenant: s.tenant, Host: s.enrol(t).host}
	store := &blocked{Store: s.db.Coverage(), kind: "numbers", writing: make(chan struct{}), gate: make(chan struct{})}
	c, err := coverage.New(ctx, coverage.Options{Store: store, SecretFile: filepath.Join(s.dir, "canary.key")})
	if err != nil {
		t.Fatal(err)
	}
	m := ingest.NewMeeting(s.fleet, c, id)
	m.Doubled(ctx)
	m.Pass()

	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { m.Disk(ctx) }) // the table is busy
	<-store.writing
	all.Go(func() { m.One(ctx) })
	for h, _ := s.fleet.Host(id.Tenant, id.Host); h.Twice != 0; h, _ = s.fleet.Host(id.Tenant, id.Host) {
		time.Sleep(time.Millisecond)
	}
	all.Go(func() { m.Doubled(ctx) })
	time.Sleep(200 * time.Millisecond)
	close(store.gate)
	all.Wait()
	if h, _ := s.fleet.Host(id.Tenant, id.Host); h.Twice == 0 {
		t.Error("who gives an order is not warned")
	}
	if _, stands := c.Stands(id.Tenant, id.Host, "clone"); !stands {
		t.Error("two use the identity, and no alarm stands")
	}
}
