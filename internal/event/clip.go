package event

import "unicode/utf8"

const ellipsis = "…"

// Clip bounds text that people read to n bytes. A longer one is cut between characters and ends in "…", which counts;
// n below 3 leaves nothing of it.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if n < len(ellipsis) {
		return ""
	}
	return Cut(s, n-len(ellipsis)) + ellipsis
}

// Cut bounds a name or a value to n bytes, between characters and without a mark.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
