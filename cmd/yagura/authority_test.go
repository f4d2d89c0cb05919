package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/console"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// said runs a verb in English and fails the test on another exit code.
func (c *counter) said(code int, args ...string) string {
	c.t.Helper()
	out, errOut, got := c.in("en", nil, args...)
	if got != code {
		c.t.Fatalf("yagura %s: exit %d; want %d\n%s%s", strings.Join(args, " "), got, code, out, errOut)
	}
	return out + errOut
}

// TestOrdersGoOnWithoutTheAuthorityKey moves both keys away from the server and orders with what is left, renews with
// the key given by its path, and shows what a thief of the folder can no longer do.
func TestOrdersGoOnWithoutTheAuthorityKey(t *testing.T) {
	c := ownCounter(t)
	if err := c.record(); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(filepath.Dir(c.data), "usb stick")
	if err := os.Mkdir(away, 0o700); err != nil {
		t.Fatal(err)
	}
	before := c.said(exitOK, "authority", "show")
	if !strings.Contains(before, "beside the server") || !strings.Contains(before, "C0 C1 C2 C3 C4") {
		t.Errorf("authority show before: %s", before)
	}

	// What may not be.
	folder := filepath.Join(c.data, "authority")
	key := filepath.Join(folder, command.AuthorityFile)
	link := filepath.Join(filepath.Dir(c.data), "link")
	if err := os.Symlink(c.data, link); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(away, "taken.key")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{c.data, filepath.Join(c.data, "new.key"), folder, link, filepath.Join(link, "x.key"), filepath.Join(away, "..", "data", "y.key"), taken, filepath.Join(away, "no", "folder.key"), filepath.Join(away, "unmounted"), "/proc/self/x.key", key} {
		if out, errOut, code := c.in("en", nil, "authority", "move", to); code == exitOK {
			t.Errorf("authority move %s went: %s%s", to, out, errOut)
		}
		if !isFile(key) {
			t.Fatalf("authority move %s took the key away", to)
		}
	}
	if b, _ := os.ReadFile(taken); string(b) != "mine" {
		t.Errorf("what was there is %q now", b)
	}

	moved := c.said(exitOK, "authority", "move", away)
	file := filepath.Join(away, command.AuthorityFile)
	if isFile(key) || !isFile(file) {
		t.Fatalf("after the move: %s", moved)
	}
	if out := c.said(exitFailed, "authority", "move", away); !strings.Contains(out, file) {
		t.Errorf("a second move does not say where the key is: %s", out)
	}
	order := func(args ...string) (string, int) {
		out, errOut, code := c.in("en", nil, append([]string{"respond", "isolate", "web-07", "--wait", "0", "--json"}, args...)...)
		return out + errOut, code
	}
	if out, code := order(); code != exitOK || !strings.Contains(out, `"a-`) {
		t.Errorf("without the authority key an order is not taken: exit %d, %s", code, out)
	}
	if out := c.said(exitOK, "authority"); !strings.Contains(out, "moved to") || !strings.Contains(strings.Join(strings.Fields(out), " "), file) {
		t.Errorf("authority show after: %s", out)
	}
	if out, _, _ := c.in("en", nil, "doctor"); !strings.Contains(out, "the authority key does not lie beside the server") {
		t.Errorf("doctor: %s", out)
	}

	// Renewed by path, as the printed line says.
	if out := c.said(exitUsage, "authority", "renew"); !strings.Contains(out, file) {
		t.Errorf("renew without the key does not say where it is: %s", out)
	}
	var line string
	for l := range strings.Lines(moved) {
		if strings.Contains(l, "renew --key") {
			line = strings.TrimSpace(l)
		}
	}
	if out, code := c.shell(line); code != exitOK || !strings.Contains(out, "Operator list 2") {
		t.Errorf("%s: exit %d, %s", line, code, out)
	}
	if out, code := order(); code != exitOK {
		t.Errorf("after renewing: exit %d, %s", code, out)
	}

	// The operator key too: orders need its path then, and nothing of the folder.
	hand := filepath.Join(filepath.Dir(c.data), "hand")
	if err := os.Mkdir(hand, 0o700); err != nil {
		t.Fatal(err)
	}
	c.said(exitOK, "authority", "move", "--operator", hand)
	if out, code := order(); code != exitFailed || !strings.Contains(out, "--operator-key") {
		t.Errorf("without the operator key: exit %d, %s", code, out)
	}
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if out, code := order("--operator-key", filepath.Join(hand, command.OperatorFile)); code != exitOK {
		t.Errorf("with the operator key by its path: exit %d, %s", code, out)
	}
	if out := c.said(exitOK, "authority", "renew", "--key", file); !strings.Contains(out, "Operator list 3") { // the list comes from the server
		t.Errorf("renew without the folder: %s", out)
	}
	if out, code := order("--operator-key", filepath.Join(hand, command.OperatorFile)); code != exitOK {
		t.Errorf("with a list that is older than the server's: exit %d, %s", code, out)
	}
}

// TestAStolenFolderSignsNoOperators looks through all that a server keeps: once the authority key was moved away no
// key in it makes a list that a host or a server takes.
func TestAStolenFolderSignsNoOperators(t *testing.T) {
	c := ownCounter(t)
	away := t.TempDir()
	c.said(exitOK, "authority", "move", away)
	var shown shownAuthority
	if err := json.Unmarshal([]byte(c.said(exitOK, "authority", "show", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	id, err := tenant.Parse(shown.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := command.Pinned(filepath.Join(c.data, "authority"))
	if err != nil || public == nil {
		t.Fatalf("no public key is pinned: %v", err)
	}
	keys := 0
	err = filepath.WalkDir(c.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			private, ok := k.(ed25519.PrivateKey)
			if err != nil || !ok {
				continue
			}
			keys++
			if private.Public().(ed25519.PublicKey).Equal(public) {
				t.Errorf("%s still holds the authority key", path)
			}
			pub := private.Public().(ed25519.PublicKey)
			forged, err := command.SignList(&command.Operators{
				Tenant: id, Generation: 99, Issued: time.Now(), Expiry: time.Now().Add(time.Hour), HostCap: 5,
				Keys: []command.Key{{ID: command.KeyID(pub), Algorithm: command.Ed25519, Public: pub, Role: command.CLI, Person: "thief", Classes: []command.Class{command.C3}, NotAfter: time.Now().Add(time.Hour)}},
			}, private)
			if err != nil {
				return err
			}
			chain := command.Chain{Tenant: id, Authority: public}
			if err := chain.Adopt(forged); err == nil {
				t.Errorf("a host takes operators that %s signed", path)
			}
			if err := command.KeepList(filepath.Join(c.data, "authority"), forged); err != nil {
				return err
			}
			if out, errOut, code := c.in("en", nil, "respond", "isolate", "h-01900000-0000-7000-8000-000000000000", "--wait", "0"); code == exitOK {
				t.Errorf("an order goes under a forged list: %s%s", out, errOut)
			}
		}
		return nil
	})
	if err != nil || keys == 0 {
		t.Errorf("looked at %d keys: %v", keys, err)
	}
}

// TestALinkToSignInStaysOutOfTheJournal: the counter's standard output is a file, as under systemd.
func TestALinkToSignInStaysOutOfTheJournal(t *testing.T) {
	c := ownCounter(t)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(c.data), "log"))
	if err != nil {
		t.Fatal(err)
	}
	secret := c.ready.SignIn[strings.LastIndexAny(c.ready.SignIn, "/#=")+1:]
	if len(secret) < 16 || strings.Contains(string(b), secret) {
		t.Errorf("the log holds the sign-in link (%d letters of it looked for):\n%s", len(secret), b)
	}
	if !strings.Contains(string(b), "sign-in`") {
		t.Errorf("the log does not say how to sign in:\n%s", b)
	}
}

// TestTheListIsToldBeforeItEnds: what Home says of an operator list, by the time that is left.
func TestTheListIsToldBeforeItEnds(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]string{20 * 24 * time.Hour: "", 6 * 24 * time.Hour: listSoonFault, time.Hour: listNowFault, 0: listEndedFault, -time.Hour: listEndedFault} {
		kind, what, _ := listFault(&command.Operators{Expiry: now.Add(left)}, now)
		if kind != want || (kind != "") != (what.En != "" && what.Ja != "" && what.En != what.Ja) {
			t.Errorf("with %s left: %q %+v; want %q", left, kind, what, want)
		}
	}
	if kind, _, _ := listFault(nil, now); kind != listEndedFault {
		t.Errorf("without a list: %q", kind)
	}
}

// enrolled makes a host known to the server, as a sensor on a machine of that id does.
func (c *counter) enrolled(name, machine string) {
	c.t.Helper()
	var made struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(c.said(exitOK, "enroll", "token", "--this-host", "--json")), &made); err != nil {
		c.t.Fatal(err)
	}
	token, err := command.ParseToken(made.Token)
	if err != nil {
		c.t.Fatal(err)
	}
	id, err := hex.DecodeString(machine)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := uplink.Enroll(c.t.Context(), filepath.Join(c.t.TempDir(), "identity"), token, uplink.Facts{Hostname: []byte(name), Version: "test", MachineID: id}, uplink.Proxy{}); err != nil {
		c.t.Fatal(err)
	}
}

// TestDoctorFailsWhileTheAuthorityKeyLiesBesideOthersServer: it is a matter of taste while the server watches itself,
// and a fault from the first other host on.
func TestDoctorFailsWhileTheAuthorityKeyLiesBesideOthersServer(t *testing.T) {
	c := ownCounter(t)
	authority := func() string {
		t.Helper()
		out, _, _ := c.in("en", nil, "doctor", "--json")
		var checks []struct{ Name, State string }
		if err := json.Unmarshal([]byte(out), &checks); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, x := range checks {
			if x.Name == "authority" {
				return x.State
			}
		}
		return "no check"
	}
	if here := thisMachine(); here != "" {
		c.enrolled("self", here)
	}
	if got := authority(); got != "ok" {
		t.Errorf("with no other host: %s", got)
	}
	c.enrolled("other", strings.Repeat("ab", 32))
	if got := authority(); got != "fail" {
		t.Errorf("with another host: %s; want fail", got)
	}
	c.said(exitOK, "authority", "move", t.TempDir())
	if got := authority(); got != "ok" {
		t.Errorf("after the move: %s", got)
	}
}

// TestAListThatEndsIsOnHomeAndRenewed hands the server a list of a few days, then one that has ended.
func TestAListThatEndsIsOnHomeAndRenewed(t *testing.T) {
	c := ownCounter(t)
	away := t.TempDir()
	a, err := command.LoadAuthority(filepath.Join(c.data, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(c.data, "authority", command.AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	c.said(exitOK, "authority", "move", away)
	client, url := console.Dial(c.data)
	give := func(generation uint64, expiry time.Time) {
		t.Helper()
		_, ops := a.List()
		ops.Generation, ops.Issued, ops.Expiry = generation, expiry.Add(-24*time.Hour), expiry
		list, err := command.SignList(ops, k.(ed25519.PrivateKey))
		if err == nil {
			_, err = consolev1connect.NewConsoleClient(client, url).SetOperatorList(t.Context(), connect.NewRequest(&consolev1.SetOperatorListRequest{List: list}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	doctor := func(want string) {
		t.Helper()
		c.eventually(20*time.Second, "doctor says "+want, func() error {
			if out, _, _ := c.in("en", nil, "doctor"); !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
				return errors.New(out)
			}
			return nil
		})
	}
	give(2, time.Now().Add(3*24*time.Hour))
	doctor("the operator list ends at")
	if _, errOut, _ := c.in("en", nil, "respond", "isolate", "h-01900000-0000-7000-8000-000000000000", "--wait", "0"); !strings.Contains(errOut, "authority renew --key FILE") {
		t.Errorf("an order does not warn: %s", errOut)
	}
	give(3, time.Now().Add(-time.Minute))
	doctor("the operator list ended at")
	if out := c.said(exitFailed, "respond", "isolate", "h-01900000-0000-7000-8000-000000000000", "--wait", "0"); !strings.Contains(out, "authority renew") {
		t.Errorf("an order under a list that ended: %s", out)
	}
	c.said(exitPartial, "authority", "show")
	c.said(exitOK, "authority", "renew", "--key", filepath.Join(away, command.AuthorityFile))
	c.said(exitOK, "authority", "show")
	c.eventually(20*time.Second, "doctor is content", func() error {
		if out, _, _ := c.in("en", nil, "doctor"); strings.Contains(out, "operator list") {
			return errors.New(out)
		}
		return nil
	})
}

// TestAServerRefusesAFolderOfMallory: root was made to write its pid over a file behind mallory's link, and to give
// her the server's folder.
func TestAServerRefusesAFolderOfMallory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user for a moment")
	}
	if !hasStore {
		t.Skip("needs a build with an event store")
	}
	top := t.TempDir()
	secret, data := filepath.Join(top, "secret"), filepath.Join(top, "data")
	if err := errors.Join(os.WriteFile(secret, []byte("root's"), 0o600), os.Mkdir(data, 0o755), os.Symlink(secret, filepath.Join(data, "pid")), os.Lchown(filepath.Join(data, "pid"), 64123, 64123), os.Chown(data, 64123, 64123)); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"server", "up"} {
		_, errOut := runHostile(t, data, "C.UTF-8", []string{verb, "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"})
		if !strings.Contains(errOut, "belongs to user 64123") {
			t.Errorf("yagura %s: %s", verb, errOut)
		}
	}
	st, err := os.Stat(data)
	if b, _ := os.ReadFile(secret); err != nil || string(b) != "root's" || st.Mode().Perm() != 0o755 {
		t.Errorf("the file behind her link holds %q, her folder has mode %o", b, st.Mode().Perm())
	}
	if e, _ := os.ReadDir(data); len(e) != 1 {
		t.Errorf("her folder holds %v", e)
	}
}
