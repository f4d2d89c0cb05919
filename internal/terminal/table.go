package terminal

import (
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"
)

// screen counts columns as terminals draw them: two for Japanese characters, one for marks and lines, which
// the library would count as two in a Japanese locale and no current terminal draws so.
var screen = &runewidth.Condition{StrictEmojiNeutral: true}

// Width gives the columns that text takes.
func Width(text string) int { return screen.StringWidth(text) }

// Pad fills text up to a width; longer text stays whole.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-Width(text)))
}

// gap is the space between two columns, foldIndent that before the second line of a row.
const (
	gap        = 2
	foldIndent = 4
)

// Table lays rows out under a header, each cell whole. Where a row does not fit the screen's width, its cells
// go on over further lines, all rows alike. Width 0 is an output without a width, such as a pipe: one line
// for each row.
func Table(header []string, rows [][]string, width int) string {
	return table(header, rows, width, 0)
}

// least is how much of a cut column is shown at least: less tells nothing.
const least = 30

// TableCut is Table whose last column, such as a command line, is cut to the room that the screen leaves it.
func TableCut(header []string, rows [][]string, width int) string {
	return table(header, rows, width, least)
}

func table(header []string, rows [][]string, width, cut int) string {
	columns := make([]int, len(header))
	for i, h := range header {
		columns[i] = Width(h)
	}
	for _, r := range rows {
		for i, c := range r {
			columns[i] = max(columns[i], Width(c))
		}
	}
	end := len(columns) - 1
	if cut > 0 && width > 0 {
		columns[end] = min(columns[end], cut)
	}
	lines := fold(columns, width)
	if cut > 0 && width > 0 {
		columns[end] = width
		if before := lines[len(lines)-1]; len(before) > 1 || len(lines) > 1 {
			for _, c := range before[:len(before)-1] {
				columns[end] -= columns[c] + gap
			}
			if len(lines) > 1 {
				columns[end] -= foldIndent
			}
		}
		columns[end] = max(columns[end], Width(header[end]))
	}
	var b strings.Builder
	for _, r := range append([][]string{header}, rows...) {
		for n, line := range lines {
			var text strings.Builder
			if n > 0 {
				text.WriteString(strings.Repeat(" ", foldIndent))
			}
			for i, column := range line {
				if i == len(line)-1 {
					cell := r[column]
					if cut > 0 && width > 0 && column == end {
						cell = Cut(cell, columns[end])
					}
					text.WriteString(cell)
				} else {
					text.WriteString(Pad(r[column], columns[column]+gap))
				}
			}
			if s := strings.TrimRight(text.String(), " "); s != "" {
				b.WriteString(s + "\n")
			}
		}
	}
	return b.String()
}

// Cut gives text in at most width columns, with … where something was left out.
func Cut(text string, width int) string {
	if width <= 0 || Width(text) <= width {
		return text
	}
	var b strings.Builder
	used := 0
	for _, r := range text {
		w := screen.RuneWidth(r)
		if used+w > width-1 {
			break
		}
		used += w
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// fold puts columns on lines of a width, in their order.
func fold(columns []int, width int) [][]int {
	lines := [][]int{nil}
	used := 0
	for i, c := range columns {
		last := len(lines) - 1
		if width > 0 && used > foldIndent && used+c > width {
			lines = append(lines, nil)
			last, used = last+1, foldIndent
		}
		lines[last] = append(lines[last], i)
		used += c + gap
	}
	return lines
}

// Wrap breaks text into lines of a width: between words, and inside Japanese text between any two characters
// but where a line would begin with a mark that closes.
func Wrap(text string, width int) []string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		out = append(out, wrap(paragraph, width)...)
	}
	return out
}

// item is an entry of a list inside a text: what is behind its word hangs under its first line.
var item = regexp.MustCompile(`^ +[^ ]+ {2,}`)

func wrap(text string, width int) []string {
	var out []string
	line := ""
	hang := ""
	if n := Width(item.FindString(text)); n <= width/2 {
		hang = strings.Repeat(" ", n)
	}
	for _, piece := range pieces(text) {
		if line != "" && Width(line)+Width(strings.TrimRight(piece, " ")) > width {
			out = append(out, strings.TrimRight(line, " "))
			piece = strings.TrimLeft(piece, " ")
			line = hang
		}
		line += piece
	}
	return append(out, strings.TrimRight(line, " "))
}

// closing may not begin a line, opening may not end one.
const (
	closing = "、。,.:;!?)]}」』】）］｝》〉〕：；！？・ー々ぁぃぅぇぉゃゅょっァィゥェォャュョッ〜%%"
	opening = "([{「『【（［｛《〈〔"
)

// pieces cuts text where a line may end.
func pieces(text string) []string {
	var out []string
	var b strings.Builder
	runes := []rune(text)
	whole := 0 // a short remark in parentheses, such as （推定）, is not broken, nor a command: pasted with a break it would be two
	for i, r := range runes {
		b.WriteRune(r)
		if i+1 == len(runes) {
			break
		}
		if r == '(' || r == '（' {
			whole = max(whole, remark(runes[i:]))
		}
		if r == '`' && whole <= 0 {
			whole = quoted(runes[i:])
		}
		if katakana(r) && (i == 0 || !katakana(runes[i-1])) {
			whole = max(whole, foreign(runes[i:]))
		}
		if whole--; whole > 0 {
			continue
		}
		next := runes[i+1]
		ends := r == ' ' && next != ' '
		if screen.RuneWidth(r) == 2 || screen.RuneWidth(next) == 2 {
			ends = ends || r != ' ' && !strings.ContainsRune(closing, next) && !strings.ContainsRune(opening, r)
		}
		if ends {
			out = append(out, b.String())
			b.Reset()
		}
	}
	return append(out, b.String())
}

// quoted gives the length of a command in backticks that fits on a line, 0 of others.
func quoted(runes []rune) int {
	for i, r := range runes[1:min(len(runes), 62)] {
		if r == '`' {
			return i + 2
		}
	}
	return 0
}

// foreign gives the length of a word in katakana that is at most eight characters long, 0 of others.
func foreign(runes []rune) int {
	n := 0
	for n < len(runes) && katakana(runes[n]) {
		n++
	}
	if n > 8 {
		return 0
	}
	return n
}

func katakana(r rune) bool { return r >= 'ァ' && r <= 'ヺ' || r == 'ー' }

// remark gives the length of a parenthesis that is at most eight characters long, 0 of others.
func remark(runes []rune) int {
	for i, r := range runes[:min(len(runes), 10)] {
		if r == ')' || r == '）' {
			return i + 1
		}
	}
	return 0
}
