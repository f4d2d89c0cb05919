package main

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/incident"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// telling tells one incident to a person, in the order of the questions asked at three in the morning: how
// bad, what happened, how they got in, what ran, what could not be seen, what to do now.
type telling struct {
	*shell

	incident *consolev1.Incident
	story    incident.Story
	told     map[string]bool // long command lines that stand on the page already
}

// Lengths of a command line in a row of the story: the first time it stands on the page, and again.
const (
	wholeCommand = 400
	shortCommand = 60
)

var quotedCommand = regexp.MustCompile("“[^”]*”|「[^」]*」")

// again shortens the long command lines of a text that stand on the page already.
func (t *telling) again(text string) string {
	return quotedCommand.ReplaceAllStringFunc(text, func(q string) string {
		r := []rune(q)
		return string(r[0]) + t.once(string(r[1:len(r)-1])) + string(r[len(r)-1])
	})
}

// once gives a command line, shortened when its beginning has been told.
func (t *telling) once(line string) string {
	r := []rune(line)
	if len(r) <= shortCommand {
		return line
	}
	begin := string(r[:shortCommand-1])
	if t.told[begin] {
		return begin + "…"
	}
	if t.told == nil {
		t.told = map[string]bool{}
	}
	t.told[begin] = true
	if len(r) > wholeCommand {
		return string(r[:wholeCommand-1]) + "…"
	}
	return line
}

// hosts names the hosts of the story by their ids; several says that a row must say its own.
func (t *telling) hosts() (names map[string]string, several bool) {
	names = map[string]string{}
	for i := range t.story.Nodes {
		if n := &t.story.Nodes[i]; n.Host != "" && n.HostName != "" {
			names[n.Host] = n.HostName
		}
	}
	return names, len(names) > 1
}

// sentence gives a sentence of the story. Its times are those of the day that the page's first lines name.
func (t *telling) sentence(x incident.Said) string {
	return terminal.TimesOfDay(x.In(t.tongue.Language()), t.incident.Row.First)
}

// flagWords are the flags of a node that a person should see, each with its word.
var flagWords = [][2]string{
	{"starts many programs", incident.FlagHub},
	{"known from others only", incident.FlagNotObserved},
	{"ran before the sensor", incident.FlagRunning},
	{"in memory only", incident.FlagMemory},
	{"deleted file", incident.FlagDeleted},
	{"prevented", incident.FlagPrevented},
	{"the way in", incident.FlagEntry},
}

// Widths of the left columns.
const (
	answerIndent = 20
	storyMargin  = 15 // 10:31:52.123456
)

func (t *telling) tell() {
	row := t.incident.Row
	t.printf("%s  %s  %s  %s\n", t.severity(row.Severity), t.say(row.State), event.Show(strings.Join(row.Hostnames, " ")), row.Id)
	t.paragraph("", 0, t.said(row.Title))
	t.printf("%s\n", t.say("%s to %s, %d detections, %d processes", terminal.Clock(row.First), terminal.Clock(row.Last), row.Detections, row.Processes))
	t.printf("\n")
	for _, a := range t.story.Answers {
		head := t.say(a.Answer)
		for _, x := range a.Sentences {
			text := t.again(t.sentence(x.Text))
			if x.Basis == "inferred" && !x.Unknown {
				text = withRemark(text, t.say("(inferred)"))
			}
			t.paragraph(head, answerIndent, text)
			head = ""
		}
	}
	t.wayIn()
	t.rows()
	t.blind()
	t.next()
}

func (t *telling) wayIn() {
	e := t.story.Entry
	t.heading("THE WAY IN")
	head := t.saidHere(e.Label)
	if e.Confidence != "" && e.Route != "unknown" {
		head = withRemark(head, t.tongue.Typeset("("+t.say("confidence "+e.Confidence)+")"))
	}
	t.paragraph("", 0, head)
	if w := t.saidHere(e.Weakness); w != "" {
		t.paragraph(t.say("weakness"), answerIndent, w)
	}
	for i, step := range e.Chain {
		t.paragraph(strconv.Itoa(i+1)+".", 4, t.again(t.sentence(step.Text)))
	}
	if stopped := t.sentence(e.Stopped.Why); stopped != "" && e.Route == "unknown" {
		t.paragraph("", 0, stopped)
	}
	if len(e.Steps) > 0 {
		t.paragraph("", 0, t.say("From host to host:"))
	}
	for _, step := range e.Steps {
		t.paragraph("", 4, t.again(t.sentence(step.Text)))
	}
}

// rows draws the story as a tree of what ran, each row with its time, and the detections under it.
func (t *telling) rows() {
	titles := map[string]string{}
	for _, d := range t.incident.Detections {
		titles[d.Id] = t.severity(d.Severity) + " " + t.said(d.Title)
	}
	known := map[string]bool{}
	for _, n := range t.story.Nodes {
		known[n.Ref] = true
	}
	children := map[string][]int{}
	for i, n := range t.story.Nodes {
		parent := n.RowParent
		if !known[parent] || parent == n.Ref {
			parent = ""
		}
		children[parent] = append(children[parent], i)
	}
	folds := map[string][]incident.Fold{}
	for _, f := range t.story.Folds {
		folds[f.Parent] = append(folds[f.Parent], f)
	}
	t.heading("THE STORY")
	var rows []branch
	seen := map[int]bool{}
	var walk func(ref string, depth int)
	walk = func(ref string, depth int) {
		for _, i := range children[ref] {
			if seen[i] {
				continue
			}
			seen[i] = true
			n := &t.story.Nodes[i]
			if depth == 0 {
				var above []string
				if i, above = t.context(i, children); len(above) > 0 {
					rows = append(rows, branch{text: event.Show(strings.Join(above, " → ")) + "  [" + t.say("only where it stands") + "]"})
					n = &t.story.Nodes[i]
					seen[i] = true
					b := t.row(n)
					b.depth = 1
					rows = append(rows, t.noted(b, n, titles))
					walk(n.Ref, 2)
					continue
				}
			}
			b := t.row(n)
			b.depth = depth
			rows = append(rows, t.noted(b, n, titles))
			walk(n.Ref, depth+1)
		}
		for _, f := range folds[ref] {
			rows = append(rows, branch{depth: depth, text: t.folded(f)})
		}
	}
	walk("", 0)
	t.print(drawn(rows, storyMargin, t.width()))
	if n := t.story.LeftOut; n.Members > 0 {
		t.paragraph("", 0, t.say("The story is longer than this: its most telling rows are shown, %d processes of it are left out.", n.Members))
	}
	if n := t.story.LeftOut.Things; n > 0 {
		t.paragraph("", 0, t.say("%d files, addresses and the like of it are left out, too.", n))
	}
	most := incident.Fold{}
	for _, f := range t.story.Folds {
		if f.Count > most.Count {
			most = f
		}
	}
	if most.Count > 0 {
		t.printf("%s  %s\n", t.say("All that was started there:"), t.command("tree", shortRef(t.shortNames(), most.Parent)))
	}
}

// folded says how many programs stand for one row.
func (t *telling) folded(f incident.Fold) string {
	if f.Kind == incident.FoldOver {
		return t.say("+%d more of this story: %s", f.Count, t.saidHere(f.Reason))
	}
	return t.say("+%d not part of this story: %s", f.Count, t.saidHere(f.Reason))
}

// noted puts the detections of a node under its row.
func (t *telling) noted(b branch, n *incident.Node, titles map[string]string) branch {
	for _, id := range slices.Sorted(slices.Values(n.Detections)) {
		if said, ok := titles[id]; ok && !slices.Contains(b.notes, said) {
			b.notes = append(b.notes, said)
		}
	}
	return b
}

// context follows ancestors that only say where the story stands, down from node i, and gives their names and
// the first node below them.
func (t *telling) context(i int, children map[string][]int) (below int, names []string) {
	for {
		n := &t.story.Nodes[i]
		next := children[n.Ref]
		if !slices.Contains(n.Flags, incident.FlagContext) || len(n.Detections) > 0 || len(next) != 1 || len(names) > len(t.story.Nodes) {
			return i, names
		}
		names = append(names, n.Label)
		i = next[0]
	}
}

func (t *telling) row(n *incident.Node) branch {
	b := branch{}
	if n.Start > 0 {
		b.right = terminal.TimeOfDay(n.Start)
	}
	text := t.once(n.CommandLine)
	if n.Kind != "process" || text == "" {
		text = t.saidHere(n.Labels)
		if text == "" {
			text = n.Label
		}
	}
	b.text = event.Show(text)
	user := n.User
	if _, several := t.hosts(); several {
		user += "@" + n.HostName
	}
	if n.Kind == "process" && n.PID > 0 {
		b.text += "  (" + event.Show(strings.Join(slices.DeleteFunc([]string{strconv.FormatUint(n.PID, 10), user}, func(s string) bool { return s == "" }), ", ")) + ")"
	}
	for _, f := range n.Flags {
		for _, w := range flagWords {
			if w[1] == f {
				b.text += " [" + t.say(w[0]) + "]"
			}
		}
	}
	return b
}

// blind says where sight was missing: an empty place in a story proves nothing there.
func (t *telling) blind() {
	if len(t.story.Holes) == 0 {
		return
	}
	t.heading("NOT FULLY SEEN")
	names, _ := t.hosts()
	for _, h := range t.story.Holes {
		to := t.say("now")
		if h.To > 0 {
			to = terminal.Clock(h.To)
		}
		t.paragraph("", 2, t.say("%s of %s is %s from %s to %s: %s", t.say(h.Class), event.Show(cmp.Or(names[h.Host], h.Host)), t.say(h.State), terminal.Clock(h.From), to, t.tongue.Text(h.Reason)))
	}
}

// next says what to do: what the rules advise, then the commands, ready to paste.
func (t *telling) next() {
	t.heading("WHAT TO DO")
	var worst []*consolev1.Detection
	advised := map[string]bool{}
	for _, level := range []string{"critical", "high", "medium"} {
		for _, d := range t.incident.Detections {
			if todo := t.said(d.Todo); d.Severity == level && todo != "" && !advised[todo] && len(worst) < 3 {
				advised[todo] = true
				worst = append(worst, d)
			}
		}
	}
	called, several := t.hosts()
	for i, d := range worst {
		todo := t.said(d.Todo)
		if several {
			todo = cmp.Or(called[d.HostId], d.HostId) + ": " + todo
		}
		t.paragraph(strconv.Itoa(i+1)+".", 4, todo)
	}
	id, names := t.incident.Row.Id, t.shortNames()
	hosts := map[string]bool{}
	for _, d := range t.incident.Detections {
		hosts[d.HostId] = true
	}
	if len(worst) > 0 && worst[0].Process != "" {
		process := shortRef(names, worst[0].Process)
		t.printf("\n  %s\n  %s\n", t.command("tree", process), t.command("respond", "kill", "--tree", process, "--incident", id))
	}
	for _, h := range slices.Sorted(maps.Keys(hosts)) {
		t.printf("  %s\n", t.command("respond", "isolate", names(h), "--for", "4h", "--incident", id))
	}
}

// withRemark puts a remark behind a sentence; Japanese has no blank before its wide parenthesis.
func withRemark(text, remark string) string {
	if strings.HasPrefix(remark, "（") {
		return text + remark
	}
	return text + " " + remark
}
