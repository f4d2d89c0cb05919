// Package recording reads files of events that were recorded elsewhere: as `yagura-sensor watch` prints them, one after
// the other or as an array, plain or compressed, or as one batch of a sensor. A file of another kind is named in
// the error. It converts no log of other programs and gives no event a time (docs/recordings.md); `yagura replay` calls it.
package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
)

// Bounds of a recording.
const (
	MaxEvents    = 2_000_000 // of one recording: they are held in memory
	maxExpanded  = 16 << 30  // bytes that a compressed recording may become, which are not
	maxWrappings = 2         // a compressed file in a compressed file
	maxWindow    = 64 << 20  // bytes of memory that a zstd frame may ask for
	maxBlank     = 1 << 20   // blank bytes between two events: compressed, gigabytes of them are a small file
)

// reader reads one file.
type reader struct {
	r      *bufio.Reader
	line   int
	events []*event.Event
}

// Read gives the events of one file, or an error that says where and what it is not.
func Read(in io.Reader) ([]*event.Event, error) {
	r := &reader{r: bufio.NewReaderSize(in, 64<<10), line: 1}
	packed, err := r.unwrap()
	if err != nil {
		return nil, err
	}
	start, err := r.start()
	if err != nil {
		return nil, err
	}
	switch {
	case looksLikeJSON(start):
		if err := r.all(); err != nil {
			return nil, err
		}
	case packed == "zstd":
		return r.batch()
	default:
		return nil, r.foreign(whatItIs(start))
	}
	if len(r.events) == 0 {
		return nil, errors.New("the recording holds no event")
	}
	return r.events, nil
}

// foreign is the error for a file of another kind, or for what stands in it.
func (r *reader) foreign(what string) error {
	where := ""
	if r.line > 1 || len(r.events) > 0 {
		where = fmt.Sprintf("line %d: ", r.line)
	}
	return fmt.Errorf("%s%s is not taken: replay takes what `yagura-sensor watch` prints, as lines or as an array of JSON, plain, gzip or zstd; docs/recordings.md tells how to convert", where, what)
}

// unwrap takes the compression off and gives the innermost.
func (r *reader) unwrap() (packed string, err error) {
	for range maxWrappings {
		magic, err := r.r.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		var inner io.Reader
		switch {
		case bytes.HasPrefix(magic, []byte{0x1F, 0x8B}):
			packed = "gzip"
			inner, err = gzip.NewReader(r.r)
		case bytes.Equal(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}):
			packed = "zstd"
			inner, err = zstd.NewReader(r.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		default:
			return packed, nil
		}
		if err != nil {
			return "", fmt.Errorf("expand the %s: %w", packed, err)
		}
		r.r = bufio.NewReaderSize(&budget{r: inner, what: packed, left: maxExpanded}, 64<<10)
	}
	return packed, nil
}

// budget ends a file that expands for ever.
type budget struct {
	r    io.Reader
	what string
	left int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("it expands to more than %d bytes: %w", int64(maxExpanded), event.ErrTooBig)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, event.ErrTooBig):
		return n, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("the %s was cut off, or something that is none follows it", b.what)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return n, fmt.Errorf("the %s wants more than %d MiB of memory to expand it: pack it again without --long or --ultra", b.what, maxWindow>>20)
	}
	return n, fmt.Errorf("the %s is damaged: %w", b.what, err)
}

// start gives the first bytes without taking them, but for a byte order mark.
func (r *reader) start() ([]byte, error) {
	b, err := r.r.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")) {
		_, _ = r.r.Discard(3)
		b = b[3:]
	}
	return b, nil
}

// looksLikeJSON tells text from a batch: no batch begins like an object or an array of them. Blanks look like it.
func looksLikeJSON(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return true
	}
	rest := bytes.TrimLeft(b[1:], " \t\r\n")
	switch b[0] {
	case '{':
		return len(rest) == 0 || rest[0] == '"' || rest[0] == '}'
	case '[':
		return len(rest) == 0 || rest[0] == '{' || rest[0] == ']'
	}
	return false
}

// all reads one object after the other.
func (r *reader) all() error {
	array, ended := false, false
	for {
		c, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			if array && !ended {
				return fmt.Errorf("line %d: the recording was cut off: its array has no end", r.line)
			}
			return nil
		case err != nil:
			return err
		case ended:
			return fmt.Errorf("line %d: something follows the end of the array", r.line)
		case c == '[' && !array && len(r.events) == 0:
			array = true
		case c == ']' && array:
			ended = true
		case c == ',' && array:
		case c == '{':
			if err := r.one(); err != nil {
				return err
			}
		default:
			_ = r.r.UnreadByte()
			start, _ := r.r.Peek(512)
			return r.foreign(whatItIs(start))
		}
	}
}

// next gives the first byte that is not blank.
func (r *reader) next() (byte, error) {
	for n := 0; ; n++ {
		if n > maxBlank {
			return 0, fmt.Errorf("line %d: more than %d bytes of nothing between two events", r.line, maxBlank)
		}
		c, err := r.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("line %d: %w", r.line, err)
		case c == '\n':
			r.line++
		case c != ' ' && c != '\t' && c != '\r':
			return c, nil
		}
	}
}

// one reads an object whose brace was taken.
func (r *reader) one() error {
	line := r.line
	raw, err := r.object()
	if err != nil {
		return err
	}
	e, err := event.FromJSON(raw)
	if err == nil {
		err = named(e)
	}
	if err != nil {
		if what := whoseJSON(raw); what != "" {
			r.line = line
			return r.foreign(what)
		}
		return fmt.Errorf("line %d: %w", line, err)
	}
	return r.add(e)
}

func (r *reader) add(e *event.Event) error {
	if len(r.events) >= MaxEvents {
		return fmt.Errorf("more than %d events: split the recording", MaxEvents)
	}
	r.events = append(r.events, e)
	return nil
}

// object gives the bytes up to the brace that ends it.
func (r *reader) object() ([]byte, error) {
	line := r.line
	raw := append(make([]byte, 0, 2<<10), '{')
	text, escaped := false, false
	for depth := 1; depth > 0; {
		c, err := r.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("line %d: the recording was cut off: this event has no end", line)
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", r.line, err)
		case len(raw) >= event.MaxJSONLine:
			return nil, fmt.Errorf("line %d is longer than %d bytes", line, event.MaxJSONLine)
		case c == '\n' && text:
			return nil, fmt.Errorf("line %d: the line ends inside a text: it was cut off or edited", r.line)
		case escaped:
			escaped = false
		case text:
			escaped, text = c == '\\', c != '"'
		case c == '"':
			text = true
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == '\n':
			r.line++
		}
		raw = append(raw, c)
	}
	return raw, nil
}

// named refuses an event that says neither what happened nor on which system: it would match no rule and
// belong to no kind of host.
func named(e *event.Event) error {
	switch {
	case e.Kind == 0:
		return errors.New(`it has no kind: say what happened, as in "kind":"process.exec"; docs/events.md lists the kinds`)
	case e.OS == 0:
		return errors.New(`it has no os: say "os":"linux", "windows" or "macos"`)
	}
	if _, ok := event.ParseKind(e.Kind.String()); !ok {
		return fmt.Errorf("unknown kind %d: docs/events.md lists the kinds", e.Kind)
	}
	if e.OS != event.Linux && e.OS != event.Windows && e.OS != event.MacOS {
		return fmt.Errorf("unknown os %d: linux, windows or macos", e.OS)
	}
	return nil
}

// batch reads one batch as it travels between a sensor and its server.
func (r *reader) batch() ([]*event.Event, error) {
	raw, err := io.ReadAll(io.LimitReader(r.r, event.MaxBatchExpanded+1))
	if err != nil {
		return nil, fmt.Errorf("expand the batch: %w", err)
	}
	if len(raw) > event.MaxBatchExpanded {
		return nil, fmt.Errorf("the batch expands to more than %d bytes: %w", event.MaxBatchExpanded, event.ErrTooBig)
	}
	events, err := event.DecodeBatch(raw)
	if err != nil {
		return nil, r.foreign("zstd of " + whatItIs(raw))
	}
	for i, e := range events {
		if err := named(e); err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
	}
	return events, nil
}

// magics are how files of other kinds begin.
var magics = []struct{ begins, what string }{
	{"ElfFile\x00", "a Windows event log (EVTX)"},
	{"\xFF\xFE", "UTF-16 text, as PowerShell writes it,"},
	{"\xFE\xFF", "UTF-16 text"},
	{"\xD4\xC3\xB2\xA1", "a packet capture (pcap)"},
	{"\xA1\xB2\xC3\xD4", "a packet capture (pcap)"},
	{"\x4D\x3C\xB2\xA1", "a packet capture (pcap)"},
	{"\xA1\xB2\x3C\x4D", "a packet capture (pcap)"},
	{"\x0A\x0D\x0D\x0A", "a packet capture (pcapng)"},
	{"PK\x03\x04", "a zip archive"},
	{"\xFD7zXZ\x00", "xz"},
	{"BZh", "bzip2"},
	{"\x04\x22\x4D\x18", "lz4"},
	{"\x1F\x8B", "gzip in gzip in gzip"},
	{"\x28\xB5\x2F\xFD", "zstd in zstd in zstd"},
	{"PAR1", "a Parquet file"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"LPKSHHRH", "a journal of systemd"},
	{"\x7FELF", "a program"},
	{"MZ", "a Windows program"},
	{"__CURSOR=", "an export of systemd's journal"},
	{"%PDF", "a PDF"},
}

// whatItIs names a file by its first bytes.
func whatItIs(b []byte) string {
	for _, m := range magics {
		if strings.HasPrefix(string(b), m.begins) {
			return m.what
		}
	}
	switch text := bytes.TrimLeft(b, " \t\r\n"); {
	case len(b) > 262 && string(b[257:262]) == "ustar":
		return "a tar archive"
	case looksLikeUTF16(b):
		return "UTF-16 text"
	case bytes.Contains(b, []byte{0}):
		return "a binary file"
	case bytes.HasPrefix(text, []byte("type=")) && bytes.Contains(text, []byte("msg=audit(")), bytes.HasPrefix(text, []byte("node=")) && bytes.Contains(text, []byte("msg=audit(")):
		return "a log of auditd"
	case bytes.HasPrefix(text, []byte("<Event ")), bytes.HasPrefix(text, []byte("<Events")), bytes.HasPrefix(text, []byte("<?xml")), bytes.Contains(text, []byte("<Event>")):
		return "XML, as Windows and Sysmon write events,"
	case bytes.HasPrefix(text, []byte("<")):
		return "XML or a syslog stream"
	case bytes.HasPrefix(text, []byte("CEF:")), bytes.HasPrefix(text, []byte("LEEF:")):
		return "CEF or LEEF"
	case bytes.HasPrefix(text, []byte("[")), bytes.HasPrefix(text, []byte("{")):
		return "JSON that holds no events"
	}
	return "text that is no JSON"
}

// looksLikeUTF16 says whether each other byte of what is text is 0.
func looksLikeUTF16(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	even, odd := 0, 0
	for i, c := range b[:len(b)&^1] {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	half := len(b) / 2
	return max(even, odd) > half*3/4 && min(even, odd) < half/8
}

// others are keys by which JSON of other programs is known.
var others = []struct{ key, what string }{
	{"winlog", "a Windows event of Elastic's agents"},
	{"Event", "a Windows event as JSON"},
	{"EventID", "a Windows event as JSON"},
	{"@timestamp", "an event in Elastic's schema (ECS)"},
	{"_source", "a hit of an Elasticsearch search"},
	{"hits", "the answer of an Elasticsearch search"},
	{"__REALTIME_TIMESTAMP", "an entry of systemd's journal"},
	{"output_fields", "an alert of Falco"},
	{"process_exec", "an event of Tetragon"},
	{"process_kprobe", "an event of Tetragon"},
	{"eventName", "an event of Tracee"},
	{"result", "a result of Splunk"},
	{"class_uid", "an event in OCSF"},
	{"rule_id", "a detection, as `yagura detections --json` prints it,"},
	{"line", "what `yagura events list --json` prints"},
}

// whoseJSON names JSON of others; empty when it could be ours.
func whoseJSON(raw []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return ""
	}
	for _, o := range others {
		if _, ok := m[o.key]; ok {
			return o.what
		}
	}
	return ""
}
