package sigma

import (
	"encoding/base64"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxVariants bounds the cross product of windash: six dashes in one value already make 15,625 variants.
const maxVariants = 15625

// dashes are what windash puts in the place of a dash, in the order of the specification.
var dashes = [...]string{"-", "/", "\u2013", "\u2014", "\u2015"}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// dashPlaces finds what Python's \B[-/]\b finds: a dash that a non-word character (or the start) comes
// before and a word character comes after. The scanner is written by hand because \b of RE2 is ASCII.
func dashPlaces(s string) []int {
	var at []int
	before := false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if (r == '-' || r == '/') && !before && i+n < len(s) {
			if next, _ := utf8.DecodeRuneInString(s[i+n:]); isWord(next) {
				at = append(at, i)
			}
		}
		before = isWord(r)
		i += n
	}
	return at
}

// windash gives every variant of a value, the written one included. ok is false when there are too many.
// A literal is expanded where it stands: its neighbours in the pattern are wildcards, which are no word
// characters.
func windash(p pattern) (out []pattern, ok bool) {
	out = []pattern{nil}
	for _, t := range p {
		variants := []string{t.text}
		if t.kind == literal {
			variants = windashText(t.text)
		}
		if len(variants)*len(out) > maxVariants {
			return nil, false
		}
		next := make([]pattern, 0, len(out)*len(variants))
		for _, head := range out {
			for _, v := range variants {
				next = append(next, append(slices.Clip(head), token{t.kind, v}))
			}
		}
		out = next
	}
	return out, true
}

func windashText(s string) []string {
	out := []string{""}
	last := 0
	for _, at := range dashPlaces(s) {
		if len(out)*len(dashes) > maxVariants {
			return make([]string, maxVariants+1) // the caller refuses by the count
		}
		next := make([]string, 0, len(out)*len(dashes))
		for _, head := range out {
			for _, d := range dashes {
				next = append(next, head+s[last:at]+d)
			}
		}
		out, last = next, at+1
	}
	for i := range out {
		out[i] += s[last:]
	}
	return out
}

// base64Offsets gives the encodings of s at the three alignments it can have inside a longer text.
func base64Offsets(s string) []string {
	start := [...]int{0, 2, 3}
	end := [...]int{0, 3, 2}
	out := make([]string, 0, 3)
	for i := range 3 {
		e := base64.StdEncoding.EncodeToString(append(make([]byte, i), s...))
		cut := len(e) - end[(len(s)+i)%3]
		if start[i] >= cut {
			continue // too short to leave a character that depends on s alone
		}
		out = append(out, e[start[i]:cut])
	}
	return out
}

func utf16Text(s string, bigEndian, mark bool) string {
	var b []byte
	put := func(u uint16) {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	if mark {
		put(0xFEFF)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		put(u)
	}
	return string(b)
}
