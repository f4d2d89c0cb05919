package event_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
)

// A recording replayed is the same events, to the byte: names that are no text included.
func TestJSONRoundTripKeepsTheHostsBytes(t *testing.T) {
	all := fill(t)
	all.Kind, all.OS = event.ProcessExec, event.Linux
	for name, e := range map[string]*event.Event{"every field": all, "exec": linuxExec(), "connect": macConnect(), "clean exit": {Kind: event.ProcessExit, OS: event.Linux}} {
		line := e.JSON()
		if !json.Valid(line) || strings.Contains(string(line), "\n") {
			t.Errorf("%s: no JSON line: %s", name, line)
		}
		back, err := event.FromJSON(line)
		if err != nil {
			t.Errorf("%s: FromJSON(%s): %v", name, line, err)
			continue
		}
		if !reflect.DeepEqual(back, e) {
			t.Errorf("%s: round trip =\n%+v\nwant\n%+v", name, back, e)
		}
	}
}

// The biggest line that JSON can write is one that FromJSON reads.
func TestJSONOfTheBiggestEventIsRead(t *testing.T) {
	for _, filler := range []string{"\x00", "\xff", "<", "あ"} {
		e := &event.Event{Kind: event.ProcessExec, OS: event.Linux}
		e.Actor.CommandLine = strings.Repeat(filler, (event.MaxEventBytes-64)/len(filler))
		back, err := event.FromJSON(e.JSON())
		if err != nil || back.Actor.CommandLine != e.Actor.CommandLine {
			t.Errorf("%d × %q: %v", len(e.Actor.CommandLine), filler, err)
		}
	}
}

func TestFromJSONRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{"actor_pth": "x"}`:                 "actor_pth",
		`{"kind": "process.spawn"}`:          "unknown kind",
		`{"os": "plan9"}`:                    "unknown os",
		`{"kind": 70000}`:                    "malformed",
		`{"actor_pid": -1}`:                  "actor_pid",
		`{"actor_key": "p-x"}`:               "actor_key",
		`{"actor_sha256": "abc"}`:            "actor_sha256",
		`{"remote_ip": "localhost"}`:         "remote_ip",
		`{"answers": "x"}`:                   "answers",
		`{"actor_path": 1}`:                  "actor_path",
		`[]`:                                 "cannot unmarshal",
		`{`:                                  "unexpected end",
		strings.Repeat(" ", 8*64<<10) + `{}`: "over the size limit",
	} {
		if _, err := event.FromJSON([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("FromJSON(%.40q) = %v; want it to name %q", in, err, want)
		}
	}
}

func FuzzFromJSON(f *testing.F) {
	f.Add(linuxExec().JSON())
	f.Add(macConnect().JSON())
	f.Add([]byte(`{"kind":"process.exec","actor_path":"\udbff\ude80"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.FromJSON(b)
		if err != nil || !strings.HasPrefix(e.Kind.String(), "process.") {
			return
		}
		if e.OS.String()[:2] == "os" { // a number that no OS has cannot be written as a name
			return
		}
		again, err := event.FromJSON(e.JSON())
		if err != nil {
			t.Fatalf("own line refused: %v\n%s", err, e.JSON())
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("second trip differs:\n%+v\n%+v", e, again)
		}
	})
}

// An event of a busy host as `yagura-sensor watch` and the list of events print it.
func BenchmarkJSON(b *testing.B) {
	e := &event.Event{Kind: event.FileCreate, OS: event.Linux, BootNS: 1, HostTime: 1, Ancestors: []string{"/usr/bin/dash", "/usr/bin/bash"}}
	for _, p := range []*event.Process{&e.Actor, &e.Parent} {
		*p = event.Process{PID: 28706, Path: "/usr/bin/dash", CommandLine: "/bin/sh /usr/sbin/debootstrap bookworm /var/tmp/root", Cwd: "/work", UserName: "root", Comm: "debootstrap"}
	}
	e.File.Path = "/var/tmp/root/var/cache/apt/archives/partial/groff-base_1.22.4-10_amd64.deb"
	b.ReportAllocs()
	for b.Loop() {
		e.JSON()
	}
}
