package decode

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/clock"
)

// packet builds a record of a DNS message at a time, from or to a port.
func packet(t *testing.T, kind uint16, at time.Duration, port, id uint16, name string, answers ...[4]byte) []byte {
	t.Helper()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	m.Response = kind == recDNSAnswer
	for _, a := range answers {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: a}})
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	r := record(kind, sockBytes, map[uint16]string{textDNS: string(b)})
	binary.LittleEndian.PutUint64(r[16:], uint64(at))
	binary.LittleEndian.PutUint16(r[HeadBytes:], familyInet)
	ports := []uint16{port, 53} // as the sender sees it
	if kind == recDNSAnswer {
		ports = []uint16{53, port}
	}
	binary.LittleEndian.PutUint16(r[HeadBytes+2:], ports[0])
	binary.LittleEndian.PutUint16(r[HeadBytes+4:], ports[1])
	return r
}

// TestAnswersFindTheirQuestions: whatever letters and however late, for each time the question was asked; and no other.
func TestAnswersFindTheirQuestions(t *testing.T) {
	var got []event.Event
	d := New(Options{Clock: new(clock.Clock)})
	emit := func(e *event.Event) { got = append(got, *e) }
	take := func(r []byte) {
		t.Helper()
		if err := d.Decode(r, emit); err != nil {
			t.Fatal(err)
		}
	}
	addr := [4]byte{203, 0, 113, 7}
	ms := time.Millisecond

	take(packet(t, recDNSQuery, 0, 4000, 1, "MiXeD.test."))
	take(packet(t, recDNSAnswer, 10*ms, 4000, 1, "mixed.test.", addr))
	if len(got) != 1 || len(got[0].Answers) != 1 || got[0].Query != "MiXeD.test" {
		t.Fatalf("answer in other letters: %+v", got)
	}
	got = nil
	take(packet(t, recDNSQuery, 20*ms, 4000, 2, "twice.test."))
	take(packet(t, recDNSQuery, 30*ms, 4000, 2, "twice.test."))
	take(packet(t, recDNSAnswer, 40*ms, 4000, 2, "twice.test.", addr))
	if len(got) != 2 || len(got[0].Answers) != 1 || len(got[1].Answers) != 1 {
		t.Fatalf("a question asked again: %+v", got)
	}
	got = nil
	take(packet(t, recDNSQuery, 50*ms, 4000, 3, "late.test."))
	d.Unanswered(uint64(201*ms), emit)
	if len(got) != 1 || got[0].Kind != event.DNSQuery || len(got[0].Answers) != 0 {
		t.Fatalf("a question without an answer: %+v", got)
	}
	take(packet(t, recDNSAnswer, 300*ms, 4000, 3, "forged.test.", addr))
	take(packet(t, recDNSAnswer, 300*ms, 4001, 3, "late.test.", addr))
	take(packet(t, recDNSAnswer, 300*ms, 4000, 4, "late.test.", addr))
	if len(got) != 1 {
		t.Fatalf("answers to nobody: %+v", got[1:])
	}
	take(packet(t, recDNSAnswer, 400*ms, 4000, 3, "LATE.test.", addr))
	if len(got) != 2 || got[1].Kind != event.DNSAnswer || got[1].Query != "late.test" || len(got[1].Answers) != 1 || got[1].FromNS != uint64(50*ms) || got[1].Actor.PID != 77 || got[1].RemotePort != 53 {
		t.Fatalf("a late answer: %+v", got)
	}
	take(packet(t, recDNSAnswer, 410*ms, 4000, 3, "late.test.", addr))
	if len(got) != 2 {
		t.Errorf("the same answer again: %+v", got[2:])
	}
	got = nil
	for i := range uint16(3 * maxLate) {
		take(packet(t, recDNSQuery, time.Second, 5000, i, "flood.test."))
	}
	d.Unanswered(uint64(2*time.Second), emit)
	if len(d.asked) != 0 || len(d.late) > maxLate || len(got) != 3*maxLate {
		t.Errorf("%d wait, %d are remembered, %d left", len(d.asked), len(d.late), len(got))
	}
	d.Unanswered(uint64(time.Minute), emit)
	if len(d.late) != 0 {
		t.Errorf("%d are remembered for ever", len(d.late))
	}
}
