package terminal

import "strings"

// Typeset gives a Japanese sentence with the parentheses that Japanese text has: a pair that touches a wide character,
// inside or outside, is wide itself. Tables are written with the narrow ones; commands in backticks keep theirs.
func Typeset(ja string) string {
	runes := []rune(ja)
	wide := func(i int) bool { return i >= 0 && i < len(runes) && screen.RuneWidth(runes[i]) == 2 }
	touches := func(i int) bool { return wide(i-1) || wide(i+1) }
	var open []int
	code := false
	for i, r := range runes {
		switch {
		case r == '`':
			code = !code
		case code:
		case r == '(':
			open = append(open, i)
		case r == ')' && len(open) > 0:
			from := open[len(open)-1]
			open = open[:len(open)-1]
			if touches(from) || touches(i) {
				runes[from], runes[i] = '（', '）'
			}
		}
	}
	return strings.ReplaceAll(string(runes), "） （", "）（")
}
