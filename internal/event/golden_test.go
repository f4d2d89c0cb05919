package event_test

import (
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/yagura-edr/yagura/internal/event"
	sensorv1 "github.com/yagura-edr/yagura/internal/gen/sensor/v1"
)

var update = flag.Bool("update", false, "rewrite golden files; say in the commit why the output changed")

var goldenHost = event.HostID(uuid.MustParse("01930000-0000-7000-8000-000000000001"))

// linuxExec is an exec as the Linux sensor sends it, with a name that is not UTF-8 (EUC-JP for 日).
func linuxExec() *event.Event {
	return &event.Event{
		Kind: event.ProcessExec, OS: event.Linux, BootNS: 81_234_567_890, HostTime: 1_795_000_000_000_000,
		Flags: event.FlagUserPointer, HashState: event.HashKnown,
		Ancestors: []string{"/usr/sbin/nginx", "/usr/lib/systemd/systemd"},
		Actor: event.Process{
			Key: event.LinuxKey(81_200_000_000, 4242, 0xA1B2C3D4), PID: 4242, ExecID: 1, StartNS: 81_200_000_000,
			Path: "/usr/bin/dash", CommandLine: "sh -c cat /srv/\xc6\xfc.txt", Cwd: "/var/www",
			UserID: "33", UserName: "www-data", EffectiveUserID: "33", SessionID: "4294967295", TTY: "",
			ContainerID: "", SHA256: [32]byte{0: 0xde, 31: 0xad}, VolumeID: "8:1", FileID: "1311", Comm: "sh",
		},
		Parent: event.Process{
			Key: event.LinuxKey(70_000_000_000, 900, 0xA1B2C3D4), PID: 900, Path: "/usr/sbin/php-fpm8.2",
			CommandLine: "php-fpm: pool www", UserID: "33", UserName: "www-data",
		},
	}
}

// linuxPipe has what registry version 2 added.
func linuxPipe() *event.Event {
	return &event.Event{
		Kind: event.ProcessPipe, OS: event.Linux, BootNS: 90_000_000_000, HostTime: 1_795_000_009_000_000, Flags: event.FlagJudged,
		Lineage: []string{"package-manager"}, Upstream: []string{"/usr/bin/base64", "/usr/bin/curl"},
		WriterPath: "/usr/bin/curl", WriterCommandLine: "curl -o /tmp/\xc6\xfc https://example.test/x", WriterAge: 1_500_000_000,
		Actor: event.Process{
			Key: event.LinuxKey(89_000_000_000, 4300, 0xA1B2C3D4), PID: 4300, ExecID: 1, Path: "/usr/bin/bash", Invoked: "/bin/sh", CommandLine: "sh",
		},
		Target: event.Process{Key: event.LinuxKey(88_900_000_000, 4299, 0xA1B2C3D4), PID: 4299, Path: "/usr/bin/base64", CommandLine: "base64 -d"},
	}
}

// logRecord has what registry version 4 added.
func logRecord() *event.Event {
	return &event.Event{
		Kind: event.LogRecord, OS: event.Windows, HostTime: 1_795_000_000_000_000, LogProduct: "windows", LogService: "security", LogChannel: "Security",
		LogProvider: "Microsoft-Windows-Security-Auditing", LogEventID: "4624", LogLevel: "information",
		Attributes: []event.Attribute{event.TextAttribute("TargetUserName", "\xc6\xfc"), event.IntAttribute("LogonType", -3), event.BoolAttribute("Elevated", true)},
	}
}

// macConnect is written by hand: no macOS sensor exists yet, but its shapes must fit.
func macConnect() *event.Event {
	return &event.Event{
		Kind: event.NetConnect, OS: event.MacOS, BootNS: 5_000_000_000, HostTime: 1_795_000_000_000_001,
		Initiated: true, Protocol: "tcp",
		LocalAddr: netip.MustParseAddr("2001:db8::5"), LocalPort: 52044,
		RemoteAddr: netip.MustParseAddr("2001:db8::beef"), RemotePort: 443, RemoteName: "example.test",
		Actor: event.Process{
			Key: event.ImportKey(goldenHost, "501/1795000000"), PID: 501, Path: "/Applications/テスト.app/Contents/MacOS/テスト",
			CommandLine: "テスト --sync", UserID: "501", UserName: "hanako", SignatureState: "signed",
			Signer: "Developer ID Application: Example KK (ABCDE12345)",
		},
	}
}

func goldenEvents(t *testing.T) map[string]*event.Event {
	t.Helper()
	sysmon := sysmonProcessCreate{
		UTCTime: "2026-11-18 01:46:40.123", ProcessGUID: "{8a1f0000-1111-2222-3333-444455556666}", ProcessID: "6120",
		Image: u16(`C:\Users\田中 太郎\表.exe`), CommandLine: append(u16(`"C:\Users\田中 太郎\表.exe" /x `), 0xD842), // a high surrogate alone
		CurrentDirectory: u16(`C:\Users\田中 太郎\`), User: u16(`EXAMPLE\田中`), IntegrityLevel: "Medium",
		Hashes: "SHA256=" + strings.Repeat("ab", 32), OriginalFileName: "hyou.exe", Computer: "PC-001",
		ParentGUID: "{8a1f0000-1111-2222-3333-000000000001}", ParentID: "700",
		ParentImage: u16(`C:\Windows\explorer.exe`), ParentCommandLine: u16(`C:\Windows\Explorer.EXE`),
	}
	e, err := eventFromSysmon(goldenHost, sysmon.render())
	if err != nil {
		t.Fatalf("read the rendered Sysmon record: %v", err)
	}
	return map[string]*event.Event{"linux-exec": linuxExec(), "linux-pipe": linuxPipe(), "windows-sysmon-1": e, "macos-connect": macConnect(), "windows-log-record": logRecord()}
}

// The bytes of an event are on disk for years: what these four say today, every later version must say.
func TestGoldenBytesStayTheSame(t *testing.T) {
	for name, e := range goldenEvents(t) {
		t.Run(name, func(t *testing.T) {
			got := hexLines(e.Append(nil))
			path := "testdata/" + name + ".hex"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("bytes of %s changed:\n%s\nwant\n%s", name, got, want)
			}
			b, err := hex.DecodeString(strings.Join(strings.Fields(string(want)), ""))
			if err != nil {
				t.Fatal(err)
			}
			var back event.Event
			if err := back.Decode(b); err != nil {
				t.Fatalf("Decode(golden bytes): %v", err)
			}
			if !reflect.DeepEqual(&back, e) {
				t.Errorf("Decode(golden bytes) =\n%+v\nwant\n%+v", &back, e)
			}
		})
	}
}

// Others read our bytes with the official runtime and event.proto, and may write them.
func TestGoldenEventsPassTheOfficialRuntime(t *testing.T) {
	for name, e := range goldenEvents(t) {
		t.Run(name, func(t *testing.T) {
			var m sensorv1.Event
			if err := proto.Unmarshal(e.Append(nil), &m); err != nil {
				t.Fatalf("proto.Unmarshal: %v", err)
			}
			if n := len(m.ProtoReflect().GetUnknown()); n != 0 {
				t.Errorf("official runtime has %d bytes of unknown fields", n)
			}
			if string(m.ActorPath) != e.Actor.Path || m.Kind != uint64(e.Kind) || m.HostTime != e.HostTime {
				t.Errorf("official runtime reads path %q kind %d host_time %d", m.ActorPath, m.Kind, m.HostTime)
			}
			b, err := proto.Marshal(&m)
			if err != nil {
				t.Fatal(err)
			}
			var back event.Event
			if err := back.Decode(b); err != nil {
				t.Fatalf("Decode(official bytes): %v", err)
			}
			if !reflect.DeepEqual(&back, e) {
				t.Errorf("official round trip =\n%+v\nwant\n%+v", &back, e)
			}
		})
	}
}

// The Sysmon record keeps what a Windows host really wrote, to the lone surrogate.
func TestSysmonRecordKeepsJapaneseAndLoneSurrogates(t *testing.T) {
	e := goldenEvents(t)["windows-sysmon-1"]
	if got, want := event.Base(e.OS, e.Actor.Path), "表.exe"; got != want {
		t.Errorf("Base(%q) = %q; want %q", e.Actor.Path, got, want)
	}
	if got, want := event.Show(e.Actor.CommandLine), `"C:\Users\田中 太郎\表.exe" /x \xed\xa1\x82`; got != want {
		t.Errorf("Show(CommandLine) = %q; want %q", got, want)
	}
	if e.Actor.Key == (event.Key{}) || e.Actor.Key == e.Parent.Key {
		t.Errorf("keys: actor %v parent %v; want two different ones", e.Actor.Key, e.Parent.Key)
	}
	if e.HostTime != 1_794_966_400_123_000 {
		t.Errorf("HostTime = %d; want 1794966400123000", e.HostTime)
	}
}

func hexLines(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(32, len(b))
		s.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return s.String()
}
