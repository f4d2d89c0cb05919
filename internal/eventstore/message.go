package eventstore

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/seq"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Protocol is the version of what a server and its workers say to each other. Both are one file, but a file may be
// replaced under a server that runs: a worker says its version first, and one of another is not used.
const Protocol = 1

// Each message is a length (4 bytes, big endian), a type byte and that many bytes.
const (
	frameHello   = 'h' // JSON Hello, the first that a worker says
	frameRequest = 'q' // JSON Request
	frameRecord  = 'r' // one log record to write
	frameEnd     = '.' // no more records
	frameRows    = 'e' // events of an answer
	frameAnswer  = 'a' // JSON Answer, the last frame of a good answer
	frameError   = 'x' // JSON Fault, the last frame of a bad one
)

const maxFrame = 16 << 20

// Hello is the first that a worker says.
type Hello struct {
	Protocol int
	UID      int
	Seccomp  int // system calls that it may make; 0: it is not confined
}

// Request is one piece of work for a worker.
type Request struct {
	Op       string // hot, seal, compact, events, tree, inspect, probe, retry
	Data     string // the data directory, as the worker sees it
	Shown    string // and as people know it
	MemoryMB int
	Deadline int64 // ms, 0 = none

	// hot and seal; records follow
	Path  string // hot: the file to write, below Data; inspect: the file to read
	Token string // seal, compact: prefix of the names of the files made

	// compact
	Merge []File
	Level int

	// events and tree
	Tenant   string
	Segments []File
	Hot      []string
	Cursors  []uint64 // rows of hot files at or before these records are in Segments
	IDs      []string
	Host     string
	Process  string
	From, To int64
	Kinds    []event.Kind
	Limit    int
	Depth    int
}

// Answer is what a worker gives back beside rows.
type Answer struct {
	Files       []File
	Covered     []Covered
	Quarantined []Quarantined
	Rows        int64
	Last        []uint64 // hot: last record per shard
	Links       []Link   // tree
	Truncated   bool
}

// Link is one process of a tree and how it was found.
type Link struct {
	Key, Parent string // text form
	Depth       int    // negative above the root
}

// Quarantined is a batch, or a whole record, that was acknowledged and cannot be read.
type Quarantined struct {
	Shard  int
	Record uint64
	Batch  int // -1: the whole record, and whose it was is unknown
	Tenant tenant.ID
	Host   event.HostID
	StreamLane
	Range  seq.Range
	Reason string
	File   string // below the data directory
}

// Fault is a worker's error.
type Fault struct {
	Code    string // full, deadline, memory, data, other
	Message string
}

func (f *Fault) Error() string { return f.Message }

// Frames reads and writes messages. It is not safe for many goroutines.
type Frames struct {
	r *bufio.Reader
	w *bufio.Writer
}

// NewFrames speaks over r and w.
func NewFrames(r io.Reader, w io.Writer) *Frames {
	return &Frames{r: bufio.NewReaderSize(r, 64<<10), w: bufio.NewWriterSize(w, 64<<10)}
}

func (f *Frames) write(kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("message of %d bytes, more than %d", len(payload), maxFrame)
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(payload)))
	head[4] = kind
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

func (f *Frames) writeJSON(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if err := f.write(kind, b); err != nil {
		return err
	}
	return f.w.Flush()
}

func (f *Frames) read() (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("message of %d bytes, more than %d", n, maxFrame)
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return 0, nil, fmt.Errorf("message cut short: %w", err)
	}
	return head[4], payload, nil
}

// WriteHello is the worker's side: its first words.
func (f *Frames) WriteHello(h Hello) error { return f.writeJSON(frameHello, h) }

func (f *Frames) readHello() (h Hello, err error) {
	kind, b, err := f.read()
	if err != nil {
		return h, fmt.Errorf("read its first words: %w", err)
	}
	if kind != frameHello {
		return h, errors.New("its first words are not those of a worker")
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("decode its first words: %w", err)
	}
	return h, nil
}

// ReadRequest is the worker's side: the next request, io.EOF when the parent is gone.
func (f *Frames) ReadRequest() (Request, error) {
	kind, b, err := f.read()
	if err != nil {
		return Request{}, err
	}
	if kind != frameRequest {
		return Request{}, fmt.Errorf("message %q where a request belongs", kind)
	}
	var q Request
	if err := json.Unmarshal(b, &q); err != nil {
		return Request{}, fmt.Errorf("decode request: %w", err)
	}
	return q, nil
}

// Entry is one log record on its way to a worker. Skip names events of it that are already sealed.
type Entry struct {
	Shard   int
	Record  uint64
	Skip    []Skip
	Batches []stream.Batch
}

// Skip names events of one batch that are not to be written again.
type Skip struct {
	Batch int
	seq.Range
}

func (f *Frames) writeEntry(e Entry) error {
	b := binary.BigEndian.AppendUint64([]byte{byte(e.Shard)}, e.Record)
	b = protowire.AppendVarint(b, uint64(len(e.Skip)))
	for _, s := range e.Skip {
		b = protowire.AppendVarint(b, uint64(s.Batch))
		b = protowire.AppendVarint(b, s.First)
		b = protowire.AppendVarint(b, s.Last)
	}
	return f.write(frameRecord, append(b, stream.EncodeRecord(e.Batches)...))
}

// ReadEntry is the worker's side: the next record of a hot or seal request, ok false after the last.
func (f *Frames) ReadEntry() (e Entry, ok bool, err error) {
	kind, b, err := f.read()
	switch {
	case err != nil:
		return e, false, err
	case kind == frameEnd:
		return e, false, nil
	case kind != frameRecord || len(b) < 10:
		return e, false, fmt.Errorf("message %q where a record belongs", kind)
	}
	e.Shard, e.Record = int(b[0]), binary.BigEndian.Uint64(b[1:])
	b = b[9:]
	var bad bool
	next := func() uint64 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	for range min(next(), uint64(len(b))) {
		e.Skip = append(e.Skip, Skip{Batch: int(next()), Range: seq.Range{First: next(), Last: next()}})
	}
	if bad || e.Shard >= stream.Shards {
		return e, false, errors.New("record message cut short")
	}
	e.Batches, err = stream.DecodeRecord(b)
	return e, true, err
}

// WriteRows is the worker's side: some events of the answer. wire holds the encoded event.
func (f *Frames) WriteRows(rows []byte) error { return f.write(frameRows, rows) }

// AppendRow adds one event to the payload of WriteRows.
func AppendRow(b []byte, id event.ID, wire []byte) []byte {
	b = append(b, id.Host[:]...)
	b = binary.BigEndian.AppendUint64(b, id.Stream)
	b = append(b, byte(id.Lane))
	b = binary.BigEndian.AppendUint64(b, id.Seq)
	return protowire.AppendBytes(b, wire)
}

func readRows(b []byte, to []event.Stamped) ([]event.Stamped, error) {
	for len(b) > 0 {
		if len(b) < 34 {
			return to, errors.New("row cut short")
		}
		var id event.ID
		copy(id.Host[:], b)
		id.Stream, id.Lane, id.Seq = binary.BigEndian.Uint64(b[16:]), event.Lane(b[24]), binary.BigEndian.Uint64(b[25:])
		wire, n := protowire.ConsumeBytes(b[33:])
		if n < 0 {
			return to, errors.New("row cut short")
		}
		e := new(event.Event)
		if err := e.Decode(wire); err != nil {
			return to, fmt.Errorf("decode event %s: %w", id, err)
		}
		to = append(to, event.Stamped{ID: id, Event: e})
		b = b[33+n:]
	}
	return to, nil
}

// WriteAnswer is the worker's side: the end of a good answer.
func (f *Frames) WriteAnswer(a Answer) error { return f.writeJSON(frameAnswer, a) }

// WriteFault is the worker's side: the end of a bad answer.
func (f *Frames) WriteFault(x Fault) error { return f.writeJSON(frameError, x) }
