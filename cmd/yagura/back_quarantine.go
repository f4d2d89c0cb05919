package main

import (
	"context"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/eventstore"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Quarantine lists accepted events that the store could not write.
func (b *overviewBack) Quarantine(_ context.Context, t tenant.ID) (*consolev1.Quarantine, error) {
	kept, err := b.store.Detained(t)
	if err != nil {
		return nil, err
	}
	m := &consolev1.Quarantine{}
	for _, k := range kept {
		m.Items = append(m.Items, b.keptItem(t, k))
	}
	return m, nil
}

func (b *overviewBack) keptItem(t tenant.ID, k eventstore.Detained) *consolev1.QuarantineItem {
	x := &consolev1.QuarantineItem{Id: k.ID, Time: k.At.UnixMicro(), Events: k.Events, Bytes: k.Bytes, Damaged: k.Damaged}
	keptFor(x, k.Reason)
	for _, h := range k.Hosts {
		name := h.String()
		if known, ok := b.fleet.Host(t, h); ok {
			name = known.Name
		}
		x.Hosts = append(x.Hosts, name)
	}
	return x
}

// keptFor says why in both languages.
func keptFor(x *consolev1.QuarantineItem, reason string) {
	x.Reason = event.Text(reason)
	x.Why = said(say.One(x.Reason))
}

// Retry tries to store one thing that lies there, or all that can be read.
func (b *overviewBack) Retry(ctx context.Context, t tenant.ID, id string) (*consolev1.Quarantine, error) {
	kept, err := b.store.Detained(t)
	if err != nil {
		return nil, err
	}
	m := &consolev1.Quarantine{}
	found := false
	for _, k := range kept {
		if id != "" && k.ID != id || id == "" && k.Damaged {
			continue
		}
		found = true
		stored, err := b.store.Retry(ctx, t, k.ID)
		for _, q := range stored {
			m.Stored += int64(q.Range.Last - q.Range.First + 1)
			b.coverage.Returned(ctx, t, event.ID{Host: q.Host, Stream: q.Stream, Lane: q.Lane, Seq: q.Range.First}, time.Now().UnixMicro())
		}
		if err != nil {
			x := b.keptItem(t, k)
			keptFor(x, err.Error())
			m.Failed = append(m.Failed, x)
		}
	}
	if id != "" && !found {
		return nil, eventstore.ErrNotKept
	}
	left, err := b.Quarantine(ctx, t)
	if err != nil {
		return nil, err
	}
	m.Items = left.Items
	return m, nil
}
