package sigma

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// RE2 counts to 1,000. A larger count is written as several: x{1001} is (?:x){1000}(?:x){1}.
const (
	re2Repeat = 1000
	maxRepeat = 10000
)

// compileRegex makes an expression, with flags in front, and says in words why one cannot be had.
func compileRegex(expr, flags string, line int) (*regexp.Regexp, string, error) {
	if len(expr) > maxRegex {
		return nil, "", refuse(BadRegex, line, "the regular expression has %d characters; at most %d are read", len(expr), maxRegex)
	}
	text := expr
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	re, err := regexp.Compile(text)
	if e, ok := errors.AsType[*syntax.Error](err); ok && e.Code == syntax.ErrInvalidRepeatSize {
		if long, ok := splitRepeats(text); ok {
			if again, err2 := regexp.Compile(long); err2 == nil {
				return again, long, nil
			}
		}
	}
	if err != nil {
		return nil, "", refuse(BadRegex, line, "the regular expression %s", regexWhy(err))
	}
	return re, text, nil
}

func regexWhy(err error) string {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return "cannot be read: " + err.Error()
	}
	at := " at " + strconv.Quote(event.Cut(e.Expr, 80))
	switch e.Code {
	case syntax.ErrInvalidRepeatSize, syntax.ErrLarge, syntax.ErrNestingDepth:
		return "repeats more than RE2 can follow" + at + ": counts up to " + strconv.Itoa(maxRepeat) + ", and nested counts whose product is up to " + strconv.Itoa(re2Repeat)
	case syntax.ErrInvalidPerlOp:
		return "is not RE2" + at + ": look-around, atomic groups and conditions do not exist there"
	case syntax.ErrInvalidEscape:
		if len(e.Expr) == 2 && e.Expr[1] >= '1' && e.Expr[1] <= '9' {
			return "is not RE2" + at + ": back-references do not exist there"
		}
		return "is not RE2" + at + ": unknown escape"
	case syntax.ErrInvalidRepeatOp:
		return "is not RE2" + at + ": possessive and doubled repeats do not exist there"
	default:
		return "is not RE2" + at + ": " + string(e.Code)
	}
}

// splitRepeats rewrites counts over 1,000 into counts RE2 takes; the language stays the same. ok is
// false when there is nothing it can do.
func splitRepeats(expr string) (out string, ok bool) {
	var b strings.Builder
	var open []int // where in b each open group began
	last := 0      // where in b the last thing that can be repeated began
	for i := 0; i < len(expr); {
		from := b.Len()
		switch c := expr[i]; c {
		case '\\':
			n := escapeLen(expr[i:])
			b.WriteString(expr[i : i+n])
			if last = from; strings.HasPrefix(expr[i:], `\Q`) {
				last = -1 // a count behind it means its last character alone
			}
			i += n
		case '[':
			n := classLen(expr[i:])
			b.WriteString(expr[i : i+n])
			i += n
			last = from
		case '(':
			open = append(open, from)
			b.WriteByte(c)
			i++
			last = b.Len()
		case ')':
			if len(open) == 0 {
				return "", false
			}
			last, open = open[len(open)-1], open[:len(open)-1]
			b.WriteByte(c)
			i++
		case '{':
			lo, hi, n := countOf(expr[i:])
			if n == 0 || max(lo, hi) <= re2Repeat {
				b.WriteString(expr[i : i+max(n, 1)])
				i += max(n, 1)
				if n == 0 {
					last = from // a brace that is no count is a character
				}
				continue
			}
			if max(lo, hi) > maxRepeat || hi >= 0 && hi < lo || last < 0 || last == b.Len() {
				return "", false
			}
			atom := b.String()[last:]
			head := b.String()[:last]
			b.Reset()
			b.WriteString(head)
			b.WriteString("(?:")
			for left := lo; left > 0; left -= re2Repeat {
				b.WriteString("(?:" + atom + "){" + strconv.Itoa(min(left, re2Repeat)) + "}")
			}
			if hi < 0 {
				b.WriteString("(?:" + atom + ")*")
			}
			for left := hi - lo; left > 0; left -= re2Repeat {
				b.WriteString("(?:" + atom + "){0," + strconv.Itoa(min(left, re2Repeat)) + "}")
			}
			b.WriteString(")")
			if b.Len() > 1<<16 {
				return "", false
			}
			if i += n; i < len(expr) && expr[i] == '?' {
				i++ // lazy or not, the same texts match
			}
		case '*', '+', '?':
			b.WriteByte(c)
			i++
		case '|':
			b.WriteByte(c)
			i++
			last = b.Len()
		default:
			n := 1
			for i+n < len(expr) && expr[i+n]&0xC0 == 0x80 { // the rest of the character
				n++
			}
			b.WriteString(expr[i : i+n])
			i += n
			last = from
		}
	}
	return b.String(), true
}

// escapeLen gives the length of the escape at the start of s.
func escapeLen(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	brace := func(from int) int {
		if len(s) > from && s[from] == '{' {
			if j := strings.IndexByte(s, '}'); j > 0 {
				return j + 1
			}
		}
		return 0
	}
	switch s[1] {
	case 'Q':
		if j := strings.Index(s, `\E`); j > 0 {
			return j + 2
		}
		return len(s)
	case 'p', 'P':
		if n := brace(2); n > 0 {
			return n
		}
		return min(3, len(s))
	case 'x':
		if n := brace(2); n > 0 {
			return n
		}
		return min(4, len(s))
	}
	n := 2
	for n < len(s) && s[n]&0xC0 == 0x80 {
		n++
	}
	return n
}

// classLen gives the length of the character class at the start of s.
func classLen(s string) int {
	i := 1
	if i < len(s) && s[i] == '^' {
		i++
	}
	for first := true; i < len(s); first = false {
		switch {
		case s[i] == ']' && !first:
			return i + 1
		case s[i] == '\\':
			i += escapeLen(s[i:])
		case strings.HasPrefix(s[i:], "[:"):
			if j := strings.Index(s[i:], ":]"); j > 0 {
				i += j + 2
				continue
			}
			i++
		default:
			i++
		}
	}
	return len(s)
}

// countOf reads {n}, {n,} or {n,m} at the start of s: hi is -1 for "and more", n its length, 0 for none.
func countOf(s string) (lo, hi, n int) {
	end := strings.IndexByte(s, '}')
	if end < 2 {
		return 0, 0, 0
	}
	a, b, two := strings.Cut(s[1:end], ",")
	number := func(t string) int {
		v, err := strconv.ParseUint(t, 10, 31)
		if err != nil || t[0] == '+' {
			return -1
		}
		return int(v)
	}
	if lo = number(a); lo < 0 {
		return 0, 0, 0
	}
	switch {
	case !two:
		return lo, lo, end + 1
	case b == "":
		return lo, -1, end + 1
	}
	if hi = number(b); hi < 0 {
		return 0, 0, 0
	}
	return lo, hi, end + 1
}
