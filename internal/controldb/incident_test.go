package controldb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/yagura-edr/yagura/internal/controldb"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// desk is a real desk over a real database, fed by hand.
type desk struct {
	*incident.Desk
	t     *testing.T
	db    *controldb.DB
	now   time.Time
	seq   uint64
	host  event.HostID
	ten   tenant.ID
	all   []event.Stamped
	told  []incident.Row
	procs map[string]event.Process
}

func openDesk(t *testing.T, path string) *desk {
	t.Helper()
	db, err := controldb.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{
		t: t, db: db, now: time.UnixMicro(1_795_000_000_000_000), host: event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000a")),
		ten: tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff")), procs: map[string]event.Process{},
	}
	d.make()
	return d
}

func (d *desk) make() {
	d.Desk = incident.New(incident.Options{
		Store: d.db.Incidents(), Now: func() time.Time { return d.now },
		OnNew: func(_ context.Context, r incident.Row) { d.told = append(d.told, r) },
	})
}

func (d *desk) add(e event.Event) event.Stamped {
	d.seq++
	d.now = d.now.Add(10 * time.Millisecond)
	e.OS, e.Time = event.Linux, d.now.UnixMicro()
	s := event.Stamped{ID: event.ID{Host: d.host, Stream: 1, Seq: d.seq}, Event: &e}
	d.all = append(d.all, s)
	d.Observe(d.t.Context(), d.ten, []event.Stamped{s})
	return s
}

func (d *desk) start(name, parent, path, cmd, inode string) event.Stamped {
	p := event.Process{Key: event.LinuxKey(uint64(d.now.UnixNano()), uint32(len(d.procs)+10), 1), PID: uint64(len(d.procs) + 10), Path: path, CommandLine: cmd, UserName: "web", VolumeID: "8:1", FileID: inode}
	d.procs[name] = p
	return d.add(event.Event{Kind: event.ProcessExec, Actor: p, Parent: d.procs[parent]})
}

func (d *desk) write(name, path, inode string) event.Stamped {
	return d.add(event.Event{Kind: event.FileCreate, Flags: event.FlagCreated, Actor: d.procs[name], File: event.File{Path: path, VolumeID: "8:1", FileID: inode}})
}

func (d *desk) detect(s event.Stamped, rule string, sev detection.Severity) detection.Detection {
	d.t.Helper()
	x := detection.Detection{ID: detection.NewID(rule, "1", s.ID), Tenant: d.ten, RuleID: rule, RuleVersion: "1", Title: detection.Said{En: rule, Ja: rule}, Severity: sev, Event: s, Detected: d.now.UnixMicro()}
	if err := d.Receive(d.t.Context(), x); err != nil {
		d.t.Fatal(err)
	}
	return x
}

func (d *desk) flush() []incident.Row {
	d.t.Helper()
	if err := d.Flush(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	rows, err := d.List(d.t.Context(), d.ten, incident.Query{})
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

func (d *desk) story(id incident.ID) incident.Story {
	d.t.Helper()
	k, _, err := d.Get(d.t.Context(), d.ten, id)
	if err != nil {
		d.t.Fatal(err)
	}
	var s incident.Story
	if err := json.Unmarshal(k.Story, &s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// Recent lets a restarted desk read what was stored.
func (d *desk) Recent(context.Context, int64) iter.Seq2[incident.Observed, error] {
	return func(yield func(incident.Observed, error) bool) {
		for _, e := range d.all {
			if !yield(incident.Observed{Tenant: d.ten, Event: e}, nil) {
				return
			}
		}
	}
}

// attacks starts two attacks from one terminal and a package upgrade beside them.
func (d *desk) attacks() {
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("shell", "init", "/usr/bin/bash", "bash", "2")
	for _, n := range []string{"a", "b"} {
		d.start(n, "shell", "/usr/bin/bash", "bash /home/u/"+n+".sh", "2")
	}
	d.start("apt", "shell", "/usr/bin/apt-get", "apt-get upgrade", "3")
	d.start("dpkg", "apt", "/usr/bin/dpkg", "dpkg --configure -a", "4")
	d.write("dpkg", "/usr/bin/tool", "900")
	d.start("postinst", "dpkg", "/usr/bin/dash", "/bin/sh /var/lib/dpkg/info/tool.postinst", "5")
	for _, n := range []string{"a", "b"} {
		d.start(n+" curl", n, "/usr/bin/curl", "curl -o /tmp/x", "6")
		d.detect(d.start(n+" read", n, "/usr/bin/cat", "cat secrets", "7"), "rule-"+n, detection.High)
		d.start(n+" tool", n, "/usr/bin/tool", "tool", "900")
	}
}

func TestTwoAttacksAtOnceAreTwoIncidentsAndAnUpgradeIsInNeither(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.attacks()
	rows := d.flush()
	if len(rows) != 2 {
		t.Fatalf("%d incidents; want 2", len(rows))
	}
	for _, r := range rows {
		s := d.story(r.ID)
		in := map[string]bool{}
		for _, n := range s.Nodes {
			for _, f := range n.Flags {
				if f == incident.FlagContext {
					n.CommandLine = ""
				}
			}
			in[n.CommandLine] = true
		}
		if in["bash /home/u/a.sh"] == in["bash /home/u/b.sh"] {
			t.Errorf("incident %s holds both attacks or none", r.ID)
		}
		for _, no := range []string{"apt-get upgrade", "dpkg --configure -a", "/bin/sh /var/lib/dpkg/info/tool.postinst"} {
			if in[no] {
				t.Errorf("%q is in incident %s", no, r.ID)
			}
		}
		if !in["curl -o /tmp/x"] || !in["tool"] {
			t.Errorf("incident %s lacks the steps before or after its detection", r.ID)
		}
	}
}

func TestJudgedAgainMakesNoSecondIncident(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	e := d.start("x", "init", "/tmp/x", "/tmp/x", "9")
	d.detect(e, "rule", detection.High)
	first := d.flush()
	d.detect(e, "rule", detection.High)
	if again := d.flush(); len(again) != 1 || again[0].Detections != 1 || again[0].ID != first[0].ID {
		t.Errorf("after the same detection again: %d incidents, %d detections; want 1 and 1", len(again), again[0].Detections)
	}
	// a new desk that knows nothing but the database and the events
	d.make()
	if err := d.Restore(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d.detect(e, "rule", detection.High)
	d.detect(d.start("y", "x", "/usr/bin/id", "id", "8"), "later", detection.High)
	if again := d.flush(); len(again) != 1 || again[0].Detections != 2 || again[0].ID != first[0].ID {
		t.Errorf("after a restart: %d incidents, %+v; want the same one with 2 detections", len(again), again)
	}
	if s := d.story(first[0].ID); len(s.Nodes) < 3 {
		t.Errorf("after a restart the story has %d nodes; want what it had before and the new step", len(s.Nodes))
	}
}

func TestReceivedButNotWrittenBeforeAStopIsJoinedAfterIt(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	x := d.detect(d.start("x", "init", "/tmp/x", "/tmp/x", "9"), "rule", detection.High)
	// the engine has kept the detection; the desk is killed before it wrote
	if err := d.db.Detections().SaveDetections(t.Context(), []detection.Detection{x}); err != nil {
		t.Fatal(err)
	}
	d.make()
	if err := d.Restore(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if rows := d.flush(); len(rows) != 1 || rows[0].Detections != 1 {
		t.Errorf("after the restart: %+v; want the one incident", rows)
	}
}

func TestAnEdgeThatComesLateMergesTwoIncidentsAndTheOldIDLeadsToTheNew(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("a", "init", "/opt/a", "/opt/a", "2")
	d.start("b parent", "init", "/opt/b", "/opt/b", "3")
	d.detect(d.start("drop", "a", "/usr/bin/cp", "cp", "4"), "first", detection.High)
	writeTime := d.now.Add(time.Millisecond)
	d.detect(d.start("run", "b parent", "/tmp/payload", "/tmp/payload", "77"), "second", detection.Medium)
	rows := d.flush()
	if len(rows) != 2 {
		t.Fatalf("%d incidents before the edge is known; want 2", len(rows))
	}
	// the write is older and its lane slower
	d.seq++
	late := event.Stamped{ID: event.ID{Host: d.host, Stream: 1, Lane: event.Bulk, Seq: d.seq}, Event: &event.Event{
		Kind: event.FileCreate, OS: event.Linux, Flags: event.FlagCreated, Time: writeTime.UnixMicro(),
		Actor: d.procs["drop"], File: event.File{Path: "/tmp/payload", VolumeID: "8:1", FileID: "77"},
	}}
	d.Observe(t.Context(), d.ten, []event.Stamped{late})
	one := d.flush()
	if len(one) != 1 || one[0].Detections != 2 {
		t.Fatalf("after the edge: %+v; want one incident with 2 detections", one)
	}
	for _, r := range rows {
		k, dets, err := d.Get(t.Context(), d.ten, r.ID)
		if err != nil || k.Row.ID != one[0].ID || len(dets) != 2 {
			t.Errorf("Get(%s) = %s with %d detections, %v; want %s with 2", r.ID, k.Row.ID, len(dets), err, one[0].ID)
		}
	}
	// told once, after it had time to merge
	d.now = d.now.Add(3 * time.Second)
	d.flush()
	if len(d.told) != 1 || d.told[0].ID != one[0].ID {
		t.Errorf("told of %d new incidents; want the merged one", len(d.told))
	}
}

func TestLowDetectionsOpenNothingButJoinAStory(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("x", "init", "/tmp/x", "/tmp/x", "9")
	d.detect(d.start("id", "x", "/usr/bin/id", "id", "8"), "looked around", detection.Low)
	if rows := d.flush(); len(rows) != 0 {
		t.Fatalf("a low detection opened %d incidents", len(rows))
	}
	d.detect(d.start("cat", "x", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	if rows := d.flush(); len(rows) != 1 || rows[0].Detections != 2 {
		t.Errorf("%+v; want one incident with both detections", rows)
	}
}

// One analyst has the form open while another closes: the later press must not replace a verdict that was never read.
// And when both press at one time, one of them is told.
func TestIncidentsAreListedWorstFirstAndFoundByWords(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	for i, sev := range []detection.Severity{detection.Critical, detection.High, detection.High, detection.Critical, detection.High} {
		name := fmt.Sprintf("x%d", i)
		d.start(name, "", "/tmp/"+name, "/tmp/"+name, fmt.Sprint(90+i))
		d.detect(d.start("do"+name, name, "/usr/bin/cat", "cat", "7"), "rule 100% "+name, sev)
		d.flush()
		d.now = d.now.Add(time.Second)
	}
	find := func(q incident.Query) (rows []incident.Row, total int) {
		t.Helper()
		rows, total, err := d.Find(t.Context(), d.ten, q)
		if err != nil {
			t.Fatal(err)
		}
		return rows, total
	}
	rows, total := find(incident.Query{WorstFirst: true, Open: true, Limit: 3})
	if len(rows) != 3 || total != 5 || rows[0].Severity != detection.Critical || rows[1].Severity != detection.Critical || rows[2].Severity != detection.High || rows[0].Created < rows[1].Created {
		t.Errorf("worst first: %d of %d: %+v", len(rows), total, rows)
	}
	if rows, _ := find(incident.Query{}); len(rows) != 5 || rows[0].Created < rows[4].Created {
		t.Errorf("newest first: %+v", rows)
	}
	if err := d.SetState(t.Context(), d.ten, rows[0].ID, incident.StateClosed, "BTP", "agreed with mika", "jun"); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []struct {
		q    incident.Query
		want int
	}{
		{incident.Query{Open: true}, 4},
		{incident.Query{Open: true, Severity: detection.Critical}, 1},
		{incident.Query{Text: "100% X3"}, 1},
		{incident.Query{Text: "agreed JUN"}, 1},
		{incident.Query{Text: "100_"}, 0},
		{incident.Query{Text: rows[1].ID.String()}, 1},
		{incident.Query{Host: d.host.String()}, 5},
		{incident.Query{Host: d.host.String()[:10]}, 0},
		{incident.Query{Text: "btp"}, 1},
	} {
		if got, total := find(ask.q); len(got) != ask.want || total != ask.want {
			t.Errorf("Find(%+v) gives %d of %d; want %d", ask.q, len(got), total, ask.want)
		}
	}
	if n, err := d.CountOpen(t.Context(), d.ten); err != nil || n[detection.Critical] != 1 || n[detection.High] != 3 {
		t.Errorf("CountOpen = %v, %v", n, err)
	}
	if n, err := d.CountOpen(t.Context(), tenant.ID{1}); err != nil || len(n) != 0 {
		t.Errorf("another tenant counts %v, %v", n, err)
	}
}

func TestNotesOfMergedIncidentsAreReadTogether(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("a", "", "/tmp/a", "/tmp/a", "9")
	d.detect(d.start("cat", "a", "/usr/bin/cat", "cat", "7"), "rule", detection.High)
	d.start("b", "", "/tmp/b", "/tmp/b", "8")
	d.detect(d.start("tar", "b", "/usr/bin/tar", "tar", "6"), "rule two", detection.High)
	rows := d.flush()
	if len(rows) != 2 {
		t.Fatalf("%d incidents, want 2", len(rows))
	}
	a, b := rows[0].ID, rows[1].ID
	for i, n := range []struct {
		id   incident.ID
		text string
	}{{a, "called the owner"}, {b, "second"}, {a, "third"}, {a, "fourth"}} { // one clock for all: none may be lost
		if err := d.Note(t.Context(), d.ten, n.id, n.text, "mika"); err != nil {
			t.Fatalf("note %d: %v", i, err)
		}
	}
	for _, text := range []string{"", " \n", strings.Repeat("x", incident.MaxNote+1), "\xff"} {
		err := d.Note(t.Context(), d.ten, a, text, "mika")
		if _, ok := errors.AsType[incident.InputError](err); !ok {
			t.Errorf("Note(%.10q) = %v; want an InputError", text, err)
		}
	}
	other := tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ee"))
	if err := d.Note(t.Context(), other, a, "x", "mika"); !errors.Is(err, incident.ErrNotFound) {
		t.Errorf("another tenant's note: %v", err)
	}
	if h, err := d.History(t.Context(), other, a); err != nil || len(h) != 0 {
		t.Errorf("another tenant reads %d notes, %v", len(h), err)
	}
	if err := d.db.Incidents().MergeIncident(t.Context(), d.ten, b, a); err != nil {
		t.Fatal(err)
	}
	h, err := d.History(t.Context(), d.ten, a)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range h {
		if c.State != "" || c.Who != "mika" {
			t.Errorf("a note reads %+v", c)
		}
		texts = append(texts, c.Text)
	}
	slices.Sort(texts)
	if got := strings.Join(texts, ", "); got != "called the owner, fourth, second, third" {
		t.Errorf("notes after the merge: %s", got)
	}
}

func TestOfTenThousandProcessesWhatTellsIsShownAndTheRestCounted(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	d.start("x", "init", "/tmp/x", "/tmp/x", "9")
	for i := range 10_000 {
		d.start(fmt.Sprint(i), "x", "/usr/bin/true", "true", "7")
	}
	last := d.start("cat", "9999", "/usr/bin/cat", "cat secrets", "8")
	d.detect(last, "rule", detection.High)
	begin := time.Now()
	rows := d.flush()
	t.Logf("built in %v", time.Since(begin))
	s := d.story(rows[0].ID)
	if left := s.LeftOut.Beside + s.LeftOut.Members; len(s.Nodes) > 20 || left < 9_990 || len(s.Folds) == 0 {
		t.Errorf("%d nodes, %d left out, %d folds; want at most 20, the rest said and counted", len(s.Nodes), left, len(s.Folds))
	}
	found := false
	for _, n := range s.Nodes {
		found = found || n.CommandLine == "cat secrets"
	}
	if !found {
		t.Error("the detected process is not among the nodes that are left")
	}
}

func TestRunTellsWithinTwoSecondsAndEndsClean(t *testing.T) {
	db, err := controldb.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"))
	if err != nil {
		t.Fatal(err)
	}
	told, changed := make(chan incident.Row, 1), make(chan bool, 16)
	d := &desk{t: t, db: db, now: time.Now(), host: event.HostID(uuid.MustParse("01900000-0000-7000-8000-00000000000a")), ten: tenant.ID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff")), procs: map[string]event.Process{}}
	d.Desk = incident.New(incident.Options{Store: db.Incidents(), OnNew: func(_ context.Context, r incident.Row) { told <- r }, OnChange: func(context.Context, tenant.ID) { changed <- true }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	begin := time.Now()
	d.detect(d.start("x", "init", "/tmp/x", "/tmp/x", "9"), "rule", detection.High)
	<-changed
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the incident stood after %v; want 2 s at most", took)
	}
	select {
	case r := <-told:
		if r.Severity != detection.High {
			t.Errorf("told of severity %s; want high", r.Severity)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told of the new incident")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}

func TestSharedAddressIsOfferedNotJoined(t *testing.T) {
	d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
	d.start("init", "", "/sbin/init", "/sbin/init", "1")
	for _, n := range []string{"a", "b"} {
		d.start(n, "init", "/tmp/"+n, "/tmp/"+n, n)
		d.add(event.Event{Kind: event.NetConnect, Initiated: true, Actor: d.procs[n], RemoteAddr: netip.MustParseAddr("203.0.113.9"), RemotePort: 443, LocalAddr: netip.MustParseAddr("10.0.0.1"), LocalPort: 4000})
		d.detect(d.start(n+" cat", n, "/usr/bin/cat", "cat", "7"), "rule", detection.High)
		d.flush()
	}
	rows := d.flush()
	if len(rows) != 2 {
		t.Fatalf("%d incidents; want 2", len(rows))
	}
	s := d.story(rows[0].ID)
	if len(s.Related) != 1 || s.Related[0].Incident != rows[1].ID.String() || !strings.Contains(s.Related[0].Reason.En, "203.0.113.9") {
		t.Errorf("related = %+v; want %s for the address", s.Related, rows[1].ID)
	}
}

// Whatever started them: a payload, a shell that is fed by a pipe, a script. Growing the story anew for each would take
// the square of their number, and so minutes.
func TestAFloodOfDetectionsIsOneIncidentAndEnds(t *testing.T) {
	for name, parent := range map[string][2]string{
		"payload": {"/tmp/x", "/tmp/x"}, "fed shell": {"/usr/bin/bash", "bash"}, "command": {"/usr/bin/dash", "sh -c ./all"},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDesk(t, filepath.Join(t.TempDir(), "c.db"))
			d.start("init", "", "/sbin/init", "/sbin/init", "1")
			d.start("x", "init", parent[0], parent[1], "9")
			for i := range 5000 {
				d.detect(d.start(fmt.Sprint(i), "x", "/usr/bin/cat", "cat", "7"), "rule", detection.Medium)
			}
			begin := time.Now()
			rows := d.flush()
			took := time.Since(begin)
			t.Logf("joined in %v", took)
			all := 0
			for i := range rows {
				all += rows[i].Detections
			}
			if all != 5000 || name != "fed shell" && len(rows) != 1 {
				t.Errorf("%d incidents, %d detections; want 1 and all 5000 counted", len(rows), all)
			}
			if took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
