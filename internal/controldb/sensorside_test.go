package controldb_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/ingest"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

func openPlain(t *testing.T) *controldb.DB {
	t.Helper()
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newTenant() tenant.ID  { return tenant.ID(uuid.Must(uuid.NewV7())) }
func newHost() event.HostID { return event.HostID(uuid.Must(uuid.NewV7())) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v; want %+v", what, got, want)
	}
}

func TestHostsAndTokensComeBackAsTheyWere(t *testing.T) {
	db, ctx := openPlain(t), t.Context()
	f := db.Fleet()
	a, b := newTenant(), newTenant()
	h := fleet.Host{Tenant: a, ID: newHost(), Name: "ホスト-1", OS: "linux", Version: "0.1.0", Machine: "ab", Enrolled: 5, Addresses: []string{}}
	check(t, f.AddHost(ctx, h))
	h.Name, h.LastSeen, h.Boot, h.ClockSkew, h.SpoolEvents, h.Addresses = "web-1", 9, "0102", -7, 3, []string{"192.0.2.1", "2001:db8::1"}
	check(t, f.SaveHosts(ctx, []fleet.Host{h}))
	check(t, f.RevokeHost(ctx, b, h.ID, 11)) // another tenant cannot
	hosts, err := f.Hosts(ctx)
	check(t, err)
	same(t, "hosts", hosts, []fleet.Host{h})
	check(t, f.RevokeHost(ctx, a, h.ID, 12))
	check(t, f.RevokeHost(ctx, a, h.ID, 13))
	if hosts, _ = f.Hosts(ctx); hosts[0].Revoked != 12 {
		t.Errorf("revoked at %d; want the first time, 12", hosts[0].Revoked)
	}
	k := fleet.Token{Tenant: a, ID: "k-1", Hash: "cafe", Created: 1, Expires: 100, UsesLeft: 2, CreatedBy: "ops"}
	check(t, f.AddToken(ctx, k))
	for i, want := range []bool{true, true, false} {
		ok, err := f.UseToken(ctx, a, k.ID, 50)
		if err != nil || ok != want {
			t.Errorf("use %d: %v, %v; want %v", i+1, ok, err, want)
		}
	}
	k.ID, k.Hash = "k-2", "beef"
	check(t, f.AddToken(ctx, k))
	if ok, _ := f.UseToken(ctx, a, k.ID, 101); ok {
		t.Error("an expired token was used")
	}
	if ok, _ := f.UseToken(ctx, b, k.ID, 50); ok {
		t.Error("another tenant used the token")
	}
	tokens, err := f.Tokens(ctx)
	check(t, err)
	used := k // what ended is told apart from what never was
	used.ID, used.Hash, used.UsesLeft = "k-1", "cafe", 0
	same(t, "tokens", tokens, []fleet.Token{used, k})
	k.ID, k.Hash, k.Created, k.Expires = "k-3", "f00d", 101+fleet.KeepEnded.Microseconds(), 200+fleet.KeepEnded.Microseconds()
	check(t, f.AddToken(ctx, k))
	tokens, err = f.Tokens(ctx)
	check(t, err)
	same(t, "tokens a week later", tokens, []fleet.Token{k})
	for i := range int64(20) {
		check(t, f.SaveBoot(ctx, a, h.ID, fleet.Boot{ID: string(rune('a' + i)), Offset: i, Seen: i}))
	}
	bent := fleet.Boot{ID: "t", Offset: 19, Seen: 19, Bends: []fleet.Bend{{At: -5, Offset: -5}, {From: 1 << 53, At: 1<<53 - 5, Offset: 19}}}
	check(t, f.SaveBoot(ctx, a, h.ID, bent))
	boots, err := f.Boots(ctx, a, h.ID)
	check(t, err)
	if len(boots) != 16 || boots[0].Offset != 19 {
		t.Errorf("%d boots, newest %+v; want 16 and 19", len(boots), boots[0])
	}
	same(t, "clock of a boot", boots[0], bent)
	if boots, _ = f.Boots(ctx, b, h.ID); len(boots) != 0 {
		t.Errorf("the other tenant sees %d boots", len(boots))
	}
}

// A build that wrote an older state of a row over its end left rows open beside the one that stands, for ever.
func TestCoverageThatAnOlderBuildLeftOpenEndsAtTheStart(t *testing.T) {
	db, ctx := openPlain(t), t.Context()
	a, h, other := newTenant(), newHost(), newHost()
	for _, id := range []event.HostID{h, other} {
		check(t, db.Fleet().AddHost(ctx, fleet.Host{Tenant: a, ID: id, Name: "web", OS: "linux", Enrolled: 1, LastSeen: 50, Addresses: []string{}}))
	}
	row := func(host event.HostID, id, class string, from, to int64, s coverage.State) coverage.Row {
		return coverage.Row{Tenant: a, Host: host, ID: id, Class: class, From: from, To: to, State: s}
	}
	loss := coverage.Row{Tenant: a, Host: h, ID: "l-1", Class: "file", From: 11, To: 12, State: coverage.Partial, Lost: 3}
	check(t, db.Coverage().SaveCoverage(ctx, []coverage.Row{
		row(h, "c-1", "file", 10, 0, coverage.Full), // stuck
		loss, // says nothing on when c-1 ended
		row(h, "c-2", "file", 20, 30, coverage.Blind),    // whole
		row(h, "c-3", "file", 30, 0, coverage.Silent),    // stuck
		row(h, "c-4", "file", 40, 0, coverage.Full),      // stands
		row(h, "c-5", "process", 10, 0, coverage.Full),   // stands
		row(other, "c-6", "file", 5, 0, coverage.Full),   // stands
		row(other, "c-7", "memory", 8, 0, coverage.Full), // stuck, of no width
		row(other, "c-8", "memory", 8, 0, coverage.Blind),
	}, nil))
	_, err := coverage.New(ctx, coverage.Options{Store: db.Coverage(), SecretFile: filepath.Join(t.TempDir(), "canary.key")})
	check(t, err)
	got, err := db.Coverage().Coverage(ctx, a, 0, 0)
	check(t, err)
	same(t, "the table", got, []coverage.Row{
		row(other, "c-6", "file", 5, 0, coverage.Full), row(other, "c-7", "memory", 8, 9, coverage.Full), row(other, "c-8", "memory", 8, 0, coverage.Blind),
		row(h, "c-1", "file", 10, 20, coverage.Full), row(h, "c-5", "process", 10, 0, coverage.Full), loss,
		row(h, "c-2", "file", 20, 30, coverage.Blind), row(h, "c-3", "file", 30, 40, coverage.Silent), row(h, "c-4", "file", 40, 0, coverage.Full),
	})
}

func TestCoverageRowsBelongToTheirTenantAndSpan(t *testing.T) {
	db, ctx := openPlain(t), t.Context()
	c := db.Coverage()
	a, b, h := newTenant(), newTenant(), newHost()
	closed := coverage.Row{Tenant: a, Host: h, ID: "c-1", Class: "file", From: 10, To: 20, State: coverage.Partial, Lost: 7, Reason: "ring full"}
	open := coverage.Row{Tenant: a, Host: h, ID: "c-2", Class: "file", From: 20, State: coverage.Full}
	check(t, c.SaveCoverage(ctx, []coverage.Row{closed, open}, []coverage.Proof{{Tenant: a, Host: h, At: 3}}))
	check(t, c.SaveCoverage(ctx, []coverage.Row{closed}, []coverage.Proof{{Tenant: a, Host: h, At: 4}})) // again changes nothing
	for _, q := range []struct {
		t        tenant.ID
		from, to int64
		want     []coverage.Row
	}{
		{a, 0, 0, []coverage.Row{closed, open}},
		{a, 20, 0, []coverage.Row{open}},
		{a, 0, 20, []coverage.Row{closed}},
		{a, 0, 10, nil},
		{b, 0, 0, nil},
	} {
		got, err := c.Coverage(ctx, q.t, q.from, q.to)
		check(t, err)
		same(t, "rows", got, q.want)
	}
	got, err := c.OpenCoverage(ctx)
	check(t, err)
	same(t, "open rows", got, []coverage.Row{open})
	proofs, err := c.Proofs(ctx)
	check(t, err)
	same(t, "proofs", proofs, []coverage.Proof{{Tenant: a, Host: h, At: 4}})
	check(t, c.PruneCoverage(ctx, 21))
	got, err = c.Coverage(ctx, a, 0, 0)
	check(t, err)
	same(t, "rows after pruning", got, []coverage.Row{open})
	f := coverage.Fault{Tenant: a, Host: h, Kind: "clone", Class: coverage.ClassTamper, Severity: detection.High, What: detection.Said{En: "two", Ja: "二台"}, Fix: detection.Said{En: "enrol", Ja: "登録"}, Since: 5}
	check(t, c.SaveFault(ctx, f))
	faults, err := c.Faults(ctx)
	check(t, err)
	same(t, "faults", faults, []coverage.Fault{f})
	f.Until = 9
	check(t, c.SaveFault(ctx, f))
	if faults, _ = c.Faults(ctx); len(faults) != 0 {
		t.Errorf("an ended fault stands: %+v", faults)
	}
}

func TestActionsBelongToTheirTenantAndWaitForTheirEnd(t *testing.T) {
	db, ctx := openPlain(t), t.Context()
	r := db.Response()
	a, b, h := newTenant(), newTenant(), newHost()
	act := response.Action{Tenant: a, ID: "a-1", Host: h, Nonce: "00ff", Verb: command.Isolate, Class: "C1", State: response.Queued, Actor: "ops", KeyID: "k-1", Created: 1, Updated: 1, Expiry: 9}
	stored := response.Stored{Tenant: a, Nonce: "00ff", Signed: command.Signed{Canonical: []byte{1, 0}, Arguments: []byte("{}"), Signatures: []command.Signature{{KeyID: "k-1", Algorithm: command.Ed25519, Signature: []byte{9}}}}}
	check(t, r.AddCommand(ctx, stored, []response.Action{act}))
	if err := r.AddCommand(ctx, stored, []response.Action{act}); !errors.Is(err, response.ErrDuplicate) {
		t.Errorf("the same nonce again: %v", err)
	}
	commands, err := r.OpenCommands(ctx)
	check(t, err)
	same(t, "open commands", commands, []response.Stored{stored})
	act.State, act.Proof, act.ProofSigned, act.Updated, act.Until = response.Done, `{"denied":1}`, true, 4, 99
	check(t, r.SaveAction(ctx, act))
	list, err := r.Actions(ctx, a, "", 10)
	check(t, err)
	same(t, "actions", list, []response.Action{act})
	lasting, err := r.Lasting(ctx)
	check(t, err)
	same(t, "lasting", lasting, []response.Action{act})
	if list, _ = r.Actions(ctx, b, "a-1", 10); len(list) != 0 {
		t.Errorf("the other tenant sees %+v", list)
	}
	if commands, _ = r.OpenCommands(ctx); len(commands) != 0 {
		t.Errorf("a command waits for nobody: %+v", commands)
	}
	for g := range uint64(3) {
		check(t, r.SaveList(ctx, response.List{Tenant: a, Generation: g + 1, Bytes: []byte{byte(g)}}))
	}
	lists, err := r.Lists(ctx)
	check(t, err)
	same(t, "lists", lists, []response.List{{Tenant: a, Generation: 3, Bytes: []byte{2}}})
	check(t, db.Ingest().SaveQuarantine(ctx, ingest.Quarantined{Tenant: a, Host: h, ID: "q-1", Stream: 1 << 63, Lane: event.Bulk, First: 1, Events: 5, Lost: 5, Received: 1, Reason: "not zstd"}))
}
