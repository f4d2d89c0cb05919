package decode

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/linux/clock"
)

// record builds a record as the kernel side does.
func record(kind uint16, fixed int, texts map[uint16]string) []byte {
	b := make([]byte, HeadBytes+fixed)
	binary.LittleEndian.PutUint16(b, kind)
	b[2] = recordVersion
	binary.LittleEndian.PutUint64(b[16:], 12345)
	binary.LittleEndian.PutUint32(b[32:], 77)
	for tag, text := range texts {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
		b = append(b, text...)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return b
}

const (
	processFixed = 8 + 16 + fileBytes + sockBytes + 16
	exitFixed    = 16 + 2*endBytes
)

func TestPathsAndArguments(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"bash\x00bin\x00usr\x00", "/usr/bin/bash"},
		{"\xff\x00a b\x00", "/a b/\xff"},
		{"\x00", "/"},
	} {
		if got := joinPath([]byte(c.in)); got != c.want {
			t.Errorf("joinPath(%q) = %q; want %q", c.in, got, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"sh\x00-c\x00id; ls\x00", "sh -c id; ls"},
		{"one", "one"},
		{"", ""},
		{"a\x00\x00b\x00", "a  b"},
	} {
		if got := JoinArguments([]byte(c.in)); got != c.want {
			t.Errorf("JoinArguments(%q) = %q; want %q", c.in, got, c.want)
		}
	}
	var w words
	for _, c := range []struct{ base, argument, want string }{
		{"/home/u", "../x/./y", "/home/x/y"},
		{"", "/etc/passwd", "/etc/passwd"},
		{"", "relative", "/relative"},
		{"/srv/jail", "/etc/shadow", "/srv/jail/etc/shadow"},
		{"/a", "../../../b", "/b"},
		{"/a/b", "", "/a/b"},
		{"/a", "b/", "/a/b"},
		{"/a", ".b", "/a/.b"},
		{"/a", "b/..", "/a"},
		{"/", "b", "/b"},
		{"/", "/", "/"},
	} {
		if got := w.named(components(c.base), []byte(c.argument)); got != c.want {
			t.Errorf("named(%q, %q) = %q; want %q", c.base, c.argument, got, c.want)
		}
	}
}

// components gives a path as the kernel side writes it: leaf first, each ended by NUL.
func components(p string) (b []byte) {
	if p == "/" {
		return []byte{0}
	}
	parts := strings.Split(strings.TrimPrefix(p, "/"), "/")
	slices.Reverse(parts)
	for _, part := range parts {
		if part != "" {
			b = append(append(b, part...), 0)
		}
	}
	return b
}

// Texts are cut out of chunks and kept for the next time; none may change under whoever has it.
func TestTextsStayWhatTheyWere(t *testing.T) {
	var w words
	var got, want []string
	for i := range 20000 {
		name := strings.Repeat(strconv.Itoa(i%700), 1+i%13)
		path := "/srv/" + name
		got = append(got, w.path(components(path)), w.folder(components(path)), w.named(components("/srv"), []byte(name)), w.inode(uint64(i)),
			w.number(uint32(i)), w.device(uint32(i)<<20|uint32(i%9)))
		want = append(want, path, path, path, strconv.Itoa(i), strconv.Itoa(i), strconv.Itoa(i&0xfff)+":"+strconv.Itoa(i%9))
	}
	if !slices.Equal(got, want) {
		t.Error("a text changed after it was given out")
	}
	if n := len(w.young) + len(w.old); n > 2*maxWords {
		t.Errorf("%d texts kept", n)
	}
}

func TestContainerIsNamedByItsCgroup(t *testing.T) {
	id := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ in, leaf, container string }{
		{"docker-" + id + ".scope\x00system.slice\x00", "docker-" + id + ".scope", id},
		{id + "\x00docker\x00", id, id},
		{"nginx.service\x00system.slice\x00libpod-" + id + ".scope\x00", "nginx.service", id},
		{"cri-containerd-" + id[:63] + "G.scope\x00", "cri-containerd-" + id[:63] + "G.scope", ""},
		{"ssh.service\x00system.slice\x00", "ssh.service", ""},
		{"", "", ""},
	} {
		if leaf, container := cgroup([]byte(c.in)); leaf != c.leaf || container != c.container {
			t.Errorf("cgroup(%q) = %q, %q; want %q, %q", c.in, leaf, container, c.leaf, c.container)
		}
	}
}

func TestRecordsThatLieAreRefused(t *testing.T) {
	good := record(recExec, processFixed, map[uint16]string{textPath: "true\x00bin\x00"})
	for what, b := range map[string][]byte{
		"empty":            {},
		"short head":       good[:HeadBytes-1],
		"short fixed part": good[:HeadBytes+4],
		"length beyond":    append(append([]byte{}, good[:4]...), append([]byte{0xff, 0xff, 0, 0}, good[8:]...)...),
		"version":          append([]byte{1, 0, 9}, good[3:]...),
		"type":             append([]byte{0xfe, 0xca}, good[2:]...),
		"text beyond":      record(recExec, processFixed, map[uint16]string{textPath: "x"})[:HeadBytes+processFixed+4],
	} {
		if what == "text beyond" {
			binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		}
		d := New(Options{Clock: new(clock.Clock)})
		n := 0
		if err := d.Decode(b, func(*event.Event) { n++ }); err == nil {
			t.Errorf("%s: no error, %d events", what, n)
		}
	}
}

func TestDNSMessagesAreReadInBounds(t *testing.T) {
	name := dnsmessage.MustNewName("www.example.test.")
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 9, Response: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("cdn.example.test.")}},
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}},
		},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := readDNS(b)
	if !ok || got.id != 9 || got.name != "www.example.test" || got.kind != 28 || len(got.answers) != 2 || got.answers[0] != "cdn.example.test" || got.answers[1] != "::1" {
		t.Errorf("readDNS = %+v, %v", got, ok)
	}
	if got, ok := readDNS(b[:len(b)-8]); !ok || len(got.answers) != 1 {
		t.Errorf("cut short: %+v, %v", got, ok)
	}
	loop := append([]byte{}, b[:12]...)
	loop = append(loop, 0xc0, 12, 0, 1, 0, 1) // a name that points at itself
	if _, ok := readDNS(loop); ok {
		t.Error("a looping name was read")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	texts := map[uint16]string{textPath: "x\x00tmp\x00", textArgv: "x\x00\xff\x00", textCwd: "tmp\x00", textScript: "./x", textCgroup: "a\x00b\x00", textEnds: strings.Repeat("\x01", 40), textRoot: "jail\x00", textAsked: "../x"}
	f.Add(record(recExec, processFixed, texts))
	f.Add(record(recTask, processFixed, nil))
	f.Add(record(recFork, 24, nil))
	f.Add(record(recExit, exitFixed, nil))
	f.Add(record(recConnect, sockBytes+24, nil))
	f.Add(record(recDNSQuery, sockBytes, map[uint16]string{textDNS: "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"}))
	f.Add(record(recRename, fileBytes+8, map[uint16]string{textPath: "tmp\x00", textUser: "b", textOldBase: "tmp\x00", textOldUser: "../a"}))
	f.Add(record(recMemfd, 24+fileBytes, map[uint16]string{textPath: "memfd:x\x00"}))
	f.Add(record(recMemOpen, fileBytes+8, map[uint16]string{textPath: "mem\x004711\x00proc\x00"}))
	f.Add(record(recThrottle, 16, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := New(Options{Clock: new(clock.Clock)})
		err := d.Decode(b, func(e *event.Event) {
			if e.Kind == 0 {
				t.Error("an event of no kind")
			}
		})
		if err != nil && len(d.asked)+len(d.throttled) > 0 {
			t.Error("a refused record left something behind")
		}
	})
}

func benchmarkDecode(b *testing.B, r []byte) {
	var pool sync.Pool
	d := New(Options{Clock: new(clock.Clock), Pool: &pool})
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(r, func(e *event.Event) { pool.Put(e) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeExec(b *testing.B) {
	benchmarkDecode(b, record(recExec, processFixed, map[uint16]string{
		textPath: "bash\x00bin\x00usr\x00", textArgv: "bash\x00-c\x00id\x00",
		textCwd: "work\x00", textCgroup: "ssh.service\x00system.slice\x00",
	}))
}

func BenchmarkDecodeFile(b *testing.B) {
	r := record(recModify, fileBytes+8, map[uint16]string{textPath: "report-2026.txt\x00documents\x00analyst\x00home\x00"})
	binary.LittleEndian.PutUint64(r[HeadBytes:], 4711)
	benchmarkDecode(b, r)
}

func BenchmarkDecodeDelete(b *testing.B) {
	benchmarkDecode(b, record(recDelete, fileBytes+8, map[uint16]string{textPath: "documents\x00analyst\x00home\x00", textUser: "report-2026.txt"}))
}

func BenchmarkDecodeExit(b *testing.B) { benchmarkDecode(b, record(recExit, exitFixed, nil)) }
