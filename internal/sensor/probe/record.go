package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/yagura-edr/yagura/internal/event"
)

// Types of records, as record.h numbers them.
const (
	recExec      = 1
	recFork      = 2
	recExit      = 3
	recTask      = 4
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
	textMax     = 11
)

// Bits of a head's flags.
const (
	headPathCut    = 1
	headArgvCut    = 2
	headUnreadable = 4
	headUser       = 8
)

const (
	recordVersion = 1
	headBytes     = 88
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

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.LittleEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }

// head is what every record begins with.
type head struct {
	kind        uint16
	version     uint8
	flags       uint8
	length      uint32
	seq         uint64
	bootNS      uint64
	start       uint64
	tgid, tid   uint32
	cgid        uint64
	parentStart uint64
	parentTgid  uint32
	uid, euid   uint32
	execID      uint32
	comm        string
}

func (f *fields) head() head {
	h := head{kind: f.u16(), version: f.u8(), flags: f.u8(), length: f.u32(), seq: f.u64(), bootNS: f.u64(), start: f.u64(),
		tgid: f.u32(), tid: f.u32(), cgid: f.u64(), parentStart: f.u64(), parentTgid: f.u32(), uid: f.u32(), euid: f.u32(), execID: f.u32()}
	h.comm = cut(f.take(16))
	return h
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

// decoder turns records into events. Between two records it keeps only queries that wait for their answer and
// processes that are throttled.
type decoder struct {
	bootTag   uint32
	clock     *clock
	asked     []question
	throttled []throttled
}

// decode reads one record and emits the events that it stands for. Nothing of b is kept.
func (d *decoder) decode(b []byte, emit func(*event.Event)) error {
	f := fields{b: b}
	h := f.head()
	if f.short {
		return fmt.Errorf("record of %d bytes: %w", len(b), event.ErrMalformed)
	}
	if h.length < headBytes || uint64(h.length) > uint64(len(b)) {
		return fmt.Errorf("record of %d bytes says it has %d: %w", len(b), h.length, event.ErrMalformed)
	}
	f.b = b[headBytes:h.length]
	if h.version != recordVersion {
		return fmt.Errorf("record version %d, this sensor reads %d: %w", h.version, recordVersion, event.ErrMalformed)
	}
	e := d.begin(&h)
	var err error
	switch h.kind {
	case recExec, recTask:
		err = d.process(&f, &h, e, emit)
	case recFork:
		err = d.fork(&f, e, emit)
	case recExit:
		err = d.exit(&f, e, emit)
	case recConnect, recAccept, recListen, recClose:
		err = d.net(&f, &h, e, emit)
	case recDNSQuery, recDNSAnswer:
		err = d.dns(&f, &h, e, emit)
	case recCreate, recModify, recRename, recDelete, recChmod, recRead, recLink:
		err = d.file(&f, &h, e, emit)
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
func (d *decoder) begin(h *head) *event.Event {
	e := &event.Event{OS: event.Linux, BootNS: h.bootNS, HostTime: d.clock.host(h.bootNS)}
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
		e.Actor = d.name(h.start, h.tgid)
		e.Actor.ExecID = uint64(h.execID)
		e.Actor.UserID = strconv.FormatUint(uint64(h.uid), 10)
		e.Actor.EffectiveUserID = strconv.FormatUint(uint64(h.euid), 10)
		e.Actor.Comm = h.comm
	}
	if h.parentTgid != 0 {
		e.Parent = d.name(h.parentStart, h.parentTgid)
	}
	return e
}

func (d *decoder) name(start uint64, tgid uint32) event.Process {
	return event.Process{Key: event.LinuxKey(start, tgid, d.bootTag), PID: uint64(tgid), StartNS: start}
}

// joinPath turns components, leaf first, each ended by NUL, into a path.
func joinPath(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if bytes.Equal(b, []byte{0}) {
		return "/"
	}
	out := make([]byte, 0, len(b)+1)
	for end := len(b); end > 0; {
		end-- // the NUL
		start := bytes.LastIndexByte(b[:end], 0) + 1
		out = append(out, '/')
		out = append(out, b[start:end]...)
		end = start
	}
	return string(out)
}

// joinArguments joins arguments by one space each, as the new image got them.
func joinArguments(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}
