package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

// Each outcome and each bad batch of a host was a line of the server's log, and each stream that a heartbeat named was
// remembered.
func TestAHostCannotFillTheLog(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "loud")
	x.hello(t)
	var outcomes []*sensorv1.Outcome
	for range 250 {
		outcomes = append(outcomes, &sensorv1.Outcome{Nonce: []byte("n"), State: "done", Detail: []byte("\x1b[2J"), Signature: []byte("none")})
	}
	for range 40 {
		stream := random()
		m := &sensorv1.ReportRequest{Stream: stream, Outcomes: outcomes, WallTime: time.Now().UnixMicro(), Produced: []*sensorv1.StreamState{{Stream: stream, Lane: 0, Last: 1 << 62}}}
		if _, err := x.Report(t.Context(), connect.NewRequest(m)); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		bad := []byte("no batch")
		sum := sha256.Sum256(bad)
		if _, err := x.Upload(t.Context(), connect.NewRequest(&sensorv1.UploadRequest{Stream: x.stream, First: x.next[0], Count: 1, Content: bad, Sha256: sum[:], BootId: x.boot})); err != nil {
			t.Fatal(err)
		}
		x.next[0]++
	}
	b, err := os.ReadFile(c.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), x.host.String()); n > 100 {
		t.Errorf("%d lines of the log about one host", n)
	}
	if out, _, _ := c.in("en", nil, "hosts", "--json"); strings.Contains(out, fmt.Sprint(uint64(1)<<62)) {
		t.Errorf("the heartbeat's numbers stand as loss: %s", out)
	}
	if err := x.lives(t, 10*time.Second); err != nil {
		t.Error(err)
	}
}

// Sixty decoys of one rule hid its next hit, and each decoy was an incident. The act stands in the one flood, whole.
func TestDecoysOfAHostDoNotHideTheAct(t *testing.T) {
	c := newSiege(t, "")
	x := c.intrude(t, "decoys")
	x.hello(t)
	shadow := func(command string) *event.Event {
		return &event.Event{
			Kind: event.FileReadCredential, OS: event.Linux, BootNS: 3600e9, File: event.File{Path: "/etc/shadow"},
			Actor:  event.Process{Key: event.LinuxKey(random(), 7, 1), PID: 100, Path: "/usr/bin/cat", CommandLine: command, UserID: "1000"},
			Parent: event.Process{Key: event.LinuxKey(random(), 7, 1), PID: 99, Path: "/usr/bin/bash", CommandLine: "bash"},
		}
	}
	const act = "cat /proc/self/root/etc/shadow"
	for range 10 {
		var batch []*event.Event
		for range 100 {
			batch = append(batch, shadow("cat /etc/shadow"))
		}
		if err := x.send(t.Context(), event.Critical, batch...); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.send(t.Context(), event.Critical, shadow(act)); err != nil {
		t.Fatal(err)
	}
	var found struct {
		id, incident string
	}
	c.eventually(60*time.Second, "the act is a detection of an incident", func() error {
		out, said, code := c.in("en", nil, "detections", "--limit", "1000", "--json")
		if code != exitOK {
			return errors.New(said)
		}
		var all []struct {
			ID         string `json:"id"`
			IncidentID string `json:"incident_id"`
			Line       string `json:"command_line"`
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return err
		}
		for _, d := range all {
			if strings.Contains(d.Line, act) && d.IncidentID != "" {
				found.id, found.incident = d.ID, d.IncidentID
				return nil
			}
		}
		return fmt.Errorf("it is none of %d: %.500s", len(all), out)
	})
	out, said, code := c.in("en", nil, "incidents", "--json")
	if code != exitOK {
		t.Fatal(said)
	}
	if n := strings.Count(out, `"i-`); n > 30 {
		t.Errorf("%d incidents of one host within a minute", n)
	}
	if !strings.Contains(out, "Flood of") || !strings.Contains(out, "検知の大量発生") {
		t.Errorf("no incident is called a flood: %.600s", out)
	}
	out, _, _ = c.in("en", nil, "detections", "--incident", found.incident, "--limit", "1000", "--json")
	if !strings.Contains(out, act) {
		t.Errorf("the act is not among the detections of its incident %s", found.incident)
	}
	for language, want := range map[string]string{"en": "detections were counted and not kept", "ja": "件数のみ記録しました"} {
		c.eventually(10*time.Second, "doctor tells what was only counted", func() error {
			if said := flat(c.faults(language)); !strings.Contains(said, flat(want)) {
				return errors.New(said)
			}
			return nil
		})
	}
}
