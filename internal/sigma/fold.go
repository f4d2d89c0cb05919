package sigma

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// Folding makes two texts that differ in case alone equal: Unicode's simple case folding, as regular
// expressions with (?i) have it (Σ, σ and ς are one letter, so are K and the Kelvin sign), and "İ" becomes
// "i" and U+0307, as its lower case is written. It is done character by character, so what stands inside
// a text stands inside its folded form too; needles and prefilters rely on that.

const dotAbove = "\u0307"

// foldPages maps characters to their folded form, 256 a page; a page without any letter that has case is nil.
type foldPages [0x1F0]*[256]rune

var folding = sync.OnceValue(func() *foldPages {
	p := &foldPages{}
	for _, c := range unicode.CaseRanges {
		for r := rune(c.Lo); r <= rune(c.Hi) && int(r>>8) < len(p); r++ {
			low := r
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				low = min(low, o)
			}
			low = unicode.ToLower(low)
			if low == r {
				continue
			}
			if p[r>>8] == nil {
				p[r>>8] = &[256]rune{}
			}
			p[r>>8][r&0xFF] = low
		}
	}
	return p
})

func (p *foldPages) of(r rune) rune {
	if int(r>>8) < len(p) {
		if page := p[r>>8]; page != nil && page[r&0xFF] != 0 {
			return page[r&0xFF]
		}
	}
	return r
}

// foldInto appends s folded. Bytes that are no UTF-8 stay as they are.
func foldInto(b []byte, s string) []byte {
	var pages *foldPages
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
			i++
			continue
		}
		if pages == nil {
			pages = folding()
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, c)
		case r == 'İ':
			b = append(append(b, 'i'), dotAbove...)
		default:
			b = utf8.AppendRune(b, pages.of(r))
		}
		i += n
	}
	return b
}

func fold(s string) string { return string(foldInto(nil, s)) }
