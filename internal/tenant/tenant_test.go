package tenant_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/tenant"
)

func TestTheTextOfAnIDIsReadBackAsTheSameID(t *testing.T) {
	for range 100 {
		id := tenant.ID(uuid.Must(uuid.NewV7()))
		if got, err := tenant.Parse(id.String()); err != nil || got != id {
			t.Fatalf("Parse(%s) = %s, %v", id, got, err)
		}
	}
}

// The text of a tenant stands in certificates, rows, paths of files and of key files.
func TestWhatIsNoTenantIsRefused(t *testing.T) {
	good := tenant.ID(uuid.Must(uuid.NewV7())).String()
	for _, s := range []string{
		"", "t-", "main", good[2:], "h-" + good[2:], "T-" + good[2:], good + "x", good[:len(good)-1], "t-../../etc/passwd", "t-" + strings.Repeat("x", 1<<20), "t-\x00", " " + good,
	} {
		if id, err := tenant.Parse(s); err == nil || id != (tenant.ID{}) {
			t.Errorf("Parse(%.40q) = %s, %v; want an error and no id", s, id, err)
		}
	}
}

// Two texts of one id would be two folders and two rows: whoever keeps an id keeps what String gives, never what was read.
func TestEverySpellingThatIsReadBecomesTheOneText(t *testing.T) {
	id := tenant.ID(uuid.Must(uuid.NewV7()))
	plain := uuid.UUID(id).String()
	for _, s := range []string{"t-" + plain, "t-" + strings.ToUpper(plain), "t-{" + plain + "}", "t-urn:uuid:" + plain, "t-" + strings.ReplaceAll(plain, "-", "")} {
		if got, err := tenant.Parse(s); err == nil && got.String() != "t-"+plain {
			t.Errorf("Parse(%q) = %s; want %s or an error", s, got, id)
		}
	}
}

func TestAContextCarriesTheTenantThatWasGivenLast(t *testing.T) {
	if id, ok := tenant.From(t.Context()); ok || id != (tenant.ID{}) {
		t.Errorf("From without a tenant = %s, %v; want none", id, ok)
	}
	a, b := tenant.ID{1}, tenant.ID{2}
	outer := tenant.With(t.Context(), a)
	inner, cancel := context.WithCancel(tenant.With(outer, b))
	defer cancel()
	for ctx, want := range map[context.Context]tenant.ID{outer: a, inner: b} {
		if id, ok := tenant.From(ctx); !ok || id != want {
			t.Errorf("From = %s, %v; want %s", id, ok, want)
		}
	}
	// Nobody can put a tenant there under a key of another package.
	type key struct{}
	if _, ok := tenant.From(context.WithValue(t.Context(), key{}, a)); ok {
		t.Error("a value under another key was taken for a tenant")
	}
}
