package main

import (
	"encoding/json"
	"os/user"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/incident"
)

type rowJSON struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Owner   string `json:"owner"`
}

func (c *counter) rows(t *testing.T, state string) []rowJSON {
	t.Helper()
	out, errOut, code := c.in("en", nil, "incidents", "--state", state, "--json")
	var rows []rowJSON
	if err := json.Unmarshal([]byte(out), &rows); code != exitOK || err != nil {
		t.Fatalf("incidents --state %s: exit %d, %v: %s%s", state, code, err, out, errOut)
	}
	return rows
}

// TestIncidentsAreWorkedOnFromTheCommandLine claims, notes, closes with every verdict, and reopens. There was no verb
// for any of it.
func TestIncidentsAreWorkedOnFromTheCommandLine(t *testing.T) {
	c := newCounter(t)
	do := func(want int, args ...string) string {
		t.Helper()
		out, errOut, code := c.in("en", nil, append([]string{"incidents"}, args...)...)
		if code != want {
			t.Fatalf("incidents %s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, out, errOut)
		}
		return out + errOut
	}
	var all []rowJSON
	out, _, _ := c.in("en", nil, "incidents", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	id := all[0].ID
	me := "local:nobody"
	if u, err := user.Current(); err == nil {
		me = "local:" + u.Username
	}

	do(exitOK, "claim", "last")
	if rows := c.rows(t, "triaging"); len(rows) != 1 || rows[0].ID != id || !strings.HasPrefix(rows[0].Owner, me) {
		t.Errorf("claimed: %+v; want %s of %s", rows, id, me)
	}
	do(exitOK, "note", id[len(id)-8:], "the", "user says it was not her") // the end of an id
	if _, errOut, code := c.in("en", strings.NewReader("from a pipe\n"), "incidents", "note", id, "-"); code != exitOK {
		t.Errorf("note -: exit %d: %s", code, errOut)
	}
	do(exitUsage, "note", id, " ")

	for _, v := range incident.Verdicts() {
		do(exitOK, "close", id[:len(id)-2], "--verdict", strings.ToLower(v.ID), "--reason", "reason for "+v.ID) // the beginning
		if rows := c.rows(t, "closed"); len(rows) != 1 || rows[0].Verdict != v.ID || rows[0].Reason != "reason for "+v.ID || !strings.HasPrefix(rows[0].Owner, me) {
			t.Errorf("closed as %s: %+v", v.ID, rows)
		}
		if rows := c.rows(t, "open"); len(rows) != len(all)-1 {
			t.Errorf("one of %d is closed, and %d are open", len(all), len(rows))
		}
		if shown := do(exitOK, "show", id); !strings.Contains(shown, v.Word.En) || !strings.Contains(shown, "reason for "+v.ID) || !strings.Contains(shown, "the user says") {
			t.Errorf("show does not tell that it was closed as %s:\n%s", v.ID, shown)
		}
		do(exitFailed, "claim", id)
		do(exitOK, "reopen", id, "--reason", "seen again")
		do(exitFailed, "reopen", id)
		if shown := do(exitOK, "show", id); !strings.Contains(shown, "reopened\n") {
			t.Errorf("show does not tell that it was opened again:\n%s", shown)
		}
	}
	do(exitOK, "unclaim", id)

	for _, lang := range []string{"en", "ja"} {
		_, errOut, code := c.in(lang, nil, "incidents", "close", id, "--verdict", "false_positive", "--reason", "x")
		if code != exitUsage {
			t.Errorf("a verdict that is none: exit %d", code)
		}
		for _, v := range incident.Verdicts() {
			if !strings.Contains(errOut, v.ID) || !strings.Contains(errOut, v.Means.In(lang)) {
				t.Errorf("%s: the error does not say what %s means:\n%s", lang, v.ID, errOut)
			}
		}
		help, _, _ := c.in(lang, nil, "incidents", "close", "--help")
		if !strings.Contains(strings.Join(strings.Fields(help), " "), incident.Verdicts()[0].Means.In(lang)) {
			t.Errorf("%s: help does not list the verdicts:\n%s", lang, help)
		}
	}
	for _, bad := range [][]string{
		{"close", id, "--reason", "x"},
		{"close", id, "--verdict", "BTP"},
		{"close", id, "--verdict", "BTP", "--reason", " "},
		{"close", "--verdict", "BTP", "--reason", "x"},
		{"claim", "i-ffffffff"},
		{"claim", "nothing"},
		{"close", id, "no-such", "--verdict", "BTP", "--reason", "x"},
	} {
		do(exitUsage, bad...)
	}
	if rows := c.rows(t, "closed"); len(rows) != 0 {
		t.Errorf("refused calls closed %+v", rows)
	}
	do(exitFailed, "show", "i-01900000-0000-7000-8000-000000000000")
}
