package event

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Screen gives a writer for what people look at: lines end with \n, everything else leaves as Show gives it, whoever
// wrote it. Programs put it around their outputs once, so that no text of a host, a server or a file can steer the
// terminal even where a printer forgot to ask. What a printer writes as one line may still hold line ends of the
// text: it calls Show itself.
func Screen(w io.Writer) io.Writer { return &screen{to: w} }

type screen struct {
	to io.Writer

	mu   sync.Mutex // guards part; held while writing, so that parts of two lines do not mix
	part []byte     // of a character that is not whole yet
}

// Write writes p; nothing of p is kept back but the beginning of a character.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := p
	if len(s.part) > 0 {
		b = slices.Concat(s.part, p)
		s.part = nil
	}
	if n := unfinished(b); n > 0 {
		s.part = append([]byte(nil), b[len(b)-n:]...)
		b = b[:len(b)-n]
	}
	if _, err := s.to.Write(shown(b)); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return len(p), nil
}

// unfinished gives how many bytes at the end begin a character that goes on.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if tail[0] >= utf8.RuneSelf && !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

// shown gives bytes as Show gives text, line ends apart.
func shown(b []byte) []byte {
	clean := true
	for i := 0; i < len(b) && clean; {
		r, n := utf8.DecodeRune(b[i:])
		clean = r == '\n' || harmless(r) && (r != utf8.RuneError || n > 1)
		i += n
	}
	if clean {
		return b
	}
	var out strings.Builder
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == '\n':
			out.WriteByte('\n')
		case r == utf8.RuneError && n == 1:
			out.WriteString(hexByte(b[i]))
		default:
			out.WriteString(Show(string(r)))
		}
		i += n
	}
	return []byte(out.String())
}

// harmless says of a character that it has a shape of its own and does nothing else.
func harmless(r rune) bool {
	return r >= 0x20 && (r < 0x7F || r >= 0xA0) && unicode.IsGraphic(r) && !blank(r) && !escaped(r)
}

// ShowJSON gives JSON as it may be put on a screen: the same values, every character that Show would not let through
// as \uNNNN. JSON itself lets most of them stand as they are.
func ShowJSON(b []byte) []byte {
	var out []byte
	from := 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r != '\n' && !harmless(r) {
			out = append(out, b[from:i]...)
			if r > 0xFFFF {
				r -= 0x10000
				out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			from = i + n
		}
		i += n
	}
	if from == 0 {
		return b
	}
	return append(out, b[from:]...)
}
