// Package decode reads the records that the kernel programs write (docs/format/probe-record.md) and makes events of them. It asks neither
// the kernel nor a file: it is given bytes, so it runs, and is fuzzed, without a probe. Package probe gives it what lies in the rings;
// packages sight and lineage know its words for roots, images and ends of pipes.
package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/clock"
)

// Types of records, as record.h numbers them.
const (
	recExec      = 1
	recFork      = 2
	recExit      = 3
	recTask      = 4
	recSignal    = 5
	recConnect   = 10
	recAccept    = 11
	recListen    = 12
	recClose     = 13
	recDNSQuery  = 20
	recDNSAnswer = 21
	recCreate    = 30
	recModify    = 31
	recRename    = 32
	recDelete    = 33
	recChmod     = 34
	recRead      = 35
	recLink      = 36
	recPtrace    = 40
	recVMWrite   = 41
	recMemfd     = 42
	recMemOpen   = 43
	recThrottle  = 50
)

// Tags of texts.
const (
	textPath    = 1
	textScript  = 2
	textCwd     = 3
	textArgv    = 4
	textTTY     = 5
	textCgroup  = 6
	textOldBase = 7
	textOldUser = 8
	textUser    = 9
	textDNS     = 10
	textEnds    = 11
	textRoot    = 12
	textAsked   = 13
	textMax     = 14
)

// Bits of a head's flags.
const (
	headPathCut    = 1
	headArgvCut    = 2
	headUnreadable = 4
	headUser       = 8
)

// HeadBytes is the least length of a record.
const HeadBytes = 88

const (
	recordVersion = 2
	fileBytes     = 56
	sockBytes     = 40
)

// fields reads a fixed part in order. Reading past the end gives zeros and is remembered.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if len(f.b) < n {
		f.short = true
		f.b = nil
		return make([]byte, n)
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) u16() uint16 { return binary.LittleEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }

// head is what every record begins with.
type head struct {
	kind        uint16
	version     uint8
	flags       uint8
	length      uint32
	bootNS      uint64
	start       uint64
	tgid        uint32
	cgid        uint64
	parentStart uint64
	parentTgid  uint32
	uid, euid   uint32
	execID      uint32
	comm        []byte // in the record
}

func (f *fields) head() head {
	b, le := f.take(HeadBytes), binary.LittleEndian
	return head{
		kind: le.Uint16(b), version: b[2], flags: b[3], length: le.Uint32(b[4:]), bootNS: le.Uint64(b[16:]), start: le.Uint64(b[24:]),
		tgid: le.Uint32(b[32:]), cgid: le.Uint64(b[40:]), parentStart: le.Uint64(b[48:]), parentTgid: le.Uint32(b[56:]),
		uid: le.Uint32(b[60:]), euid: le.Uint32(b[64:]), execID: le.Uint32(b[68:]), comm: cut(b[72:88]),
	}
}

// texts holds the texts behind the fixed part, by tag. They alias the record.
type texts [textMax][]byte

func (f *fields) texts() (t texts, err error) {
	for len(f.b) > 0 {
		tag, n := f.u16(), int(f.u16())
		if f.short || len(f.b) < n {
			return t, fmt.Errorf("text %d of %d bytes: %w", tag, n, event.ErrMalformed)
		}
		b := f.take(n)
		if int(tag) < len(t) {
			t[tag] = b
		}
	}
	return t, nil
}

// Options of a decoder.
type Options struct {
	BootTag uint32
	Clock   *clock.Clock
	Pool    *sync.Pool        // of *event.Event; nil makes each anew
	Sizes   bool              // the kernel side knows what was in a file that is emptied
	Within  map[string]string // of credentials, by name: what their path must have
}

// Decoder turns records into events. Between two records it keeps queries that wait for their answer, processes
// that are throttled, and texts that come again.
type Decoder struct {
	o         Options
	executed  Image  // what the last exec read was the exec of
	ends      []End  // of the last exec or exit read
	root      Root   // of the last exec or running process read
	args      []byte // of the last exec read, in the record
	words     words
	asked     []question // that wait for their answer
	late      []question // that left without
	throttled []throttled
}

// New makes a decoder.
func New(o Options) *Decoder { return &Decoder{o: o} }

// SetSizes says whether the kernel side knows by now what was in a file that is emptied.
func (d *Decoder) SetSizes(known bool) { d.o.Sizes = known }

// Waits says whether queries wait for their answers.
func (d *Decoder) Waits() bool { return len(d.asked) > 0 }

// Executed identifies the image of the exec that is being emitted; zero when it has no inode. This and the three below may be asked
// from inside emit only, and what they give does not outlive that.
func (d *Decoder) Executed() Image { return d.executed }

// Ends gives the pipes, and the file that standard output goes to, of the exec or exit that is being emitted.
func (d *Decoder) Ends() []End { return d.ends }

// Arguments gives the arguments of the exec that is being emitted, each ended by NUL.
func (d *Decoder) Arguments() []byte { return d.args }

// Root gives the root folder of the process whose exec, or running, is being emitted.
func (d *Decoder) Root() Root { return d.root }

// Classes in the order in which the kernel side numbers them.
var Classes = [...]string{"process", "network", "dns", "file", "memory"}

// BootOf gives when a record of at least HeadBytes was made, in ns since boot.
func BootOf(record []byte) uint64 { return binary.LittleEndian.Uint64(record[16:]) }

// LengthOf gives how long a record says that it is; it needs the first 8 bytes.
func LengthOf(record []byte) int { return int(binary.LittleEndian.Uint32(record[4:])) }

// ReaderOf gives the number of the process that reads the iterator over processes: its records, of at least HeadBytes, have it where
// those of the rings have the control group.
func ReaderOf(record []byte) uint32 { return uint32(binary.LittleEndian.Uint64(record[40:])) }

// Decode reads one record and emits the events that it stands for. Nothing of b is kept.
func (d *Decoder) Decode(b []byte, emit func(*event.Event)) error {
	f := fields{b: b}
	h := f.head()
	if f.short {
		return fmt.Errorf("record of %d bytes: %w", len(b), event.ErrMalformed)
	}
	if h.length < HeadBytes || uint64(h.length) > uint64(len(b)) {
		return fmt.Errorf("record of %d bytes says it has %d: %w", len(b), h.length, event.ErrMalformed)
	}
	f.b = b[HeadBytes:h.length]
	if h.version != recordVersion {
		return fmt.Errorf("record version %d, this sensor reads %d: %w", h.version, recordVersion, event.ErrMalformed)
	}
	e := d.begin(&h)
	var err error
	switch h.kind {
	case recExec, recTask:
		err = d.process(&f, &h, e, emit)
	case recFork:
		d.fork(&f, e, emit)
	case recExit:
		d.exit(&f, e, emit)
		d.ends = d.ends[:0]
	case recSignal:
		d.signal(&f, e, emit)
	case recConnect, recAccept, recListen, recClose:
		d.net(&f, &h, e, emit)
	case recDNSQuery, recDNSAnswer:
		err = d.dns(&f, &h, e, emit)
	case recCreate, recModify, recRename, recDelete, recChmod, recRead, recLink:
		err = d.file(&f, &h, e, emit)
	case recMemOpen:
		err = d.memoryOpened(&f, e, emit)
	case recPtrace, recVMWrite, recMemfd:
		err = d.memory(&f, &h, e, emit)
	case recThrottle:
		err = d.throttle(&f, &h, e, emit)
	default:
		err = fmt.Errorf("record type %d: %w", h.kind, event.ErrMalformed)
	}
	if err == nil && f.short {
		err = fmt.Errorf("record type %d of %d bytes: %w", h.kind, len(b), event.ErrMalformed)
	}
	return err
}

// begin makes the event with what every record says: when, who, and whose child.
func (d *Decoder) begin(h *head) *event.Event {
	e := d.fresh()
	e.OS, e.BootNS, e.HostTime = event.Linux, h.bootNS, d.o.Clock.Host(h.bootNS)
	if h.flags&headPathCut != 0 {
		e.Flags |= event.FlagPathTruncated
	}
	if h.flags&headArgvCut != 0 {
		e.Flags |= event.FlagCommandLineTruncated
	}
	if h.flags&headUser != 0 {
		e.Flags |= event.FlagUserPointer
	}
	if h.flags&headUnreadable != 0 {
		e.Flags |= event.FlagUnreadable
	}
	if h.tgid != 0 {
		d.name(&e.Actor, h.start, h.tgid)
		e.Actor.ExecID = uint64(h.execID)
		e.Actor.UserID, e.Actor.EffectiveUserID = d.words.number(h.uid), d.words.number(h.euid)
		e.Actor.Comm = d.words.word(h.comm)
	}
	if h.parentTgid != 0 {
		d.name(&e.Parent, h.parentStart, h.parentTgid)
	}
	return e
}

// fresh gives an empty event, one that was given back if there is one.
func (d *Decoder) fresh() *event.Event {
	if d.o.Pool == nil {
		return new(event.Event)
	}
	e, _ := d.o.Pool.Get().(*event.Event)
	if e == nil {
		return new(event.Event)
	}
	ancestors, lineage := e.Ancestors[:0], e.Lineage[:0]
	*e = event.Event{}
	e.Ancestors, e.Lineage = ancestors, lineage
	return e
}

func (d *Decoder) name(p *event.Process, start uint64, tgid uint32) {
	p.Key, p.PID, p.StartNS = event.LinuxKey(start, tgid, d.o.BootTag), uint64(tgid), start
}

// joinPath turns components, leaf first, each ended by NUL, into a path.
func joinPath(b []byte) string { return string(appendPath(nil, b)) }

// JoinArguments joins arguments by one space each, as the new image got them.
func JoinArguments(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return ""
	}
	out := bytes.Clone(b)
	for i := range out {
		if out[i] == 0 {
			out[i] = ' '
		}
	}
	return cutOut(out)
}
