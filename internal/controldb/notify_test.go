package controldb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/notify"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func notice(t *testing.T, id tenant.ID, key string) notify.Notice {
	t.Helper()
	return notify.Notice{
		Key: key, Tenant: id, Kind: notify.Incident, Severity: detection.High, Title: detection.Said{En: "a", Ja: "あ"},
		Summary: detection.Said{En: "s", Ja: "概"}, Todo: detection.Said{En: "t", Ja: "対"}, Hosts: []string{"web\U0010FEFF"}, Credits: []string{"r"}, Act: notify.Act{Host: "web", Addresses: []string{"192.0.2.7"}, PID: 7, CommandLine: "sh -c \U0010FEFF", Key: "h-1/p-1"},
		Link: "/incidents/i-1", Time: time.UnixMicro(1_795_000_000_000_001),
	}
}

func TestOutboxKeepsADeliveryUntilItIsSettled(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "control.db")
	db, err := controldb.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	main, other := tenant.ID(uuid.Must(uuid.NewV7())), tenant.ID(uuid.Must(uuid.NewV7()))
	at := time.UnixMicro(1_795_000_001_000_000)
	first := notify.Delivery{Notice: notice(t, main, "incident/1"), Channel: "mail:a@example.test", Created: at, Due: at}
	for i, want := range []bool{true, false, false} {
		if added, err := db.PutDelivery(ctx, first, 10); err != nil || added != want {
			t.Errorf("put %d of the same delivery = %v, %v; want %v", i+1, added, err, want)
		}
	}
	foreign := first
	foreign.Notice.Tenant = other
	if added, err := db.PutDelivery(ctx, foreign, 10); err != nil || !added {
		t.Errorf("the same key of another tenant = %v, %v; want its own row", added, err)
	}
	if due, err := db.DueDeliveries(ctx, first.Channel, at.Add(-time.Microsecond), 10); err != nil || len(due) != 0 {
		t.Errorf("due before its time: %v, %v", due, err)
	}

	first.Attempts, first.Due, first.Error = 1, at.Add(5*time.Second), "451 later"
	if err := db.SettleDelivery(ctx, first, notify.Pending); err != nil {
		t.Fatal(err)
	}
	if err := db.SettleDelivery(ctx, foreign, notify.Sent); err != nil {
		t.Fatal(err)
	}
	// A restart is the moment that the outbox is for.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = controldb.Open(ctx, path); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	due, err := db.DueDeliveries(ctx, first.Channel, at.Add(time.Minute), 10)
	if err != nil || len(due) != 1 || !reflect.DeepEqual(due[0], first) {
		t.Errorf("after a restart due = %+v, %v; want %+v", due, err, first)
	}
	if next, ok, err := db.NextDelivery(ctx, first.Channel); err != nil || !ok || !next.Equal(first.Due) {
		t.Errorf("next = %v, %v, %v; want %v", next, ok, err, first.Due)
	}
	if _, ok, err := db.NextDelivery(ctx, "webhook:none"); err != nil || ok {
		t.Errorf("next of a channel without deliveries: %v, %v", ok, err)
	}
	if err := db.ForgetDeliveries(ctx, at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if added, err := db.PutDelivery(ctx, foreign, 10); err != nil || !added {
		t.Errorf("a forgotten delivery = %v, %v; want it to be new again", added, err)
	}
	if added, err := db.PutDelivery(ctx, first, 10); err != nil || added {
		t.Errorf("a pending delivery was forgotten: %v, %v", added, err)
	}
}

func TestOutboxIsBoundedPerChannel(t *testing.T) {
	ctx := t.Context()
	db, err := controldb.Open(ctx, filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id := tenant.ID(uuid.Must(uuid.NewV7()))
	at := time.UnixMicro(1)
	put := func(channel string, i int) (bool, error) {
		return db.PutDelivery(ctx, notify.Delivery{Notice: notice(t, id, fmt.Sprintf("k/%d", i)), Channel: channel, Created: at, Due: at}, 3)
	}
	for i := range 3 {
		if _, err := put("mail:a", i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put("mail:a", 3); !errors.Is(err, notify.ErrFull) {
		t.Errorf("a fourth of three: %v; want %v", err, notify.ErrFull)
	}
	if added, err := put("mail:a", 0); err != nil || added {
		t.Errorf("one that is there already, in a full outbox: %v, %v; want no error", added, err)
	}
	if added, err := put("webhook:b", 3); err != nil || !added {
		t.Errorf("another channel: %v, %v; want it taken", added, err)
	}
	if _, err := db.PutDelivery(ctx, notify.Delivery{Notice: notify.Notice{Key: "k"}, Channel: "mail:a"}, 3); err == nil {
		t.Errorf("a delivery without a tenant was taken")
	}
}
