package response_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/response"
)

// order submits an order to isolate or release, and gives the sensor's word that it was done.
func (d *desk) order(verb command.Verb, args any) {
	d.t.Helper()
	time.Sleep(time.Second)
	b, err := json.Marshal(args)
	if err != nil {
		d.t.Fatal(err)
	}
	_, ops := d.authority.List()
	c, err := command.New(d.tenant, ops.Generation, ops.HostCap, verb, b, time.Now(), 5*time.Minute, d.host)
	if err != nil {
		d.t.Fatal(err)
	}
	signed := command.Signed{Canonical: c.Canonical(), Arguments: b, Signatures: []command.Signature{command.Sign(c.Canonical(), d.authority.Operator())}}
	if _, err := d.relay.Submit(d.t.Context(), d.tenant, response.Submission{Signed: signed, Actor: "ops"}); err != nil {
		d.t.Fatal(err)
	}
	if err := d.say(c, command.Done); err != nil {
		d.t.Fatal(err)
	}
}

// TestIsolatedSaysWhatTheSensorSaysNow: for an hour after its isolation had been lifted a host was still shown as isolated.
func TestIsolatedSaysWhatTheSensorSaysNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.list()
		want := func(when string, isolated, broken bool) {
			t.Helper()
			if i, b := d.relay.Isolated(d.host), d.relay.Broken(d.host); i != isolated || b != broken {
				t.Errorf("%s: isolated %v, broken %v; want %v, %v", when, i, b, isolated, broken)
			}
		}
		heartbeat := func(due, holds bool) {
			time.Sleep(15 * time.Second)
			d.relay.Contained(d.tenant, d.host, due, holds)
		}
		want("before", false, false)
		heartbeat(false, false)
		d.order(command.Isolate, command.IsolateArguments{Seconds: 3600})
		want("ordered, the last heartbeat is older", true, false)
		heartbeat(true, true)
		want("it holds", true, false)
		heartbeat(true, false)
		want("it was lifted", false, true)
		heartbeat(false, false)
		want("it was lifted, and the sensor forgot it", false, true)
		heartbeat(true, true)
		want("it holds again", true, false)
		time.Sleep(time.Hour)
		want("silent until its end", false, false)
		heartbeat(false, false)
		want("it ended by itself", false, false)
		d.order(command.Isolate, command.IsolateArguments{Seconds: 3600})
		heartbeat(true, false)
		time.Sleep(10 * time.Minute)
		want("silent since it was open", false, true)
		d.order(command.Release, command.ReleaseArguments{})
		want("released", false, false)
		heartbeat(false, false)
		want("released, and heard", false, false)
		d.stop()
	})
}
