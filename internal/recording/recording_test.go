package recording

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-edr/yagura/internal/event"
)

// watched gives what `yagura-sensor watch` prints of n events, step apart.
func watched(n int, begin, step int64) (lines []string, events []*event.Event) {
	for i := range int64(n) {
		e := &event.Event{
			Kind: event.ProcessExec, OS: event.Linux, BootNS: uint64(5e12 + i*step*1000), HostTime: begin + i*step,
			Actor: event.Process{Key: event.LinuxKey(uint64(i), 7, 1), PID: uint64(100 + i), Path: "/usr/bin/true", CommandLine: "true \"{[" + strings.Repeat("\\", int(i%3)) + fmt.Sprint(i)},
		}
		lines, events = append(lines, string(e.JSON())), append(events, e)
	}
	return lines, events
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func zstandard(s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func TestFormsOfARecording(t *testing.T) {
	lines, events := watched(5, 1_700_000_000_000_000, 1000)
	nd, array := strings.Join(lines, "\n"), "["+strings.Join(lines, ",\n")+"]\n"
	pretty := &bytes.Buffer{}
	for _, l := range lines {
		if err := json.Indent(pretty, []byte(l), "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
	}
	for name, in := range map[string]string{
		"lines": nd + "\n", "no last newline": nd, "CRLF": strings.Join(lines, "\r\n"), "blank lines": "\n\n" + strings.Join(lines, "\n\n") + "\n\n",
		"byte order mark": "\xEF\xBB\xBF" + nd, "array": array, "array with a mark": "\xEF\xBB\xBF" + array, "pretty": pretty.String(),
		"gzip": gzipped(nd), "gzip of an array": gzipped(array), "two members of gzip": gzipped(nd[:100]) + gzipped(nd[100:]), "zstd": zstandard(nd), "zstd of an array": zstandard("\n " + array),
		"zstd with a mark": zstandard("\xEF\xBB\xBF" + nd), "zstd in gzip": gzipped(zstandard(nd)), "a batch": zstandard(string(event.AppendBatch(nil, events))), "a batch in gzip": gzipped(zstandard(string(event.AppendBatch(nil, events)))),
	} {
		got, err := Read(strings.NewReader(in))
		if err != nil || len(got) != len(events) {
			t.Errorf("%s: %d events, %v; want %d", name, len(got), err, len(events))
			continue
		}
		for i, e := range got {
			if !bytes.Equal(e.JSON(), events[i].JSON()) {
				t.Errorf("%s: event %d is %s; want %s", name, i, e.JSON(), events[i].JSON())
			}
		}
	}
}

func TestWhatIsNoRecordingIsNamed(t *testing.T) {
	lines, _ := watched(2, 1_700_000_000_000_000, 1000)
	wide := func(order binary.AppendByteOrder, mark bool) string {
		var b []byte
		for i, u := range utf16.Encode([]rune(string('\uFEFF') + lines[0])) {
			if i > 0 || mark {
				b = order.AppendUint16(b, u)
			}
		}
		return string(b)
	}
	tar := make([]byte, 1024)
	copy(tar, "w.ndjson")
	copy(tar[257:], "ustar")
	for _, c := range []struct{ name, in, says string }{
		{"EVTX", "ElfFile\x00\x00\x00\x00\x00", "a Windows event log (EVTX) is not taken"},
		{"pcap", "\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "a packet capture (pcap) is not taken"},
		{"pcap of nanoseconds", "\x4d\x3c\xb2\xa1\x02\x00\x04\x00", "a packet capture (pcap)"},
		{"pcapng", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "a packet capture (pcapng)"},
		{"auditd", "type=EXECVE msg=audit(1700000000.123:42): argc=2 a0=\"id\"\n", "a log of auditd is not taken"},
		{"auditd of a node", "node=web type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e\n", "a log of auditd"},
		{"Sysmon XML", "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System/></Event>", "XML, as Windows and Sysmon write events,"},
		{"Sysmon for Linux in syslog", "Nov 30 10:00:00 web sysmon: <Event><System></System></Event>", "XML, as Windows and Sysmon"},
		{"syslog", "<34>1 2026-11-30T10:00:00Z web sshd - - - x", "XML or a syslog stream"},
		{"plain log", "Nov 30 10:00:00 web sshd[1]: Failed password\n", "text that is no JSON is not taken"},
		{"UTF-16 with a mark", wide(binary.LittleEndian, true), "UTF-16 text, as PowerShell writes it,"},
		{"UTF-16, big", wide(binary.BigEndian, true), "UTF-16 text"},
		{"UTF-16 without a mark", wide(binary.LittleEndian, false), "UTF-16 text"},
		{"zip", "PK\x03\x04abc", "a zip archive"},
		{"tar", string(tar), "a tar archive"},
		{"xz", "\xFD7zXZ\x00\x00", "xz is not taken"},
		{"Parquet", "PAR1\x15\x04", "a Parquet file"},
		{"a journal", "LPKSHHRH\x00\x00", "a journal of systemd"},
		{"a program", "\x7fELF\x02\x01", "a program is not taken"},
		{"an unknown binary file", "\x01\x02\x00\x03", "a binary file"},
		{"an EVTX in gzip", gzipped("ElfFile\x00"), "a Windows event log (EVTX)"},
		{"a pcap in zstd", zstandard("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"), "a packet capture (pcap)"},
		{"gzip without end", gzipped(gzipped(gzipped(gzipped("{}")))), "gzip in gzip in gzip"},
		{"damaged gzip", gzipped(strings.Join(lines, "\n"))[:40], "the gzip was cut off"},
		{"a checksum that is not the gzip's", gzipped(lines[0])[:len(gzipped(lines[0]))-8] + "12345678", "the gzip is damaged"},
		{"gigabytes of nothing", gzipped(strings.Repeat("\n", 4<<20)), "bytes of nothing"},
		{"a zstd that wants memory", "\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00", "wants more than 64 MiB"},
		{"a list of texts", `["a","b"]`, "JSON that holds no events"},
		{"a list of lists", `[["a"]]`, "JSON that holds no events"},
		{"ECS", `{"@timestamp":"2026-01-01T00:00:00Z","process":{"name":"id"}}`, "an event in Elastic's schema (ECS)"},
		{"a Windows event as JSON", `{"Event":{"System":{"EventID":1}}}`, "a Windows event as JSON"},
		{"the same, pretty", "{\n  \"Event\": {\n    \"System\": {}\n  }\n}", "a Windows event as JSON"},
		{"the journal as JSON", `{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}`, "systemd's journal"},
		{"Falco", `{"output":"x","output_fields":{},"rule":"y"}`, "Falco"},
		{"events list", `{"id":"h/e","kind":"process.exec","time":1,"line":{"en":"x"}}`, "what `yagura events list --json` prints"},
		{"empty", "", "the recording holds no event"},
		{"blank", " \n\n", "the recording holds no event"},
		{"an empty array", "[]", "the recording holds no event"},
		{"empty gzip", gzipped(""), "the recording holds no event"},
		{"one line cut off", lines[0] + "\n" + lines[1][:60], "line 2"},
		{"an array cut off", "[" + lines[0] + ",\n", "line 2: the recording was cut off"},
		{"what follows an array", "[" + lines[0] + "]\n{}", "line 2: something follows"},
		{"another file in the middle", lines[0] + "\ntype=EXECVE msg=audit(1.2:3): a0=x\n", "line 2: a log of auditd"},
		{"a line break in a text", `{"kind":"process.exec","os":"linux","actor_path":"/bin` + "\n" + `/sh"}`, "line 1: the line ends inside a text"},
		{"a line of a megabyte", `{"kind":"process.exec","os":"linux","actor_command_line":"` + strings.Repeat("x", 1<<20) + `"}`, "line 1 is longer than"},
	} {
		_, err := Read(strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want it to say %q", c.name, err, c.says)
		}
		if strings.Contains(c.says, "is not taken") && !strings.Contains(err.Error(), "`yagura-sensor watch`") {
			t.Errorf("%s: %v does not say what is taken", c.name, err)
		}
	}
}

func TestAnEventWithoutKindOrSystemIsRefused(t *testing.T) {
	good := `{"kind":"process.exec","os":"linux","actor_path":"/bin/sh"}`
	for line, says := range map[string]string{
		`{"os":"linux","actor_path":"/bin/sh"}`:                                   `it has no kind: say what happened, as in "kind":"process.exec"`,
		`{"kind":null,"os":"linux"}`:                                              "it has no kind",
		`{"kind":"process.exec","actor_path":"/bin/sh"}`:                          `it has no os: say "os":"linux", "windows" or "macos"`,
		`{"kind":"process.spawn","os":"linux"}`:                                   `unknown kind "process.spawn": docs/events.md lists the kinds`,
		`{"kind":4000,"os":"linux"}`:                                              "unknown kind 4000",
		`{"kind":"process.exec","os":"plan9"}`:                                    `unknown os "plan9": linux, windows or macos`,
		`{"kind":"process.exec","os":9}`:                                          "unknown os 9",
		`{"kind":"process.exec","os":"linux","pid":5}`:                            `unknown field "pid"`,
		`{"kind":"process.exec","os":"linux","actor_pid":"x"}`:                    `field actor_pid`,
		`{"kind":"process.exec","os":"linux","host_time":"2026-11-30T10:00:00Z"}`: "field host_time: \"2026-11-30T10:00:00Z\" is no whole number (µs UTC)",
		`{"kind":"process.exec","os":"linux","initiated":"1"}`:                    "neither true nor false",
	} {
		for _, in := range []string{good + "\n\n" + line + "\n", "[" + good + ",\n\n" + line + "]"} {
			_, err := Read(strings.NewReader(in))
			if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v; want line 3 and %q", line, err, says)
			}
		}
	}
}

func FuzzRecording(f *testing.F) {
	lines, events := watched(3, 1_700_000_000_000_000, 1000)
	nd := strings.Join(lines, "\n")
	for _, s := range []string{
		nd, "[" + strings.Join(lines, ",") + "]", "\xEF\xBB\xBF" + nd, gzipped(nd), zstandard(nd), zstandard(string(event.AppendBatch(nil, events))), gzipped(zstandard(nd)),
		"", "[", "{", "[]", "{\"a\":\"\\", "ElfFile\x00", `{"kind":"process.exec","os":"linux"}`, `{"kind":null}`, "[{}]{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := Read(bytes.NewReader(b))
		if err != nil {
			if len(events) > 0 {
				t.Fatal("events and an error")
			}
			return
		}
		if len(events) == 0 {
			t.Fatal("no events and no error")
		}
		for i, e := range events {
			if err := named(e); err != nil {
				t.Fatalf("event %d was taken: %v", i, err)
			}
			if _, err := event.FromJSON(e.JSON()); err != nil && !errors.Is(err, event.ErrTooBig) {
				t.Fatalf("event %d does not come back: %v", i, err)
			}
		}
	})
}
