package decode

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/yagura-edr/yagura/internal/event"
)

// AnswerWait is how long a query waits for its answer.
const AnswerWait = 150 * time.Millisecond

const (
	maxAsked = 1024             // queries that wait; full: the oldest leaves without its answer
	lateWait = 30 * time.Second // how long an answer may take that is still believed: resolvers ask again for less
	maxLate  = 1024             // queries that left without; full: the oldest is forgotten
)

// question is a query that waits for its answer, or left without.
type question struct {
	port, id uint16
	name     string
	kind     uint16
	event    *event.Event // while it waits

	// What remains of the event when it left.
	at     uint64
	server sockInfo
	actor  event.Process
	parent event.Process
}

// is says whether an answer is to this question, as resolvers say it: by its number and port, by its type, and by its name in
// whatever letters a server gives it back.
func (q *question) is(port uint16, m *message) bool {
	return q.port == port && q.id == m.id && q.kind == m.kind && strings.EqualFold(q.name, m.name)
}

// dns reads a query, which then waits for its answer, or an answer, which completes its query.
func (d *Decoder) dns(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
	s := f.sock()
	t, err := f.texts()
	if err != nil || f.short {
		return err
	}
	m, ok := readDNS(t[textDNS])
	if !ok {
		return nil // bytes to or from port 53 that are no DNS: what a host sends is not ours to refuse
	}
	if h.kind == recDNSAnswer {
		d.answered(s.rport, &m, e, emit)
		return nil
	}
	e.Kind = event.DNSQuery
	s.fill(e)
	e.Initiated = true
	e.Query, e.QueryType = m.name, uint64(m.kind)
	if len(d.asked) >= maxAsked {
		d.leave(&d.asked[0], emit)
		d.asked = d.asked[1:]
	}
	d.asked = append(d.asked, question{port: s.lport, id: m.id, name: m.name, kind: m.kind, event: e, server: s})
	return nil
}

// answered completes the query that an answer is to, and those that only repeat it. When it has left, the answer is an event of its
// own: what follows to that address must not have an older name.
func (d *Decoder) answered(port uint16, m *message, e *event.Event, emit func(*event.Event)) {
	found := false
	d.asked = slices.DeleteFunc(d.asked, func(q question) bool {
		if !q.is(port, m) {
			return false
		}
		found = true
		q.event.Answers = m.answers
		emit(q.event)
		return true
	})
	if found {
		return
	}
	for i := len(d.late) - 1; i >= 0; i-- {
		q := &d.late[i]
		if !q.is(port, m) {
			continue
		}
		if len(m.answers) > 0 && e.BootNS < q.at+uint64(lateWait) {
			e.Kind, e.Actor, e.Parent, e.FromNS, e.Initiated = event.DNSAnswer, q.actor, q.parent, q.at, true
			q.server.fill(e)
			e.Query, e.QueryType, e.Answers = q.name, uint64(q.kind), m.answers
			emit(e)
		}
		d.late = slices.Delete(d.late, i, i+1)
		return
	}
}

// leave lets a query go without its answer, and remembers it for one that comes late.
func (d *Decoder) leave(q *question, emit func(*event.Event)) {
	if len(d.late) >= maxLate {
		d.late = slices.Delete(d.late, 0, maxLate/8)
	}
	e := q.event
	late := *q
	late.event, late.at, late.parent = nil, e.BootNS, e.Parent
	late.actor = event.Process{Key: e.Actor.Key, PID: e.Actor.PID, StartNS: e.Actor.StartNS}
	d.late = append(d.late, late)
	emit(e)
}

// Unanswered lets queries go whose answer did not come in time.
func (d *Decoder) Unanswered(now uint64, emit func(*event.Event)) {
	n := 0
	for i := range d.asked {
		q := &d.asked[i]
		if now < q.event.BootNS+uint64(AnswerWait) {
			break
		}
		d.leave(q, emit)
		n++
	}
	if n > 0 {
		d.asked = slices.Delete(d.asked, 0, n)
	}
	n = 0
	for n < len(d.late) && now >= d.late[n].at+uint64(lateWait) {
		n++
	}
	d.late = slices.Delete(d.late, 0, n)
}

// message is what is read of a DNS message.
type message struct {
	id, kind uint16
	name     string
	answers  []string
}

// readDNS reads the first question and the addresses and names of the answer section. The parser bounds names
// and pointers; a message cut short gives the answers before the cut.
func readDNS(b []byte) (m message, ok bool) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return m, false
	}
	q, err := p.Question()
	if err != nil {
		return m, false
	}
	m.id, m.kind, m.name = head.ID, uint16(q.Type), plain(q.Name)
	if !head.Response || p.SkipAllQuestions() != nil {
		return m, true
	}
	for len(m.answers) < event.MaxTexts {
		r, err := p.Answer()
		if err != nil {
			break
		}
		if text := answer(r.Body); text != "" {
			m.answers = append(m.answers, text)
		}
	}
	return m, true
}

// plain gives a name without its final dot.
func plain(n dnsmessage.Name) string { return strings.TrimSuffix(n.String(), ".") }
