package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/console"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

type incidentRow struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
}

type storyNode struct {
	Ref   string   `json:"ref"`
	Kind  string   `json:"kind"`
	Label string   `json:"label"`
	PID   uint64   `json:"pid"`
	Flags []string `json:"flags"`
}

type bothSaid struct {
	En string `json:"en"`
	Ja string `json:"ja"`
}

type storyJSON struct {
	Nodes []storyNode `json:"nodes"`
	Edges []struct {
		Kind     string   `json:"kind"`
		From     string   `json:"from"`
		To       string   `json:"to"`
		EventIDs []string `json:"event_ids"`
	} `json:"edges"`
	Answers []struct {
		Answer    string `json:"answer"`
		Sentences []struct {
			Text     bothSaid `json:"text"`
			EventIDs []string `json:"event_ids"`
			Unknown  bool     `json:"unknown"`
		} `json:"sentences"`
	} `json:"answers"`
	Entry struct {
		Route string `json:"route"`
		Chain []struct {
			Ref      string   `json:"ref"`
			EventIDs []string `json:"event_ids"`
		} `json:"chain"`
		Stopped struct {
			Where string   `json:"where"`
			Why   bothSaid `json:"why"`
		} `json:"stopped"`
	} `json:"entry"`
}

// edgeWant is an edge between two steps of an attack, or a step and a kind of node: "download", "file", "url|address".
type edgeWant struct{ kind, from, to string }

// wanted is what a story must say.
type wanted struct {
	edges []edgeWant
	route string
	// of a known route: the first and the last step of the chain, and the kinds of event it rests on, in order
	from, to string
	kinds    []string
	reason   []string // of an unknown one: what its reason says in English
	known    []string // answers that must not be unknown
}

// Nothing outside the script leads to these stories: a shell of this machine started them, before or beside the sensor.
var fromHere = []string{"was started by", "already ran when the sensor started", "no connection taken, link, attachment, download, log-on, medium, package or schedule"}

// mailLink is the spear phish's way in, from the mail client to the file that was run.
func mailLink(edges ...edgeWant) wanted {
	return wanted{
		edges: append([]edgeWant{
			{"spawn", "mail", "opener"},
			{"url_handoff", "url", "process"},
			{"downloaded_from", "url", "file"},
			{"wrote_executed", "file", "payload"},
			{"spawn", "payload", "store"},
			{"spawn", "payload", "logins"},
			{"spawn", "payload", "post"},
		}, edges...),
		route: "mail_link", from: "mail", to: "payload", kinds: []string{"process.exec", "process.exec", "net.connect|dns.query", "file.", "process.exec"},
		known: []string{"when", "where", "what", "why", "accounts", "how"},
	}
}

// TestAttackStories runs each harmless attack against a real sensor and server and reads its story in the CLI: one new
// incident with every step's process in it, the edges between the right steps, the way in or what was looked at to
// find it, and five answers whose every sentence rests on events that the store has.
func TestAttackStories(t *testing.T) {
	needRoot(t)
	pack := newPackage(t) // before the sensor looks: this test lays out a cron job and a unit, as an attacker would
	h := startHouse(t)
	h.reporting()
	all := []string{"when", "where", "why", "accounts", "how"}
	withWhat := append([]string{"what"}, all...)
	for _, story := range []struct {
		name   string
		args   []string
		want   wanted
		within time.Duration // after the last step
	}{
		{"web-shell", nil, wanted{
			edges: []edgeWant{
				{"spawn", "service", "shell"},
				{"spawn", "shell", "whoami"},
				{"spawn", "shell", "uname"},
				{"spawn", "shell", "download"},
				{"downloaded_from", "url|address", "file"},
				{"wrote_executed", "download", "file"},
				{"wrote_executed", "file", "payload"},
				{"spawn", "shell", "payload"},
				{"spawn", "payload", "reverse shell"},
			},
			route: "exploited_service", from: "service", to: "shell", kinds: []string{"net.accept", "process.exec"}, known: append([]string{"who"}, all...),
		}, 2 * time.Second},
		{"spear-phish", []string{"closed"}, mailLink(edgeWant{"spawn", "opener", "browser"}, edgeWant{"wrote_executed", "browser", "file"}), 2 * time.Second},
		{"spear-phish", []string{"open"}, mailLink(edgeWant{"spawn", "opener", "stub"}, edgeWant{"url_handoff", "stub", "url"}), 2 * time.Second},
		{"credential-theft", nil, wanted{edges: []edgeWant{{"spawn", "process", "shadow"}, {"spawn", "process", "post"}}, route: "unknown", reason: fromHere, known: withWhat}, 2 * time.Second},
		{"persistence", nil, wanted{
			edges: []edgeWant{
				{"scheduled_by", "cron", "scheduled"},
				{"scheduled_by", "unit", "scheduled"},
				{"scheduled_by", "key", "scheduled"},
				{"scheduled_by", "preload", "scheduled"},
				{"scheduled_by", "scheduled", "process"},
				{"wrote_executed", "install", "file"},
				{"wrote_executed", "file", "stage"},
			},
			route: "unknown", reason: fromHere, known: withWhat,
		}, 5 * time.Second},
		{"fileless", nil, wanted{
			edges: []edgeWant{{"injected", "tracer", "victim"}, {"spawn", "tracer", "victim"}, {"wrote_executed", "fetch", "file"}, {"downloaded_from", "url|address", "file"}, {"wrote_executed", "file", "deleted"}},
			route: "unknown", reason: fromHere, known: withWhat,
		}, 2 * time.Second},
		{"miner-like", nil, wanted{
			edges: []edgeWant{{"wrote_executed", "fetch", "file"}, {"downloaded_from", "url|address", "file"}, {"wrote_executed", "file", "miner"}, {"spawn", "process", "miner"}},
			route: "unknown", reason: fromHere, known: withWhat,
		}, 2 * time.Second},
	} {
		t.Run(strings.Join(append([]string{story.name}, story.args...), "-"), func(t *testing.T) {
			h.t = t
			before := h.incidents()
			steps := runAttack(t, story.name, story.args...)
			id := h.story(before, steps, story.want, story.within)
			// Two seconds later it is still one: nothing of the same attack became another incident.
			time.Sleep(2 * time.Second)
			if now := h.incidentsWith(before, steps); len(now) != 1 {
				t.Errorf("the attack is in %d incidents: %v; want one", len(now), now)
			}
			var st storyJSON
			h.json(&st, "incidents", "show", id)
			for _, n := range st.Nodes {
				if n.Kind == "process" {
					h.eventually(20*time.Second, "the tree of a step", func() error {
						if _, stderr, code := h.try("tree", n.Ref, "--json"); code != exitOK {
							return errors.New(stderr)
						}
						return nil
					})
					break
				}
			}
		})
	}
	t.Run("two at once and a package", func(t *testing.T) { h.t = t; twoAtOnce(t, h, pack) })
	t.Run("over ssh", func(t *testing.T) { h.t = t; overSSH(t, h) })
}

// twoAtOnce runs two attacks side by side while a package is set up: two incidents, and the package is in neither.
func twoAtOnce(t *testing.T, h *house, pack *smallPackage) {
	if pack == nil {
		t.Skip("needs dpkg and dpkg-deb")
	}
	before := h.incidents()
	var web, theft []step
	var packaged []uint64
	var wg sync.WaitGroup
	wg.Go(func() { web = attackBelow(t, nil, "web-shell") })
	wg.Go(func() { theft = attackBelow(t, nil, "credential-theft") })
	wg.Go(func() { packaged = pack.install(t) })
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	ids := map[string]storyJSON{}
	h.eventually(20*time.Second, "two incidents, one for each attack", func() error {
		clear(ids)
		for _, steps := range [][]step{web, theft} {
			fresh := h.incidentsWith(before, steps)
			if len(fresh) != 1 {
				return fmt.Errorf("an attack is in %d incidents: %v", len(fresh), fresh)
			}
			var st storyJSON
			h.json(&st, "incidents", "show", fresh[0])
			if err := st.check(steps, wanted{}); err != nil {
				return err
			}
			ids[fresh[0]] = st
		}
		if len(ids) != 2 {
			return fmt.Errorf("both attacks are in one incident: %v", ids)
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	for _, id := range h.incidents() {
		var st storyJSON
		h.json(&st, "incidents", "show", id)
		for _, pid := range packaged {
			if n := st.process(pid); n != nil && !slices.Contains(before, id) {
				t.Errorf("incident %s holds process %d (%s) of the package's installation", id, pid, n.Label)
			}
		}
		inWeb, inTheft := st.holds(web), st.holds(theft)
		if inWeb && inTheft {
			t.Errorf("incident %s holds steps of both attacks", id)
		}
	}
	if len(packaged) < 4 {
		t.Errorf("%d processes of the package's installation; want dpkg, its script and what that ran", len(packaged))
	}
}

// overSSH runs an attack in a session of a real SSH server on loopback: the log-on is the way in, with the connection
// it came over and the session's first event.
func overSSH(t *testing.T, h *house) {
	for _, tool := range []string{"/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"} {
		if _, err := os.Stat(tool); err != nil {
			t.Skipf("needs %s: apt-get install openssh-server", tool)
		}
	}
	dir, addr := t.TempDir(), freePort(t)
	for _, key := range []string{"host", "key"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/key.pub\nPidFile none\nUsePAM yes\nPasswordAuthentication no\nPermitRootLogin yes\nStrictModes no\n", port, dir, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/run/sshd"); err != nil { // the server's own rule; its service would make it
		if err := os.Mkdir("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove("/run/sshd") })
	}
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", conf)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	ssh := []string{"ssh", "-q", "-p", port, "-i", filepath.Join(dir, "key"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "root@127.0.0.1"}
	var session []byte
	h.eventually(10*time.Second, "the SSH server lets us in", func() (err error) {
		session, err = exec.Command(ssh[0], append(ssh[1:], "cat /proc/self/sessionid")...).Output()
		return err
	})
	before := h.incidents()
	steps := attackBelow(t, ssh, "credential-theft")
	if t.Failed() {
		t.FailNow()
	}
	want := wanted{route: "logon", to: "", kinds: []string{"net.accept", "process.exec"}, known: []string{"when", "where", "what", "why", "who", "accounts", "how"}}
	if string(session) != "4294967295" { // PAM opened a session of the kernel's
		want.kinds = []string{"net.accept", "auth.logon", "process.exec"}
	}
	h.story(before, steps, want, 5*time.Second)
}

// story waits for the one new incident of an attack, checks what it says, and that the store has what it cites.
func (h *house) story(before []string, steps []step, want wanted, within time.Duration) (id string) {
	h.t.Helper()
	var st storyJSON
	h.eventually(within, "exactly one new incident with every step in its story", func() error {
		fresh := h.incidentsWith(before, steps)
		if len(fresh) != 1 {
			return fmt.Errorf("new incidents with steps of the attack: %v", fresh)
		}
		id, st = fresh[0], storyJSON{}
		h.json(&st, "incidents", "show", id)
		return st.check(steps, want)
	})
	kinds := map[string]string{}
	h.eventually(5*time.Second, "every cited event is in the store", func() (err error) {
		kinds, err = h.kinds(st.cited())
		return err
	})
	if err := st.checkEntry(steps, want, kinds); err != nil {
		h.t.Errorf("%v\nentry: %+v", err, st.Entry)
	}
	return id
}

// kinds reads events from the store by id and says which are not there.
func (h *house) kinds(ids []string) (map[string]string, error) {
	client, url := console.Dial(h.data)
	c := consolev1connect.NewConsoleClient(client, url)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := map[string]string{}
	for part := range slices.Chunk(ids, 200) {
		r, err := c.ListEvents(ctx, connect.NewRequest(&consolev1.ListEventsRequest{Ids: part, Limit: uint32(len(part))}))
		if err != nil {
			return nil, err
		}
		if len(r.Msg.Missing) > 0 {
			return nil, fmt.Errorf("%d of %d cited events are not in the store: %v", len(r.Msg.Missing), len(ids), r.Msg.Missing)
		}
		for _, e := range r.Msg.Events {
			out[e.Id] = e.Kind
		}
	}
	if len(out) != len(ids) {
		return nil, fmt.Errorf("the store has %d of %d cited events", len(out), len(ids))
	}
	return out, nil
}

// cited lists every event that a sentence, an edge or the entry route stands on, once.
func (st *storyJSON) cited() (ids []string) {
	for _, a := range st.Answers {
		for _, s := range a.Sentences {
			ids = append(ids, s.EventIDs...)
		}
	}
	for _, e := range st.Edges {
		ids = append(ids, e.EventIDs...)
	}
	for _, c := range st.Entry.Chain {
		ids = append(ids, c.EventIDs...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// process gives the process of the story that has the pid and is more than an ancestor shown for orientation.
func (st *storyJSON) process(pid uint64) *storyNode {
	for i := range st.Nodes {
		if n := &st.Nodes[i]; n.Kind == "process" && n.PID == pid && !slices.Contains(n.Flags, "context") {
			return n
		}
	}
	return nil
}

func (st *storyJSON) holds(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.pid != 0 && st.process(s.pid) != nil })
}

// is says whether a node is the named step, or of one of the named kinds ("url|address").
func (st *storyJSON) is(ref, want string, steps []step) bool {
	i := slices.IndexFunc(st.Nodes, func(n storyNode) bool { return n.Ref == ref })
	if i < 0 {
		return false
	}
	n := st.Nodes[i]
	if slices.ContainsFunc(steps, func(s step) bool { return s.name == want && n.Kind == "process" && s.pid == n.PID }) {
		return true
	}
	return slices.Contains(strings.Split(want, "|"), n.Kind)
}

// incidentsWith gives the incidents that are new since before and hold a process of the attack. What else
// goes on on this host may have made others.
func (h *house) incidentsWith(before []string, steps []step) (ids []string) {
	h.t.Helper()
	for _, id := range h.incidents() {
		if slices.Contains(before, id) {
			continue
		}
		var st storyJSON
		h.json(&st, "incidents", "show", id)
		if slices.ContainsFunc(st.Nodes, func(n storyNode) bool {
			return n.Kind == "process" && slices.ContainsFunc(steps, func(s step) bool { return s.pid != 0 && s.pid == n.PID })
		}) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *house) incidents() []string {
	h.t.Helper()
	var rows []incidentRow
	h.json(&rows, "incidents")
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// check says what is missing from a story, nil when nothing is.
func (st *storyJSON) check(steps []step, want wanted) error {
	for _, s := range steps {
		if s.pid != 0 && !slices.ContainsFunc(st.Nodes, func(n storyNode) bool { return n.Kind == "process" && n.PID == s.pid }) {
			return fmt.Errorf("step %q (pid %d) is not in the story of %d nodes", s.name, s.pid, len(st.Nodes))
		}
	}
	for _, w := range want.edges {
		found := false
		for _, e := range st.Edges {
			found = found || e.Kind == w.kind && len(e.EventIDs) > 0 && st.is(e.From, w.from, steps) && st.is(e.To, w.to, steps)
		}
		if !found {
			return fmt.Errorf("no edge %s from %s to %s with its events", w.kind, w.from, w.to)
		}
	}
	for _, answer := range []string{"when", "where", "what", "why", "who", "accounts", "how"} {
		told := false
		for _, a := range st.Answers {
			for _, s := range a.Sentences {
				if a.Answer != answer {
					continue
				}
				if s.Text.En == "" || s.Text.Ja == "" || s.Unknown != (len(s.EventIDs) == 0) {
					return fmt.Errorf("%s: a sentence cites its events and stands in both languages, or says unknown: %+v", answer, s)
				}
				told = told || !s.Unknown || !slices.Contains(want.known, answer)
			}
		}
		if !told {
			return fmt.Errorf("%s is not answered with an event", answer)
		}
	}
	if want.route != "" && st.Entry.Route != want.route {
		return fmt.Errorf("entry route %q (%s); want %s", st.Entry.Route, st.Entry.Stopped.Why.En, want.route)
	}
	return nil
}

// checkEntry says what is wrong with the way in: the steps it begins and ends with and the kinds of event behind it, or
// why it is not known.
func (st *storyJSON) checkEntry(steps []step, want wanted, kinds map[string]string) error {
	e := st.Entry
	if e.Route == "unknown" {
		for _, w := range want.reason {
			if !strings.Contains(e.Stopped.Why.En, w) {
				return fmt.Errorf("the reason %q does not say %q", e.Stopped.Why.En, w)
			}
		}
		if e.Stopped.Why.Ja == "" || !slices.ContainsFunc(st.Nodes, func(n storyNode) bool { return n.Ref == e.Stopped.Where }) {
			return fmt.Errorf("the reason has no Japanese, or the search ended at %q, which is not in the story", e.Stopped.Where)
		}
		return nil
	}
	if len(e.Chain) == 0 || want.from != "" && !st.is(e.Chain[0].Ref, want.from, steps) || want.to != "" && !st.is(e.Chain[len(e.Chain)-1].Ref, want.to, steps) {
		return fmt.Errorf("the chain does not lead from %s to %s", want.from, want.to)
	}
	var got []string
	for _, c := range e.Chain {
		for _, id := range c.EventIDs {
			got = append(got, kinds[id])
		}
	}
	ok := len(got) == len(want.kinds)
	for i := 0; ok && i < len(got); i++ {
		ok = slices.ContainsFunc(strings.Split(want.kinds[i], "|"), func(k string) bool { return got[i] == k || strings.HasSuffix(k, ".") && strings.HasPrefix(got[i], k) })
	}
	if !ok {
		return fmt.Errorf("the chain rests on events %v; want %v", got, want.kinds)
	}
	return nil
}

type step struct {
	name string
	pid  uint64
}

// runAttack runs a script of dev/attacks and gives its steps.
func runAttack(t *testing.T, name string, args ...string) []step {
	t.Helper()
	steps := attackBelow(t, nil, name, args...)
	if len(steps) == 0 {
		t.FailNow()
	}
	return steps
}

// attackBelow runs a script of dev/attacks below the words of a command such as ssh and gives its steps; it may run
// beside others, so it marks a failure and gives none.
func attackBelow(t *testing.T, below []string, name string, args ...string) (steps []step) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "steps.tsv")
	script, err := filepath.Abs(filepath.Join("..", "..", "dev", "attacks", name+".sh"))
	if err != nil {
		t.Error(err)
		return nil
	}
	cmd := exec.Command("bash", append([]string{script}, args...)...)
	if len(below) > 0 {
		cmd = exec.Command(below[0], append(below[1:], "ATTACK_LOG="+log+" bash "+script+" "+strings.Join(args, " "))...)
	}
	cmd.Env = append(os.Environ(), "ATTACK_LOG="+log)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
		return nil
	}
	f, err := os.Open(log)
	if err != nil {
		t.Errorf("%s wrote no steps: %v\n%s", name, err, out)
		return nil
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		part := strings.SplitN(sc.Text(), "\t", 3)
		pid, err := strconv.ParseUint(part[1], 10, 64)
		if err != nil {
			t.Errorf("step %q: %v", sc.Text(), err)
			return nil
		}
		steps = append(steps, step{name: part[0], pid: pid})
	}
	if len(steps) < 5 {
		t.Errorf("%s has %d steps; want at least 5", name, len(steps))
		return nil
	}
	return steps
}
