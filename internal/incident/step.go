package incident

import (
	"fmt"
	"slices"
	"sort"

	"github.com/yagura-edr/yagura/internal/event"
)

// hostStep is a connection by which the story went from one host to another.
type hostStep struct {
	client, taker *proc
	opened, taken fact
	link          *link
}

// hostSteps gives the connections between hosts of the story, by time.
func (b *builder) hostSteps() []hostStep {
	var out []hostStep
	for _, l := range b.lines {
		p, ok := l.from.(*proc)
		q, ok2 := l.to.(*proc)
		if l.kind != EdgeHostToHost || !ok || !ok2 || p.host == q.host || !b.w.role[p].joined() {
			continue
		}
		s := hostStep{client: p, taker: q, link: l}
		for _, f := range l.facts {
			switch {
			case f.id.Host == p.host.id && !s.opened.known():
				s.opened = f
			case f.id.Host == q.host.id && !s.taken.known():
				s.taken = f
			}
		}
		if s.opened.known() && s.taken.known() {
			out = append(out, s)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].taken.time != out[j].taken.time {
			return out[i].taken.time < out[j].taken.time
		}
		return out[i].client.ref() < out[j].client.ref()
	})
	return out
}

// reachedBy says that the story had come to the host from another one of its hosts before the time: what seems to be a
// way in there is a step.
func (b *builder) reachedBy(a *activity, at int64) bool {
	return slices.ContainsFunc(b.steps, func(s hostStep) bool { return s.taker.host == a && s.taken.time <= at })
}

// stepChain tells how the story went from host to host, each pair of hosts once.
func (b *builder) stepChain() []ChainStep {
	out := []ChainStep{}
	seen := map[[2]event.HostID]bool{}
	for _, s := range b.steps {
		pair := [2]event.HostID{s.client.host.id, s.taker.host.id}
		if seen[pair] || len(out) >= maxSteps {
			continue
		}
		seen[pair] = true
		from, to := b.hostName(s.client.host), b.hostName(s.taker.host)
		as, asJa := "", ""
		if u := userOf(s.taker); u != "" {
			as, asJa = " as "+u, "（"+u+" として）"
		}
		out = append(out, step(b.ref(s.taker),
			fmt.Sprintf("%s → %s at %s: %s reached %s%s", from, to, clock(s.taken.time), b.en(s.client), b.en(s.taker), as),
			fmt.Sprintf("%s → %s（%s）: %s から %s へ%s", from, to, clock(s.taken.time), b.ja(s.client), b.ja(s.taker), asJa), s.opened, s.taken))
	}
	return out
}

const maxSteps = 20 // from host to host that are told; full: the first ones are

// onHost adds the host to an English phrase when the story has several.
func (b *builder) onHost(a *activity) string {
	if b.many {
		return " on " + b.hostName(a)
	}
	return ""
}

// atHost puts it before a Japanese one.
func (b *builder) atHost(a *activity) string {
	if b.many {
		return b.hostName(a) + " の "
	}
	return ""
}
