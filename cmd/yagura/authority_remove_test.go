package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

// TestARemovedKeySignsNothing takes a stolen operator key off the list: the thief, who has the old list, too, orders
// nothing with it from then on, neither through the command line nor past it, and no host goes back to that list.
func TestARemovedKeySignsNothing(t *testing.T) {
	c := ownCounter(t)
	if err := c.record(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(c.data, "authority")
	stolen, err := command.LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	oldList, ops := stolen.List()
	old := ops.Keys[0].ID
	loot := t.TempDir() // the key and what lay beside it
	for _, name := range []string{command.OperatorFile, "operators.list", "authority.pub"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(loot, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	order := func(args ...string) (string, int) {
		out, errOut, code := c.in("en", nil, append([]string{"respond", "isolate", "web-07", "--wait", "0", "--json"}, args...)...)
		return out + errOut, code
	}
	if out, code := order("--operator-key", filepath.Join(loot, command.OperatorFile)); code != exitOK {
		t.Fatalf("before: exit %d, %s", code, out)
	}

	// What is refused changes nothing.
	usb := t.TempDir()
	c.said(exitOK, "authority", "move", usb)
	authority := filepath.Join(usb, command.AuthorityFile)
	if out := c.said(exitUsage, "authority", "remove", old); !strings.Contains(out, authority) {
		t.Errorf("without the authority key: %s", out)
	}
	if out := c.said(exitFailed, "authority", "remove", old, "--key", authority); !strings.Contains(out, "the last key") {
		t.Errorf("the last key: %s", out)
	}
	if out, errOut, code := c.in("ja", nil, "authority", "remove", old, "--key", authority); code != exitFailed || !strings.Contains(errOut, "最後の鍵") {
		t.Errorf("the last key, in Japanese: exit %d, %s%s", code, out, errOut)
	}
	if out := c.said(exitFailed, "authority", "remove", "0123456789abcdef", "--key", authority, "--new", t.TempDir()); !strings.Contains(out, "not on the operator list") {
		t.Errorf("a key that is none: %s", out)
	}
	c.said(exitUsage, "authority", "remove", old, "--key", authority, "--new", c.data)
	if out, code := order(); code != exitOK {
		t.Fatalf("after removals that were refused: exit %d, %s", code, out)
	}

	// A host that was there before.
	id := event.HostID(uuid.Must(uuid.NewV7()))
	host := &command.Chain{Tenant: stolen.Tenant, Authority: stolen.Public()}
	if err := host.Adopt(oldList); err != nil {
		t.Fatal(err)
	}

	hand := t.TempDir()
	out := c.said(exitOK, "authority", "remove", old, "--key", authority, "--new", hand)
	if !strings.Contains(out, "Operator list 2") || !strings.Contains(out, hand) {
		t.Errorf("remove: %s", out)
	}
	if isFile(filepath.Join(dir, command.OperatorFile)) {
		t.Error("the removed key still lies beside the server")
	}
	if out, code := order("--operator-key", filepath.Join(loot, command.OperatorFile)); code != exitFailed || !strings.Contains(out, "is not in operator list 2") {
		t.Errorf("the stolen key at the command line: exit %d, %s", code, out)
	}
	if out, code := order("--operator-key", filepath.Join(hand, command.OperatorFile)); code != exitOK {
		t.Errorf("the new key: exit %d, %s", code, out)
	}

	// Past the command line: the thief signs as it did before, and gives the old list back.
	client, url := console.Dial(c.data)
	api := consolev1connect.NewConsoleClient(client, url)
	r, err := api.GetAuthority(t.Context(), connect.NewRequest(&consolev1.GetAuthorityRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.SetOperatorList(t.Context(), connect.NewRequest(&consolev1.SetOperatorListRequest{List: oldList})); err == nil {
		t.Error("the server goes back to the old list")
	}
	arguments, err := command.EncodeArguments(command.IsolateArguments{Seconds: 3600})
	if err != nil {
		t.Fatal(err)
	}
	for _, generation := range []uint64{1, 2} {
		cmd, err := command.New(stolen.Tenant, generation, 5, "isolate", arguments, time.Now(), time.Minute, id)
		if err != nil {
			t.Fatal(err)
		}
		canonical := cmd.Canonical()
		sig := command.Sign(canonical, stolen.Operator())
		if _, err := api.SubmitCommand(t.Context(), connect.NewRequest(&consolev1.SubmitCommandRequest{Canonical: canonical, Arguments: arguments, KeyId: sig.KeyID, Signature: sig.Signature, Reason: "thief"})); err == nil || !strings.Contains(err.Error(), "operator list") && !strings.Contains(err.Error(), "key") {
			t.Errorf("generation %d: the server takes an order of the removed key: %v", generation, err)
		}
		if err := host.Adopt(r.Msg.OperatorList); err != nil {
			t.Fatal(err)
		}
		if err := host.Adopt(oldList); !errors.Is(err, command.OldList) {
			t.Errorf("a host goes back to the old list: %v", err)
		}
		if _, err := host.Check(time.Now(), command.Signed{Canonical: canonical, Arguments: arguments, Signatures: []command.Signature{sig}}); err == nil {
			t.Error("a host takes an order of the removed key")
		}
	}

	// With another key on the list it goes without --new; show says who is left.
	var shown shownAuthority
	if err := json.Unmarshal([]byte(c.said(exitOK, "authority", "show", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Keys) != 1 || shown.Keys[0].ID == old || shown.Generation != 2 {
		t.Errorf("show: %+v", shown)
	}
	owner, err := command.OpenAuthority(authority, r.Msg.OperatorList, "")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Renew(time.Now(), func(o *command.Operators) {
		k := o.Keys[0]
		k.ID, k.Public, k.Person = command.KeyID(second), second, "second"
		o.Keys = append(o.Keys, k)
	}); err != nil {
		t.Fatal(err)
	}
	list, _ := owner.List()
	if _, err := api.SetOperatorList(t.Context(), connect.NewRequest(&consolev1.SetOperatorListRequest{List: list})); err != nil {
		t.Fatal(err)
	}
	c.said(exitOK, "authority", "remove", command.KeyID(second), "--key", authority)
	if out, code := order("--operator-key", filepath.Join(hand, command.OperatorFile)); code != exitOK {
		t.Errorf("the key that stayed: exit %d, %s", code, out)
	}
}
