package incident

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// fillRow fills in what a list shows of the story.
func fillRow(b *builder, r *Row, s *Story, st *story, now time.Time) {
	sev, why, title := severity(b.dets)
	r.Severity, r.Why = sev, why
	r.Hosts, r.Hostnames = nil, nil
	hosts := b.hosts()
	if len(hosts) == 0 && len(b.dets) > 0 {
		if a := b.g.hosts[b.dets[0].Event.ID.Host]; a != nil {
			hosts = append(hosts, a)
		}
	}
	for _, a := range hosts {
		r.Hosts = append(r.Hosts, a.id)
		r.Hostnames = append(r.Hostnames, b.hostName(a))
	}
	names := r.Hostnames
	if len(names) > 3 {
		names = append(append([]string{}, names[:3]...), fmt.Sprintf("+%d", len(r.Hostnames)-3))
	}
	name := strings.Join(names, ", ")
	more := titlesOf(b.dets) - 1
	r.Title = title
	if r.Title.Ja == "" {
		r.Title.Ja = r.Title.En
	}
	if more > 0 {
		r.Title.En = fmt.Sprintf("%s and %d more", r.Title.En, more)
		r.Title.Ja = fmt.Sprintf("%s ほか %d 件", r.Title.Ja, more)
	}
	if name != "" {
		r.Title.En += " on " + name
		r.Title.Ja += "（" + name + "）"
	}
	acts := b.acts()
	r.First, r.Last = extent(st)
	if len(acts) > 0 {
		r.First, r.Last = acts[0].time, acts[len(acts)-1].time
	}
	r.Processes = len(b.members())
	seen := map[string]bool{}
	r.ATTACK = nil
	for _, d := range b.dets {
		for _, t := range d.ATTACK {
			t = strings.TrimSpace(t)
			if t != "" && !seen[t] {
				seen[t] = true
				r.ATTACK = append(r.ATTACK, t)
			}
		}
	}
	sort.Strings(r.ATTACK)
	r.Entry, r.Route = s.Entry.Label, s.Entry.Route
	r.User = ""
	for _, d := range b.dets {
		if u := d.Event.Event.Actor.UserName; u != "" {
			r.User = u
			break
		}
	}
	r.Updated = now.UnixMicro()
}

// titlesOf counts what was found, each kind once.
func titlesOf(dets []detection.Detection) int {
	seen := map[string]bool{}
	for i := range dets {
		seen[dets[i].Title.En] = true
	}
	return len(seen)
}

// hostOnly makes the story of detections that name no process: the host itself is its node.
func hostOnly(b *builder, s *Story) {
	seen := map[event.HostID]bool{}
	for _, d := range b.dets {
		h := d.Event.ID.Host
		if seen[h] {
			continue
		}
		seen[h] = true
		name := h.String()
		if a := b.g.hosts[h]; a != nil {
			name = b.hostName(a)
		}
		n := Node{Ref: h.String(), Kind: NodeHost, Label: name, Labels: said("host "+name, "ホスト "+name), Host: h.String(), HostName: name, Later: []string{}, Start: when(d.Event.Event), Flags: []string{}, Counts: map[string]int{}, Earlier: []string{}, EventIDs: []string{d.Event.ID.String()}}
		for _, x := range b.dets {
			if x.Event.ID.Host == h {
				n.Detections = append(n.Detections, x.ID)
			}
		}
		s.Nodes = append(s.Nodes, n)
	}
}

// severity gives the highest severity of the detections and says why.
func severity(dets []detection.Detection) (detection.Severity, Said, Said) {
	var top *detection.Detection
	for i := range dets {
		if top == nil || dets[i].Severity > top.Severity {
			top = &dets[i]
		}
	}
	if top == nil {
		return 0, Said{}, Said{}
	}
	word := map[detection.Severity]string{1: "情報", 2: "低", 3: "中", 4: "高", 5: "緊急"}[top.Severity]
	return top.Severity, Said{En: fmt.Sprintf("highest of %d detections: %s (%s)", len(dets), top.Title.En, top.Severity), Ja: fmt.Sprintf("検知 %d 件のうち最も高いもの: %s（%s）", len(dets), top.Title.In("ja"), word)}, top.Title
}
