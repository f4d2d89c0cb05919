package command_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/tenant"
)

var (
	now    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ours   = tenant.ID{0: 1, 15: 0xaa}
	theirs = tenant.ID{0: 1, 15: 0xbb}
	here   = event.HostID{0: 2, 15: 1}
	there  = event.HostID{0: 2, 15: 2}
)

func seeded(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func key(k ed25519.PrivateKey, role command.Role, person string, verbs []command.Verb, classes ...command.Class) command.Key {
	pub := k.Public().(ed25519.PublicKey)
	return command.Key{ID: command.KeyID(pub), Algorithm: command.Ed25519, Public: pub, Role: role, Person: person, Classes: classes, Verbs: verbs, NotAfter: now.Add(24 * time.Hour)}
}

var (
	authority = seeded(1)
	aki       = seeded(2) // a person at the command line, everything
	ben       = seeded(3) // a person in the console, everything
	akiToo    = seeded(4) // aki's second key
	robot     = seeded(5) // automation: isolate and release
	relay     = seeded(6) // the server
	gone      = seeded(7) // a key that ended
	stranger  = seeded(8)
)

func operators() *command.Operators {
	all := []command.Class{command.C0, command.C1, command.C2, command.C3, command.C4}
	ended := key(gone, command.CLI, "chie", nil, all...)
	ended.NotAfter = now.Add(-time.Minute)
	return &command.Operators{Tenant: ours, Generation: 7, Issued: now.Add(-time.Hour), Expiry: now.Add(20 * 24 * time.Hour), HostCap: 2, Keys: []command.Key{
		key(aki, command.CLI, "aki", nil, all...), key(ben, command.Console, "ben", nil, all...), key(akiToo, command.Console, "aki", nil, all...),
		key(robot, command.Automation, "robot", []command.Verb{command.Isolate, command.Release}, command.C1),
		key(relay, command.Relay, "server", nil, command.C0), ended,
	}}
}

func chain(t *testing.T) *command.Chain {
	t.Helper()
	list, err := command.SignList(operators(), authority)
	if err != nil {
		t.Fatal(err)
	}
	c := &command.Chain{Tenant: ours, Authority: authority.Public().(ed25519.PublicKey)}
	if err := c.Adopt(list); err != nil {
		t.Fatal(err)
	}
	return c
}

type memory map[command.Nonce]bool

func (m memory) Use(_ context.Context, n command.Nonce, _ time.Time) (bool, error) {
	fresh := !m[n]
	m[n] = true
	return fresh, nil
}

func killArguments(t *testing.T) []byte {
	t.Helper()
	b, err := command.EncodeArguments(command.KillArguments{Process: event.LinuxKey(1, 2, 3).String()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func isolate(seconds int) []byte { return fmt.Appendf(nil, `{"seconds":%d}`, seconds) }

// TestEveryRefusal is the table of what a host does not obey, each with its reason.
func TestEveryRefusal(t *testing.T) {
	kill := killArguments(t)
	order := func(edit func(*command.Command), keys ...ed25519.PrivateKey) command.Signed {
		c, err := command.New(ours, 7, 2, command.Kill, kill, now, 5*time.Minute, here)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(c)
		}
		s := command.Signed{Canonical: c.Canonical(), Arguments: kill}
		for _, k := range keys {
			s.Signatures = append(s.Signatures, command.Sign(s.Canonical, k))
		}
		return s
	}
	with := func(v command.Verb, class command.Class, arguments []byte, keys ...ed25519.PrivateKey) command.Signed {
		s := order(func(c *command.Command) { c.Verb, c.Class, c.Arguments = v, class, sha256.Sum256(arguments) }, keys...)
		s.Arguments = arguments
		return s
	}
	flipped := order(nil, aki)
	flipped.Canonical[len(flipped.Canonical)-30] ^= 1 // in the nonce
	otherArguments := order(nil, aki)
	otherArguments.Arguments = append([]byte(" "), kill...)
	otherAlgorithm := order(nil, aki)
	otherAlgorithm.Signatures[0].Algorithm = "none"
	for name, c := range map[string]struct {
		s    command.Signed
		want command.Reason // empty: obeyed
	}{
		"one operator kills":                 {order(nil, aki), ""},
		"two operators kill":                 {order(nil, aki, ben), ""},
		"console alone kills":                {order(nil, ben), ""},
		"automation isolates":                {with(command.Isolate, command.C1, isolate(3600), robot), ""},
		"relay reads":                        {with(command.ListProcesses, command.C0, []byte("{}"), relay), ""},
		"older generation, key still listed": {order(func(c *command.Command) { c.Generation = 3 }, aki), ""},
		"unsigned":                           {order(nil), command.Unsigned},
		"altered":                            {flipped, command.Altered},
		"another algorithm named":            {otherAlgorithm, command.Altered},
		"one of two signatures altered":      {command.Signed{Canonical: order(nil).Canonical, Arguments: kill, Signatures: []command.Signature{command.Sign([]byte("x"), aki)}}, command.Altered},
		"unknown key":                        {order(nil, stranger), command.UnknownKey},
		"one unknown beside a known key":     {order(nil, aki, stranger), command.UnknownKey},
		"key ended":                          {order(nil, gone), command.KeyExpired},
		"expired":                            {order(func(c *command.Command) { c.NotBefore, c.Expiry = now.Add(-9*time.Minute), now }, aki), command.Expired},
		"not yet valid": {order(func(c *command.Command) {
			c.NotBefore, c.Expiry = now.Add(command.Early+time.Second), now.Add(4*time.Minute)
		}, aki), command.NotYetValid},
		"begins a little later than now":        {order(func(c *command.Command) { c.NotBefore, c.Expiry = now.Add(command.Early), now.Add(4*time.Minute) }, aki), ""},
		"lives too long":                        {order(func(c *command.Command) { c.Expiry = c.NotBefore.Add(11 * time.Minute) }, aki), command.Malformed},
		"foreign tenant":                        {order(func(c *command.Command) { c.Tenant = theirs }, aki), command.ForeignTenant},
		"foreign host":                          {order(func(c *command.Command) { c.Hosts = []event.HostID{there} }, aki), command.ForeignHost},
		"list not known here yet":               {order(func(c *command.Command) { c.Generation = 8 }, aki), command.OldList},
		"other arguments":                       {otherArguments, command.WrongArguments},
		"arguments that name no process":        {with(command.Kill, command.C1, []byte(`{"process":"123"}`), aki), command.WrongArguments},
		"arguments with something unknown":      {with(command.Isolate, command.C1, []byte(`{"seconds":5,"forever":true}`), aki), command.WrongArguments},
		"isolation without end":                 {with(command.Isolate, command.C1, []byte(`{}`), aki), command.WrongArguments},
		"class too low":                         {with(command.Reboot, command.C1, nil, aki), command.ClassNotAllowed},
		"more hosts than the cap is C4":         {order(func(c *command.Command) { c.Hosts = []event.HostID{here, there, {0: 3}} }, aki), command.ClassNotAllowed},
		"wide, by one person":                   {order(func(c *command.Command) { c.Hosts, c.Class = []event.HostID{here, there, {0: 3}}, command.C4 }, aki), command.MoreSigners},
		"wide, by two":                          {order(func(c *command.Command) { c.Hosts, c.Class = []event.HostID{here, there, {0: 3}}, command.C4 }, aki, ben), ""},
		"automation kills, not granted":         {order(nil, robot), command.VerbNotAllowed},
		"automation isolates for two days":      {with(command.Isolate, command.C1, isolate(2*86400), robot), command.ClassNotAllowed},
		"relay kills":                           {order(nil, relay), command.ClassNotAllowed},
		"shell by one":                          {with(command.Shell, command.C3, nil, aki), command.MoreSigners},
		"shell by one person with two keys":     {with(command.Shell, command.C3, nil, aki, akiToo), command.MoreSigners},
		"shell by the same key twice":           {with(command.Shell, command.C3, nil, aki, aki), command.MoreSigners},
		"reboot by two in the console":          {with(command.Reboot, command.C4, nil, ben, akiToo), command.MoreSigners},
		"reboot by two, one at the commandline": {with(command.Reboot, command.C4, nil, ben, aki), ""},
		"five signatures":                       {order(nil, aki, aki, aki, aki, aki), command.Malformed},
		"no bytes":                              {command.Signed{}, command.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			nonces := memory{}
			cmd, err := chain(t).Verify(t.Context(), now, here, nonces, c.s)
			if c.want == "" {
				if err != nil {
					t.Fatalf("Verify = %v; want it obeyed", err)
				}
				if _, err := chain(t).Verify(t.Context(), now, here, nonces, c.s); !errors.Is(err, command.Replayed) {
					t.Errorf("Verify, second time = %v; want %q", err, command.Replayed)
				}
				return
			}
			var refusal *command.Refusal
			if cmd != nil || !errors.As(err, &refusal) || refusal.Reason != c.want {
				t.Fatalf("Verify = %v, %v; want refused as %q", cmd, err, c.want)
			}
			if len(nonces) != 0 {
				t.Error("a refused command used up its nonce")
			}
			t.Log(refusal.Sentence)
		})
	}
}

func TestNobodyCommandsWithoutAList(t *testing.T) {
	c := &command.Chain{Tenant: ours, Authority: authority.Public().(ed25519.PublicKey)}
	cmd, err := command.New(ours, 7, 2, command.Kill, killArguments(t), now, time.Minute, here)
	if err != nil {
		t.Fatal(err)
	}
	b := cmd.Canonical()
	if _, err := c.Check(now, command.Signed{Canonical: b, Arguments: killArguments(t), Signatures: []command.Signature{command.Sign(b, aki)}}); !errors.Is(err, command.UnknownKey) {
		t.Errorf("Check = %v; want %q", err, command.UnknownKey)
	}
	late := now.Add(21 * 24 * time.Hour)
	if _, err := chain(t).Check(late, command.Signed{Canonical: b, Signatures: []command.Signature{command.Sign(b, aki)}}); !errors.Is(err, command.ListExpired) {
		t.Errorf("Check after the list ended = %v; want %q", err, command.ListExpired)
	}
}

func TestOnlyTheAuthorityMakesListsAndNeverGoesBack(t *testing.T) {
	c := chain(t)
	edit := func(f func(*command.Operators), k ed25519.PrivateKey) []byte {
		o := operators()
		f(o)
		b, err := command.SignList(o, k)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := c.Adopt(edit(func(o *command.Operators) { o.Generation = 6 }, authority)); !errors.Is(err, command.OldList) {
		t.Errorf("older list: %v; want %q", err, command.OldList)
	}
	if err := c.Adopt(edit(func(o *command.Operators) { o.Generation = 9 }, stranger)); !errors.Is(err, command.ForeignAuthor) {
		t.Errorf("a stranger's list: %v; want %q", err, command.ForeignAuthor)
	}
	if err := c.Adopt(edit(func(o *command.Operators) { o.Tenant = theirs }, authority)); !errors.Is(err, command.ForeignTenant) {
		t.Errorf("another tenant's list: %v; want %q", err, command.ForeignTenant)
	}
	good := edit(func(o *command.Operators) { o.Generation = 8 }, authority)
	bent := bytes.Clone(good)
	bent[40] ^= 4
	if err := c.Adopt(bent); err == nil {
		t.Error("an altered list was adopted")
	}
	if err := c.Adopt(good); err != nil || c.List.Generation != 8 || len(c.List.Keys) != 6 {
		t.Errorf("Adopt newer = %v, list %+v", err, c.List)
	}
	o := operators()
	o.Expiry = o.Issued.Add(31 * 24 * time.Hour)
	if _, err := command.SignList(o, authority); !errors.Is(err, command.Malformed) {
		t.Errorf("a list of 31 days was signed: %v", err)
	}
	o = operators()
	o.Keys[4].Classes = []command.Class{command.C0, command.C1}
	if _, err := command.SignList(o, authority); !errors.Is(err, command.Malformed) {
		t.Errorf("a relay key that may act was signed: %v", err)
	}
}

func TestAuthorityDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	a, err := command.CreateAuthority(dir, ours, "local:0", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.CreateAuthority(dir, ours, "local:0", time.Now()); !errors.Is(err, os.ErrExist) {
		t.Errorf("CreateAuthority over another = %v; want refused", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("directory holds %v, %v; want four files", entries, err)
	}
	if runtime.GOOS != "windows" {
		info, _ := os.Stat(dir)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("directory has mode %o; want 700", info.Mode().Perm())
		}
		for _, e := range entries {
			if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o; want 600", e.Name(), info.Mode().Perm())
			}
		}
	}
	if err := a.Renew(time.Now(), func(o *command.Operators) { o.HostCap = 9 }); err != nil {
		t.Fatal(err)
	}
	b, err := command.LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ops := b.List(); ops.Generation != 2 || ops.HostCap != 9 || b.Tenant != ours {
		t.Errorf("loaded list %+v of %s", ops, b.Tenant)
	}
	cmd, err := command.New(ours, 2, 9, command.Kill, killArguments(t), time.Now(), time.Minute, here)
	if err != nil {
		t.Fatal(err)
	}
	c := cmd.Canonical()
	if _, err := b.Chain().Verify(t.Context(), time.Now(), here, memory{}, command.Signed{Canonical: c, Arguments: killArguments(t), Signatures: []command.Signature{command.Sign(c, b.Operator())}}); err != nil {
		t.Errorf("a command of the loaded operator key is refused: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, "operator.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := command.LoadAuthority(dir); runtime.GOOS != "windows" && !errors.Is(err, os.ErrPermission) {
		t.Errorf("LoadAuthority with a key others can read = %v; want refused", err)
	}
}

func TestTokenRoundTripHidesItsSecret(t *testing.T) {
	in := command.Token{URL: "https://edr.example:8444", CA: [32]byte{1}, Authority: [32]byte{2}, Tenant: ours, Secret: "0123456789abcdef-secret"}
	out, err := command.ParseToken(in.Encode() + "\n")
	if err != nil || out != in {
		t.Fatalf("ParseToken = %v, %v", out, err)
	}
	for _, s := range []string{fmt.Sprint(in), fmt.Sprintf("%v", in), in.LogValue().String()} {
		if strings.Contains(s, "secret") {
			t.Errorf("the secret shows in %q", s)
		}
	}
	plain := in
	plain.URL = "http://edr.example"
	for _, bad := range []string{"", "yagura1.", "yagura2.abc", "yagura1.!!", in.Encode()[:40], in.Encode() + "A", plain.Encode(), strings.Repeat("y", 5000)} {
		if _, err := command.ParseToken(bad); !errors.Is(err, command.Malformed) {
			t.Errorf("ParseToken(%.20q) = %v; want malformed", bad, err)
		} else if strings.Contains(err.Error(), in.Secret) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestOutcomeSignedByEitherKindOfKey(t *testing.T) {
	o := &command.Outcome{Nonce: []byte{1}, State: command.Done, Detail: "isolated", Proof: []byte(`{"denied":3}`), Time: now}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := command.SignOutcome(o, p256)
	if err != nil || command.VerifyOutcome(o, sig, p256.Public()) != nil {
		t.Errorf("P-256: %v", err)
	}
	edSig, err := command.SignOutcome(o, aki)
	if err != nil || command.VerifyOutcome(o, edSig, aki.Public()) != nil {
		t.Errorf("ed25519: %v", err)
	}
	o.State = command.Failed
	if err := command.VerifyOutcome(o, sig, p256.Public()); !errors.Is(err, command.Altered) {
		t.Errorf("altered outcome: %v; want %q", err, command.Altered)
	}
}

// vectors builds what docs/format/command.md shows, from fixed seeds.
func vectors(t *testing.T) map[string]string {
	t.Helper()
	arguments := []byte(`{"seconds":3600}`)
	c := &command.Command{
		Tenant: ours, Generation: 7, Hosts: []event.HostID{here}, Verb: command.Isolate, Arguments: sha256.Sum256(arguments), Class: command.C1,
		NotBefore: now, Expiry: now.Add(5 * time.Minute), Nonce: command.Nonce(bytes.Repeat([]byte{9}, 16)), RoE: 0,
	}
	list, err := command.SignList(&command.Operators{
		Tenant: ours, Generation: 7, Issued: now.Add(-time.Hour), Expiry: now.Add(20 * 24 * time.Hour), HostCap: 2,
		Keys: []command.Key{key(aki, command.CLI, "aki", nil, command.C0, command.C1)},
	}, authority)
	if err != nil {
		t.Fatal(err)
	}
	o := command.Outcome{Nonce: c.Nonce[:], State: command.Done, Detail: "isolated", Proof: []byte("{}"), Time: now}
	return map[string]string{
		"command":           hex.EncodeToString(c.Canonical()),
		"command.arguments": hex.EncodeToString(arguments),
		"command.key_id":    command.KeyID(aki.Public().(ed25519.PublicKey)),
		"command.signature": hex.EncodeToString(command.Sign(c.Canonical(), aki).Signature),
		"operators":         hex.EncodeToString(list),
		"outcome":           hex.EncodeToString(o.Canonical()),
		"token":             command.Token{URL: "https://127.0.0.1:8444", CA: [32]byte{1}, Authority: [32]byte{2}, Tenant: ours, Secret: "0123456789abcdef"}.Encode(),
	}
}

// TestVectors holds the page to the code: another implementation may rely on these bytes.
func TestVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/command.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^vector (\S+) = (\S+)$`).FindAllStringSubmatch(string(page), -1) {
		got[m[1]] = m[2]
	}
	for name, want := range vectors(t) {
		if got[name] != want {
			t.Errorf("page has\nvector %s = %s\nwant\nvector %s = %s", name, got[name], name, want)
		}
	}
	b, err := hex.DecodeString(got["command"])
	if err != nil {
		t.Fatal(err)
	}
	c, err := command.Parse(b)
	if err != nil || !bytes.Equal(c.Canonical(), b) || c.Verb != command.Isolate {
		t.Errorf("Parse of the page's command = %+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	c := &command.Command{Tenant: ours, Generation: 1, Hosts: []event.HostID{here, there}, Verb: command.Kill, Class: command.C1, NotBefore: now, Expiry: now.Add(time.Minute), Nonce: command.Nonce{1}}
	f.Add(c.Canonical())
	f.Add([]byte("yagura-command-v1\n"))
	f.Add(binary.AppendUvarint([]byte("yagura-command-v1\n"), 1<<62))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := command.Parse(b)
		if err == nil && !bytes.Equal(c.Canonical(), b) {
			t.Errorf("%x was read, but is written %x", b, c.Canonical())
		}
	})
}

func FuzzParseList(f *testing.F) {
	k := seeded(1)
	list, err := command.SignList(operators(), k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Add([]byte("yagura-operators-v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := command.ParseList(b, k.Public().(ed25519.PublicKey))
		if err != nil {
			return
		}
		if again, err := command.SignList(o, k); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x was read, but is written %x, %v", b, again, err)
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add(command.Token{URL: "https://a:1", Tenant: ours, Secret: "0123456789abcdef"}.Encode())
	f.Add("yagura1.e30")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := command.ParseToken(s)
		if err != nil {
			return
		}
		if again, err := command.ParseToken(tok.Encode()); err != nil || again != tok {
			t.Errorf("%q gives %+v, then %+v, %v", s, tok, again, err)
		}
	})
}

func FuzzDecodeArguments(f *testing.F) {
	f.Add([]byte(`{"process":"p-aaaaaaaaaaaaaaaaaaaaaaaaaa","tree":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var k command.KillArguments
		var i command.IsolateArguments
		_, _ = command.DecodeArguments(b, &k), command.DecodeArguments(b, &i)
	})
}

// Example signs an order and has a host check it.
func Example() {
	c := &command.Chain{Tenant: ours, Authority: authority.Public().(ed25519.PublicKey), List: operators()}
	arguments := []byte(`{"seconds":3600}`)
	order, err := command.New(ours, 7, 2, command.Isolate, arguments, now, 5*time.Minute, here)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := order.Canonical()
	signed := command.Signed{Canonical: b, Arguments: arguments, Signatures: []command.Signature{command.Sign(b, aki)}}
	nonces := memory{}
	got, err := c.Verify(context.Background(), now, here, nonces, signed)
	fmt.Println(got.Verb, got.Class, err)
	_, err = c.Verify(context.Background(), now, here, nonces, signed)
	fmt.Println(errors.Is(err, command.Replayed))
	// Output:
	// isolate C1 <nil>
	// true
}
