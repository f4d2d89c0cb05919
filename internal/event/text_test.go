package event_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/event"
)

var hostStrings = []string{
	"", "plain", "日本語 ファイル 髙﨑𠮷①㈱ﾊﾝｶｸ", "\x00", "a\x00b", "\xff", "\xc9\xbd EUC-JP", "\x95\x5c CP932 with 0x5C",
	"\U0010FE80", "\U0010FEFF", "\U0010FE7F", "\U0010FF00", "\xf4\x8f\xba", "\xf4\x8f\xba\xff\U0010FEBA",
	"\xed\xa0\x80", "\xed\xb0\x80\xed\xa0\x80", "\xc0\xaf", "\xf8\x88\x80\x80\x80", "e\u0301 か\u3099", "\u202e\u2066exe.txt",
	"\x1b[2J\x1b]0;owned\x07", strings.Repeat("\xff", 5000), strings.Repeat("/あ", 2048), "\ufffd",
}

func TestTextIsLossless(t *testing.T) {
	seen := map[string]string{}
	for _, s := range hostStrings {
		text := event.Text(s)
		if !utf8.ValidString(text) {
			t.Errorf("Text(%q) = %q is not UTF-8", s, text)
		}
		if back := string(event.Bytes(text)); back != s {
			t.Errorf("Bytes(Text(%q)) = %q", s, back)
		}
		if other, ok := seen[text]; ok {
			t.Errorf("Text(%q) = Text(%q)", s, other)
		}
		seen[text] = s
	}
}

// docs/format/text.md states these bytes; other programs read them.
func TestTextForm(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a\xffb", "a\U0010FEFFb"},
		{"\x80", "\U0010FE80"},
		{"\U0010FE80", "\U0010FEF4\U0010FE8F\U0010FEBA\U0010FE80"},
		{"\U0010FE7F", "\U0010FE7F"}, // below the range: a private-use character like any other
		{"\ufffd", "\ufffd"},         // a real replacement character is text
	} {
		if got := event.Text(c.in); got != c.want {
			t.Errorf("Text(%q) = %+q; want %+q", c.in, got, c.want)
		}
	}
}

func TestTextOfValidTextDoesNotAllocate(t *testing.T) {
	s := "/usr/bin/日本語"
	if n := testing.AllocsPerRun(100, func() { event.Text(s) }); n != 0 {
		t.Errorf("Text(%q) allocates %v times", s, n)
	}
}

func TestTextUTF16(t *testing.T) {
	for _, c := range []struct {
		in   []uint16
		want string
	}{
		{u16("田中 𠮷"), "田中 𠮷"},
		{[]uint16{0xD842}, event.Text("\xed\xa1\x82")},
		{[]uint16{0xDC00, 0xD842}, event.Text("\xed\xb0\x80\xed\xa1\x82")},
		{[]uint16{0xD842, 'a'}, event.Text("\xed\xa1\x82a")},
		{[]uint16{0xD842, 0xD842, 0xDFB7}, event.Text("\xed\xa1\x82") + "𠮷"},
		{[]uint16{0xDBFF, 0xDE80}, event.Text("\U0010FE80")},
		{[]uint16{0}, "\x00"},
		{nil, ""},
	} {
		if got := event.TextUTF16(c.in); got != c.want {
			t.Errorf("TextUTF16(%04x) = %+q; want %+q", c.in, got, c.want)
		}
	}
}

// A host writes what it likes; the analyst's terminal and page stay his.
func TestShowDisarms(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain 日本語 髙　全角", "plain 日本語 髙　全角"},
		{event.Text("\x95\x5c.exe"), `\x95\.exe`},
		{"\x1b[2J", `\x1b[2J`},
		{"a\nb\tc\rd", `a\nb\tc\rd`},
		{"\x00\x7f\u0085\u009b", `\x00\x7f\x85\x9b`},
		{"invoice\u202efdp.exe", "invoice⟦U+202E⟧fdp.exe"},
		{"pass\u200bword\u2060\u00ad", "pass⟦U+200B⟧word⟦U+2060⟧⟦U+00AD⟧"},
		{"\u2028\u2029\ufeff\u061c", "⟦U+2028⟧⟦U+2029⟧⟦U+FEFF⟧⟦U+061C⟧"},
		{"\U000E0041\ue000\u3164", "⟦U+E0041⟧⟦U+E000⟧⟦U+3164⟧"},
		{"葛\U000E0100", "葛\U000E0100"}, // a Japanese variant selector is drawn with its character
		{"か\u3099", "か\u3099"},
	} {
		if got := event.Show(c.in); got != c.want {
			t.Errorf("Show(%+q) = %+q; want %+q", c.in, got, c.want)
		}
	}
}

func TestBase(t *testing.T) {
	for _, c := range []struct {
		os       event.OS
		in, want string
	}{
		{event.Linux, "/usr/bin/sh", "sh"},
		{event.Linux, `/tmp/a\b`, `a\b`},
		{event.Linux, "", ""},
		{event.Windows, `C:\Users\田中 太郎\表ソ.exe`, "表ソ.exe"},
		{event.Windows, `C:/x/y.exe`, "y.exe"},
		{event.Windows, `notepad.exe`, "notepad.exe"},
		{event.MacOS, "/Applications/テスト.app", "テスト.app"},
	} {
		if got := event.Base(c.os, c.in); got != c.want {
			t.Errorf("Base(%v, %q) = %q; want %q", c.os, c.in, got, c.want)
		}
	}
}
