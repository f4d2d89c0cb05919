package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/event"
)

// steers finds what a screen must not be given.
func steers(b []byte) string {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r != '\n' && (r == utf8.RuneError && n == 1 || !unicode.IsGraphic(r) || r == 0x3164 || r == 0x2800) {
			return string(b[i:min(len(b), i+8)])
		}
		i += n
	}
	return ""
}

func FuzzScreen(f *testing.F) {
	f.Add([]byte("plain\nline"), uint8(3))
	f.Add([]byte("\x1b]0;X\x07\x1b[2J\r\n\x9b31m\u202e\u200b\u2028\u0085\xe3\x81"), uint8(1))
	f.Add([]byte("日本語\U000E0041\U0010FE80\xff"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		var whole, parts bytes.Buffer
		_, _ = event.Screen(&whole).Write(append(bytes.Clone(b), '\n'))
		w := event.Screen(&parts)
		for rest := append(bytes.Clone(b), '\n'); len(rest) > 0; {
			n := min(len(rest), int(cut)%7+1)
			if got, err := w.Write(rest[:n]); got != n || err != nil {
				t.Fatalf("Write = %d, %v", got, err)
			}
			rest = rest[n:]
		}
		if s := steers(whole.Bytes()); s != "" {
			t.Errorf("%q lets %q through", b, s)
		}
		if !bytes.Equal(whole.Bytes(), parts.Bytes()) {
			t.Errorf("in parts of %d: %q; whole: %q", cut%7+1, parts.Bytes(), whole.Bytes())
		}
		if bytes.Count(whole.Bytes(), []byte("\n")) != bytes.Count(b, []byte("\n"))+1 {
			t.Errorf("%q has other lines as %q", b, whole.Bytes())
		}
		text := strings.ToValidUTF8(string(b), "?")
		j, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(event.ShowJSON(j), &back); err != nil || back != text {
			t.Errorf("JSON of %q comes back as %q, %v", text, back, err)
		}
		if s := steers(event.ShowJSON(j)); s != "" {
			t.Errorf("JSON of %q lets %q through", b, s)
		}
	})
}

func TestScreenLeavesHonestTextAlone(t *testing.T) {
	const text = "◆ critical  ウェブサーバーがシェルを起動 → bash\n  ├─ /usr/bin/curl “https://x” …\n"
	var b bytes.Buffer
	if _, err := event.Screen(&b).Write([]byte(text)); err != nil || b.String() != text {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func BenchmarkScreen(b *testing.B) {
	line := []byte(strings.Repeat("2026-11-30 14:00:00.000 JST  process.exec         web-07       bash が curl を起動\n", 100))
	var n bytes.Buffer
	w := event.Screen(&n)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		n.Reset()
		_, _ = w.Write(line)
	}
}
