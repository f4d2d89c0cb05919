package event

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// textBase is where the lossless door from bytes to UTF-8 puts what is not text (docs/format/text.md): an
// invalid byte b becomes the private-use code point U+10FE00+b; a real code point U+10FE80–U+10FEFF in the
// input is encoded byte by byte the same way, so that Bytes can always tell which was which.
const textBase = 0x10FE00

// Text turns bytes made on a host into valid UTF-8 without loss. Valid text without code points of the
// escape range comes back as it is, without allocation.
func Text(s string) string {
	clean := true
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || escaped(r) {
			clean = false
			break
		}
		i += n
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || escaped(r) {
			for _, c := range []byte(s[i : i+n]) {
				b.WriteRune(textBase + rune(c))
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func escaped(r rune) bool { return r >= textBase+0x80 && r <= textBase+0xFF }

// Bytes gives back the bytes that Text was given.
func Bytes(t string) []byte {
	b := make([]byte, 0, len(t))
	for _, r := range t {
		if escaped(r) {
			b = append(b, byte(r-textBase))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// TextUTF16 turns UTF-16 made on a Windows host into Text. A lone surrogate goes through as the three
// bytes that WTF-8 gives it.
func TextUTF16(u []uint16) string {
	b := make([]byte, 0, len(u)*2)
	for i := 0; i < len(u); i++ {
		r := rune(u[i])
		if utf16.IsSurrogate(r) && i+1 < len(u) {
			if both := utf16.DecodeRune(r, rune(u[i+1])); both != utf8.RuneError {
				b = utf8.AppendRune(b, both)
				i++
				continue
			}
		}
		if utf16.IsSurrogate(r) {
			b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return Text(string(b))
}

// Show gives text as it may be put on a screen: escaped bytes as \xNN, and whatever has no shape of its
// own (controls, bidirectional and zero-width characters, line separators, tags, private use) as ⟦U+NNNN⟧,
// so that no host can steer a terminal or a page, or hide a word.
func Show(t string) string {
	var b strings.Builder
	b.Grow(len(t))
	for i, r := range t {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(t[i:], "\uFFFD"): // text that did not go through Text
			b.WriteString(hexByte(t[i]))
		case escaped(r):
			b.WriteString(hexByte(byte(r - textBase)))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r >= 0x7F && r < 0xA0:
			b.WriteString(hexByte(byte(r)))
		case !harmless(r):
			fmt.Fprintf(&b, "⟦U+%04X⟧", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

const digits = "0123456789abcdef"

func hexByte(c byte) string { return `\x` + string([]byte{digits[c>>4], digits[c&15]}) }

// blank reports letters that are drawn as nothing.
func blank(r rune) bool {
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0:
		return true
	}
	return r >= 0x180B && r <= 0x180F
}
