package line_test

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/console/line"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
)

// Every kind of the registry has a sentence of its own, in both languages, of bounded length.
func TestEveryKindReadsInBothLanguages(t *testing.T) {
	long := strings.Repeat("あ", 5000)
	seen := map[string]string{}
	for _, k := range registry.Kinds {
		e := &event.Event{Kind: event.Kind(k.Number), Query: long, Subject: long, State: long, Reason: long, Version: long, Answers: []string{long}}
		e.Actor = event.Process{Path: "/usr/bin/" + long, CommandLine: long, PID: 7, UserName: long}
		e.Parent, e.Target = e.Actor, e.Actor
		e.File.Path, e.OldFile.Path = long, long
		e.RemoteAddr, e.RemotePort, e.RemoteName = netip.MustParseAddr("::1"), 443, long
		s := line.Of(e)
		if s.En == "" || s.Ja == "" || s.En == s.Ja {
			t.Errorf("%s reads %q and %q", k.Name, s.En, s.Ja)
		}
		if len(s.En) > 1200 || len(s.Ja) > 1200 || !utf8.ValidString(s.En) || !utf8.ValidString(s.Ja) {
			t.Errorf("%s: %d and %d bytes, valid %t", k.Name, len(s.En), len(s.Ja), utf8.ValidString(s.Ja))
		}
		if other, twice := seen[s.En]; twice {
			t.Errorf("%s reads like %s: %q", k.Name, other, s.En)
		}
		seen[s.En] = k.Name
	}
}

func TestSentences(t *testing.T) {
	sh := event.Process{Path: "/usr/bin/dash", PID: 42, CommandLine: "sh -c id"}
	for _, c := range []struct {
		e      event.Event
		en, ja string
	}{
		{
			event.Event{Kind: event.ProcessExec, Actor: sh, Parent: event.Process{Path: "/usr/sbin/nginx", PID: 1}},
			"dash (42) started: “sh -c id”, from nginx (1)", "dash (42) が起動: “sh -c id”（親: nginx (1)）",
		},
		{
			event.Event{Kind: event.NetConnect, Actor: sh, RemoteAddr: netip.MustParseAddr("127.0.0.1"), RemotePort: 4444},
			"dash (42) connected to 127.0.0.1:4444", "dash (42) が 127.0.0.1:4444 へ接続",
		},
		{
			event.Event{Kind: event.FileChmod, Actor: sh, File: event.File{Path: "/tmp/x", Mode: 0o100755}},
			"dash (42) set the permissions of “/tmp/x” to 0755", "dash (42) が “/tmp/x” の権限を 0755 に変更",
		},
		{
			event.Event{Kind: event.ProcessExit, Actor: sh, ExitCode: 3},
			"dash (42) ended with code 3", "dash (42) が終了（コード 3）",
		},
		{
			event.Event{Kind: event.SensorCapability, Subject: "file", State: "blind"},
			"sight of “file” is “blind”", "ファイルの監視範囲: 監視不可",
		},
		{
			event.Event{Kind: event.SensorLoss, Subject: "network", Count: 3},
			"3 events of “network” were lost", "ネットワークのイベント 3 件が欠損",
		},
	} {
		if s := line.Of(&c.e); s.En != c.en || s.Ja != c.ja {
			t.Errorf("%s reads %q / %q; want %q / %q", c.e.Kind, s.En, s.Ja, c.en, c.ja)
		}
	}
}
