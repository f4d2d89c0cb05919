package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var atMoment = time.UnixMicro(1_795_000_001_000_001)

func delivery(t tenant.ID, channel, key string) notify.Delivery {
	return notify.Delivery{Channel: channel, Created: atMoment, Due: atMoment, Notice: notify.Notice{
		Key: key, Tenant: t, Kind: notify.Incident, Severity: detection.High, Title: detection.Said{En: hostile, Ja: "あ"},
		Summary: detection.Said{En: "s", Ja: "概"}, Todo: detection.Said{En: "t", Ja: "対"}, Hosts: []string{hostile}, Credits: []string{"r"},
		Act:  notify.Act{Host: "web", Addresses: []string{"192.0.2.7"}, PID: 7, CommandLine: hostile, Key: "h-1/p-1"},
		Link: "/incidents/i-1", Time: time.UnixMicro(1_795_000_000_000_001),
	}}
}

func outbox(c subject) {
	due := func(t *testing.T, s Stores, channel string, now time.Time, limit int) []notify.Delivery {
		t.Helper()
		return must[[]notify.Delivery](t)(s.Outbox.DueDeliveries(t.Context(), channel, now, limit))
	}
	put := func(t *testing.T, s Stores, d notify.Delivery) bool {
		t.Helper()
		return must[bool](t)(s.Outbox.PutDelivery(t.Context(), d, 100))
	}
	c.that("a delivery waits as it was put until it is settled, across a reopening", func(t *testing.T, s Stores) {
		d := delivery(newTenant(), "mail:a@example.test", "incident/1")
		same(t, "added", put(t, s, d), true)
		d.Attempts, d.Due, d.Error = 1, atMoment.Add(5*time.Second), "451 "+hostile
		check(t, s.Outbox.SettleDelivery(t.Context(), d, notify.Pending))
		s = s.reopened(t)
		same(t, "due before its time", len(due(t, s, d.Channel, d.Due.Add(-time.Microsecond), 10)), 0)
		same(t, "due", due(t, s, d.Channel, d.Due, 10), []notify.Delivery{d})
		check(t, s.Outbox.SettleDelivery(t.Context(), d, notify.Sent))
		same(t, "due once it is sent", len(due(t, s, d.Channel, d.Due, 10)), 0)
	})
	c.that("the same key is told once: to each channel, in each tenant, whatever became of it", func(t *testing.T, s Stores) {
		d := delivery(newTenant(), "mail:a", "k")
		theirs, other := delivery(newTenant(), "mail:a", "k"), delivery(d.Notice.Tenant, "webhook:b", "k")
		for i, want := range []bool{true, false} {
			for _, x := range []notify.Delivery{d, theirs, other} {
				same(t, fmt.Sprintf("added, time %d", i+1), put(t, s, x), want)
			}
			check(t, s.Outbox.SettleDelivery(t.Context(), d, notify.Sent))
			check(t, s.Outbox.SettleDelivery(t.Context(), theirs, notify.Expired))
		}
	})
	c.that("settling one tenant's delivery leaves another's", func(t *testing.T, s Stores) {
		mine, theirs := delivery(newTenant(), "mail:a", "k"), delivery(newTenant(), "mail:a", "k")
		put(t, s, mine)
		put(t, s, theirs)
		check(t, s.Outbox.SettleDelivery(t.Context(), mine, notify.Sent))
		same(t, "due", due(t, s, "mail:a", atMoment, 10), []notify.Delivery{theirs})
	})
	c.that("of many who put one delivery at once one adds it", func(t *testing.T, s Stores) {
		d := delivery(newTenant(), "mail:a", "k")
		same(t, "added", atOnce(t, 8, func(int) (bool, error) { return s.Outbox.PutDelivery(t.Context(), d, 100) }), 1)
	})
	c.that("a channel holds so many that wait, and one that is there already is no error", func(t *testing.T, s Stores) {
		a := newTenant()
		for i := range 3 {
			must[bool](t)(s.Outbox.PutDelivery(t.Context(), delivery(a, "mail:a", fmt.Sprint(i)), 3))
		}
		if _, err := s.Outbox.PutDelivery(t.Context(), delivery(a, "mail:a", "3"), 3); !errors.Is(err, notify.ErrFull) {
			t.Errorf("a fourth of three = %v; want ErrFull", err)
		}
		same(t, "added again", must[bool](t)(s.Outbox.PutDelivery(t.Context(), delivery(a, "mail:a", "0"), 3)), false)
		same(t, "added to another channel", must[bool](t)(s.Outbox.PutDelivery(t.Context(), delivery(a, "webhook:b", "3"), 3)), true)
		check(t, s.Outbox.SettleDelivery(t.Context(), delivery(a, "mail:a", "1"), notify.Sent))
		same(t, "added where one went", must[bool](t)(s.Outbox.PutDelivery(t.Context(), delivery(a, "mail:a", "3"), 3)), true)
	})
	c.that("what is due comes oldest first and bounded", func(t *testing.T, s Stores) {
		a := newTenant()
		for _, i := range []int{2, 0, 1} {
			d := delivery(a, "mail:a", fmt.Sprint(i))
			d.Created = atMoment.Add(time.Duration(i) * time.Second)
			put(t, s, d)
		}
		got := due(t, s, "mail:a", atMoment, 2)
		if len(got) != 2 || got[0].Notice.Key != "0" || got[1].Notice.Key != "1" {
			t.Errorf("the two oldest = %+v", got)
		}
	})
	c.that("the next due time of a channel is known, and that there is none", func(t *testing.T, s Stores) {
		d := delivery(newTenant(), "mail:a", "k")
		put(t, s, d)
		if at, ok, err := s.Outbox.NextDelivery(t.Context(), "mail:a"); err != nil || !ok || !at.Equal(d.Due) {
			t.Errorf("NextDelivery = %v, %v, %v; want %v", at, ok, err, d.Due)
		}
		check(t, s.Outbox.SettleDelivery(t.Context(), d, notify.Sent))
		for _, channel := range []string{"mail:a", "webhook:none"} {
			if _, ok, err := s.Outbox.NextDelivery(t.Context(), channel); err != nil || ok {
				t.Errorf("NextDelivery(%s) = %v, %v; want none", channel, ok, err)
			}
		}
	})
	c.that("old deliveries that are settled are forgotten, those that wait never", func(t *testing.T, s Stores) {
		sent, waits, young := delivery(newTenant(), "mail:a", "sent"), delivery(newTenant(), "mail:a", "waits"), delivery(newTenant(), "mail:a", "young")
		young.Created = atMoment.Add(time.Hour)
		for _, d := range []notify.Delivery{sent, waits, young} {
			put(t, s, d)
		}
		check(t, s.Outbox.SettleDelivery(t.Context(), sent, notify.Sent))
		check(t, s.Outbox.SettleDelivery(t.Context(), young, notify.Sent))
		check(t, s.Outbox.ForgetDeliveries(t.Context(), young.Created))
		for d, want := range map[*notify.Delivery]bool{&sent: true, &waits: false, &young: false} {
			same(t, "new again: "+d.Notice.Key, put(t, s, *d), want)
		}
	})
	c.that("a delivery without tenant, key or channel is refused", func(t *testing.T, s Stores) {
		for _, d := range []notify.Delivery{delivery(tenant.ID{}, "mail:a", "k"), delivery(newTenant(), "", "k"), delivery(newTenant(), "mail:a", "")} {
			if added, err := s.Outbox.PutDelivery(t.Context(), d, 3); err == nil || added {
				t.Errorf("PutDelivery of %q to %q for %s = %v, %v; want an error", d.Notice.Key, d.Channel, d.Notice.Tenant, added, err)
			}
		}
	})
}

func quarantine(c subject) {
	c.that("a quarantined batch is listed with any words, any stream and any numbers, once", func(t *testing.T, s Stores) {
		q := ingest.Quarantined{Tenant: newTenant(), Host: newHost(), ID: "q-1", Stream: huge, Lane: event.Bulk, First: huge, Events: huge, Lost: huge, Received: 1, Reason: hostile, File: "q-1"}
		check(t, s.Quarantine.SaveQuarantine(t.Context(), q))
		if err := s.Quarantine.SaveQuarantine(t.Context(), q); err == nil {
			t.Error("one id was taken for two batches")
		}
		theirs := q
		theirs.Tenant = newTenant()
		check(t, s.Quarantine.SaveQuarantine(t.Context(), theirs))
	})
}
