package probe

import (
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/yagura-edr/yagura/internal/event"
)

const (
	answerWait = 150 * time.Millisecond // how long a query waits for its answer
	maxAsked   = 1024                   // queries that wait; full: the oldest leaves without its answer
)

// question is a query that waits for its answer.
type question struct {
	port, id uint16
	name     string
	kind     uint16
	event    *event.Event
}

// dns reads a query, which then waits for its answer, or an answer, which completes its query.
func (d *decoder) dns(f *fields, h *head, e *event.Event, emit func(*event.Event)) error {
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
		for i, q := range d.asked {
			if q.port == s.rport && q.id == m.id && q.name == m.name && q.kind == m.kind {
				q.event.Answers = m.answers
				d.asked = append(d.asked[:i], d.asked[i+1:]...)
				emit(q.event)
				break
			}
		}
		return nil
	}
	e.Kind = event.DNSQuery
	s.fill(e)
	e.Initiated = true
	e.Query, e.QueryType = m.name, uint64(m.kind)
	if len(d.asked) >= maxAsked {
		emit(d.asked[0].event)
		d.asked = d.asked[1:]
	}
	d.asked = append(d.asked, question{port: s.lport, id: m.id, name: m.name, kind: m.kind, event: e})
	return nil
}

// unanswered lets queries go whose answer did not come in time.
func (d *decoder) unanswered(now uint64, emit func(*event.Event)) {
	n := 0
	for _, q := range d.asked {
		if now < q.event.BootNS+uint64(answerWait) {
			break
		}
		emit(q.event)
		n++
	}
	if n > 0 {
		d.asked = append(d.asked[:0], d.asked[n:]...)
	}
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
