package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// submitted is a command with one action.
func submitted(t tenant.ID, nonce string) (response.Stored, response.Action) {
	return response.Stored{Tenant: t, Nonce: nonce, Signed: command.Signed{
			Canonical: []byte{1, 0, 255}, Arguments: []byte(`{"x":"` + hostile + `"}`),
			Signatures: []command.Signature{{KeyID: "k-1", Algorithm: command.Ed25519, Signature: []byte{9}}},
		}},
		response.Action{Tenant: t, ID: "a-" + nonce, Host: newHost(), Nonce: nonce, Verb: command.Isolate, Class: "C1", Target: hostile, State: response.Queued, Actor: hostile, KeyID: "k-1 k-2", Reason: hostile, Incident: "i-1", Created: 1, Updated: 1, Expiry: 9}
}

func commands(c subject) {
	c.that("a command is relayed byte by byte as it was signed, after a reopening too", func(t *testing.T, s Stores) {
		cmd, act := submitted(newTenant(), "00ff")
		check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{act}))
		s = s.reopened(t)
		same(t, "open commands", must[[]response.Stored](t)(s.Response.OpenCommands(t.Context())), []response.Stored{cmd})
		same(t, "open actions", must[[]response.Action](t)(s.Response.OpenActions(t.Context())), []response.Action{act})
	})
	c.that("a nonce is taken once in a tenant, and a refused command leaves no action", func(t *testing.T, s Stores) {
		cmd, act := submitted(newTenant(), "00ff")
		check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{act}))
		again := act
		again.ID = "a-again"
		if err := s.Response.AddCommand(t.Context(), cmd, []response.Action{again}); !errors.Is(err, response.ErrDuplicate) {
			t.Errorf("the same nonce again = %v; want ErrDuplicate", err)
		}
		same(t, "actions", must[[]response.Action](t)(s.Response.Actions(t.Context(), cmd.Tenant, "", 10)), []response.Action{act})
		theirs, theirAct := submitted(newTenant(), "00ff")
		check(t, s.Response.AddCommand(t.Context(), theirs, []response.Action{theirAct}))
	})
	c.that("of many who submit one command at once one does", func(t *testing.T, s Stores) {
		cmd, act := submitted(newTenant(), "00ff")
		same(t, "submitted", atOnce(t, 8, func(int) (bool, error) {
			err := s.Response.AddCommand(t.Context(), cmd, []response.Action{act})
			if errors.Is(err, response.ErrDuplicate) {
				return false, nil
			}
			return err == nil, err
		}), 1)
	})
	c.that("a command waits while one of its actions does, and no longer", func(t *testing.T, s Stores) {
		cmd, one := submitted(newTenant(), "00ff")
		two := one
		two.ID, two.Host = "a-2", newHost()
		check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{one, two}))
		for _, end := range []struct {
			one, two response.State
			open     int
		}{{response.Delivered, response.Running, 1}, {response.Done, response.Queued, 1}, {response.Failed, response.Expired, 0}, {response.Refused, response.Unanswered, 0}} {
			one.State, two.State = end.one, end.two
			check(t, s.Response.SaveAction(t.Context(), one))
			check(t, s.Response.SaveAction(t.Context(), two))
			same(t, fmt.Sprintf("commands open while %s and %s", end.one, end.two), len(must[[]response.Stored](t)(s.Response.OpenCommands(t.Context()))), end.open)
		}
	})
}

func actions(c subject) {
	c.that("an action moves on and keeps what was asked for", func(t *testing.T, s Stores) {
		cmd, act := submitted(newTenant(), "00ff")
		check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{act}))
		said := act
		said.Verb, said.Actor, said.Host, said.Expiry = command.Kill, "someone else", newHost(), 1
		said.State, said.Detail, said.Proof, said.ProofSigned, said.Updated, said.Until = response.Done, hostile, `{"denied":1}`, true, 4, 99
		check(t, s.Response.SaveAction(t.Context(), said))
		act.State, act.Detail, act.Proof, act.ProofSigned, act.Updated, act.Until = said.State, said.Detail, said.Proof, true, 4, 99
		s = s.reopened(t)
		same(t, "actions", must[[]response.Action](t)(s.Response.Actions(t.Context(), act.Tenant, "", 10)), []response.Action{act})
	})
	c.that("actions are listed newest first, bounded, by id, and to their tenant only", func(t *testing.T, s Stores) {
		a := newTenant()
		for i := range 3 {
			cmd, act := submitted(a, fmt.Sprint(i))
			check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{act}))
		}
		for _, ask := range []struct {
			t     tenant.ID
			id    string
			limit int
			want  string
		}{{a, "", 10, "[a-2 a-1 a-0]"}, {a, "", 2, "[a-2 a-1]"}, {a, "a-1", 10, "[a-1]"}, {a, "a-%", 10, "[]"}, {newTenant(), "", 10, "[]"}, {newTenant(), "a-1", 10, "[]"}} {
			got := []string{}
			for _, x := range must[[]response.Action](t)(s.Response.Actions(t.Context(), ask.t, ask.id, ask.limit)) {
				got = append(got, x.ID)
			}
			same(t, fmt.Sprintf("Actions(%q, %d)", ask.id, ask.limit), fmt.Sprint(got), ask.want)
		}
	})
	c.that("of each host the newest lasting effect stands, and its newest maintenance beside it", func(t *testing.T, s Stores) {
		a, host := newTenant(), newHost()
		for i, x := range []struct {
			verb    command.Verb
			state   response.State
			updated int64
		}{
			{command.Isolate, response.Done, 1},
			{command.Release, response.Done, 5},
			{command.Isolate, response.Failed, 9},
			{command.Kill, response.Done, 9},
			{command.Maintenance, response.Done, 2},
			{command.Maintenance, response.Done, 1},
		} {
			cmd, act := submitted(a, fmt.Sprint(i))
			act.Host, act.Verb, act.State, act.Updated = host, x.verb, x.state, x.updated
			check(t, s.Response.AddCommand(t.Context(), cmd, []response.Action{act}))
		}
		theirs, theirAct := submitted(newTenant(), "7") // the same host id in another tenant is another host
		theirAct.Host, theirAct.State, theirAct.Updated = host, response.Done, 99
		check(t, s.Response.AddCommand(t.Context(), theirs, []response.Action{theirAct}))
		got := map[string]bool{}
		for _, x := range must[[]response.Action](t)(s.Response.Lasting(t.Context())) {
			got[x.ID] = true
		}
		same(t, "lasting", got, map[string]bool{"a-1": true, "a-4": true, "a-7": true})
	})
}

func operatorLists(c subject) {
	c.that("of each tenant the list of the highest generation stands; a generation is never replaced", func(t *testing.T, s Stores) {
		a, b := newTenant(), newTenant()
		for _, l := range []response.List{{Tenant: a, Generation: 2, Bytes: []byte{2}}, {Tenant: a, Generation: 10, Bytes: []byte{0, 255}}, {Tenant: a, Generation: 9, Bytes: []byte{9}}, {Tenant: a, Generation: 10, Bytes: []byte("forged")}, {Tenant: b, Generation: 1, Bytes: []byte{1}}} {
			check(t, s.Response.SaveList(t.Context(), l))
		}
		s = s.reopened(t)
		got := map[tenant.ID]string{}
		for _, l := range must[[]response.List](t)(s.Response.Lists(t.Context())) {
			got[l.Tenant] = fmt.Sprintf("%d %x", l.Generation, l.Bytes)
		}
		same(t, "lists", got, map[tenant.ID]string{a: "10 00ff", b: "1 01"})
	})
}
