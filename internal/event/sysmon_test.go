package event_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/yagura-edr/yagura/internal/event"
)

// sysmonProcessCreate is our own small writer of Sysmon's event 1 in its *rendered* form: the XML of the
// Event Viewer in UTF-16LE, not the binary chunks of an .evtx file. It exists because no byte of other
// people's recordings may enter this tree. Text that a user chooses is UTF-16 code units, because
// Windows does not promise that they pair up.
type sysmonProcessCreate struct {
	Computer, UTCTime, ProcessGUID, ProcessID, IntegrityLevel, Hashes, OriginalFileName, ParentGUID, ParentID string

	Image, CommandLine, CurrentDirectory, User, ParentImage, ParentCommandLine []uint16
}

func u16(s string) []uint16 { return utf16.Encode([]rune(s)) }

func (r sysmonProcessCreate) render() []byte {
	out := []uint16{0xFEFF}
	put := func(s string) { out = append(out, u16(s)...) }
	put(`<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Microsoft-Windows-Sysmon"/><EventID>1</EventID><Computer>` + r.Computer + `</Computer></System><EventData>`)
	data := func(name string, v []uint16) {
		put(`<Data Name="` + name + `">`)
		for _, c := range v {
			switch c {
			case '&':
				put("&amp;")
			case '<':
				put("&lt;")
			case '>':
				put("&gt;")
			case '"':
				put("&quot;")
			default:
				out = append(out, c)
			}
		}
		put(`</Data>`)
	}
	data("UtcTime", u16(r.UTCTime))
	data("ProcessGuid", u16(r.ProcessGUID))
	data("ProcessId", u16(r.ProcessID))
	data("Image", r.Image)
	data("OriginalFileName", u16(r.OriginalFileName))
	data("CommandLine", r.CommandLine)
	data("CurrentDirectory", r.CurrentDirectory)
	data("User", r.User)
	data("IntegrityLevel", u16(r.IntegrityLevel))
	data("Hashes", u16(r.Hashes))
	data("ParentProcessGuid", u16(r.ParentGUID))
	data("ParentProcessId", u16(r.ParentID))
	data("ParentImage", r.ParentImage)
	data("ParentCommandLine", r.ParentCommandLine)
	put(`</EventData></Event>`)
	b := make([]byte, 0, 2*len(out))
	for _, c := range out {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// eventFromSysmon reads what render wrote, every string through TextUTF16.
func eventFromSysmon(host event.HostID, b []byte) (*event.Event, error) {
	if len(b) < 2 || len(b)%2 != 0 || !bytes.Equal(b[:2], []byte{0xFF, 0xFE}) {
		return nil, fmt.Errorf("not UTF-16LE with a byte order mark")
	}
	var u []uint16
	for i := 2; i < len(b); i += 2 {
		u = append(u, binary.LittleEndian.Uint16(b[i:]))
	}
	field := map[string]string{}
	unescape := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`)
	// Text first: escapes of the text form hold no XML metacharacter, so it may be cut as a string.
	rest := event.TextUTF16(u)
	between := func(s, from, to string) (string, string, bool) {
		_, s, ok := strings.Cut(s, from)
		if !ok {
			return "", "", false
		}
		return strings.Cut(s, to)
	}
	computer, _, _ := between(rest, "<Computer>", "</Computer>")
	for {
		name, after, ok := between(rest, `<Data Name="`, `">`)
		if !ok {
			break
		}
		var value string
		if value, rest, ok = strings.Cut(after, `</Data>`); !ok {
			return nil, fmt.Errorf("field %s has no end", name)
		}
		field[name] = unescape.Replace(value)
	}
	at, err := time.Parse("2006-01-02 15:04:05.000", field["UtcTime"])
	if err != nil {
		return nil, fmt.Errorf("UtcTime: %w", err)
	}
	pid, err := strconv.ParseUint(field["ProcessId"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("ProcessId: %w", err)
	}
	ppid, err := strconv.ParseUint(field["ParentProcessId"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("ParentProcessId: %w", err)
	}
	domain, user, _ := strings.Cut(field["User"], `\`)
	e := &event.Event{
		Kind: event.ProcessExec, OS: event.Windows, HostTime: at.UnixMicro(), Flags: event.FlagImported, Hostname: computer,
		Actor: event.Process{
			Key: event.ImportKey(host, field["ProcessGuid"]), PID: pid, Path: field["Image"], CommandLine: field["CommandLine"],
			Cwd: field["CurrentDirectory"], UserName: user, Domain: domain, Integrity: field["IntegrityLevel"],
			OriginalName: field["OriginalFileName"],
		},
		Parent: event.Process{
			Key: event.ImportKey(host, field["ParentProcessGuid"]), PID: ppid, Path: field["ParentImage"], CommandLine: field["ParentCommandLine"],
		},
	}
	if h, ok := strings.CutPrefix(field["Hashes"], "SHA256="); ok {
		if _, err := hex.Decode(e.Actor.SHA256[:], []byte(h)); err != nil {
			return nil, fmt.Errorf("hashes: %w", err)
		}
		e.HashState = event.HashKnown
	}
	return e, nil
}
