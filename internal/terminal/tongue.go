package terminal

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Sentences maps an English sentence, with its verbs of fmt, to the Japanese one. Where Japanese needs
// another order it numbers its arguments: %[2]s.
type Sentences map[string]string

// Tongue says sentences in one language.
type Tongue struct {
	language  string
	sentences Sentences
	patterns  []pattern // for Text, the most specific first
}

// NewTongue makes a tongue; a sentence that stands in two tables has the Japanese of the later one.
func NewTongue(language string, tables ...Sentences) *Tongue {
	t := &Tongue{language: language, sentences: Sentences{}}
	if language != Japanese {
		return t
	}
	for _, table := range tables {
		for en, ja := range table {
			t.sentences[en] = Typeset(ja)
		}
	}
	for en, ja := range t.sentences {
		if p, ok := newPattern(en, ja); ok {
			t.patterns = append(t.patterns, p)
		}
	}
	slices.SortFunc(t.patterns, func(a, b pattern) int {
		if d := b.letters - a.letters; d != 0 {
			return d
		}
		return strings.Compare(a.ja, b.ja)
	})
	return t
}

// Language gives en or ja.
func (t *Tongue) Language() string { return t.language }

// Say gives a sentence with its arguments; one that the table lacks comes out in English.
func (t *Tongue) Say(en string, args ...any) string {
	said := en
	if ja, ok := t.sentences[en]; ok {
		said = ja
	}
	if len(args) == 0 {
		return said
	}
	return fmt.Sprintf(said, args...)
}

// Typeset gives a sentence that another package wrote the parentheses of this tongue's language. It is for sentences
// of ours alone: of what a host said no character is changed.
func (t *Tongue) Typeset(text string) string {
	if t.language != Japanese {
		return text
	}
	return Typeset(text)
}

// pattern recognises a sentence whose verbs have been filled in.
type pattern struct {
	re      *regexp.Regexp
	ja      string
	letters int // of fixed text: the more, the more specific
	values  int // that the Japanese says, -1: all
}

var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0-9.]*[a-zA-Z%]`)

// newPattern refuses what would match by accident: single words, and sentences of verbs alone.
func newPattern(en, ja string) (pattern, bool) {
	fixed := verb.ReplaceAllString(en, "")
	if len(strings.Fields(fixed)) == 0 || !strings.Contains(strings.TrimSpace(en), " ") {
		return pattern{}, false
	}
	drops := -1   // it says only so many of the values, the first ones
	lead := false // the sentence only says what was being done: why it failed is said by the parts behind it
	if head, ok := cutReason(en); ok {
		if said, ok := cutReason(ja); ok {
			en, ja, lead = head, said, true
		}
	}
	var re strings.Builder
	at := 0
	for _, m := range verb.FindAllStringIndex(en, -1) {
		re.WriteString(regexp.QuoteMeta(en[at:m[0]]))
		switch en[m[1]-1] {
		case '%':
			re.WriteString("%")
		case 'd':
			re.WriteString(`(-?\d+)`)
		case 'q':
			re.WriteString(`("(?:[^"\\]|\\.)*")`)
		default:
			re.WriteString(`(.+?)`)
		}
		at = m[1]
	}
	re.WriteString(regexp.QuoteMeta(strings.TrimRight(en[at:], "\n")))
	filled := verb.ReplaceAllStringFunc(ja, func(v string) string {
		if v == "%%" {
			return v
		}
		n, _, _ := strings.Cut(strings.TrimPrefix(v, "%"), "]")
		if strings.HasPrefix(n, "[") {
			return "%" + n + "]s"
		}
		return "%s"
	})
	end := `(: |\n|\z)`
	switch said := len(verb.FindAllString(ja, -1)); {
	case lead:
		end = `(: )`
	case said < len(verb.FindAllString(en, -1)) && !strings.Contains(ja, "%["): // it leaves out the reason, and all that is behind it
		drops, end = said, `(\n|\z)`
	}
	return pattern{
		re: regexp.MustCompile(`(?s)\A` + re.String() + end), ja: strings.TrimRight(filled, "\n"), letters: len(fixed), values: drops,
	}, true
}

// cutReason takes the wrapped error off the end of a sentence, where it has one there.
func cutReason(sentence string) (string, bool) {
	for _, end := range []string{": %w", ": %s", ": %v"} {
		if head, ok := strings.CutSuffix(sentence, end); ok {
			return head, true
		}
	}
	return sentence, false
}

// longest is how long a text may be that is looked for in the table: no sentence of ours is, and trying them all on
// a text that somebody made long would take minutes.
const longest = 4096

// Text gives a finished English text, such as that of an error, in the tongue's language. An error is a chain
// of parts with colons between them: each part that the table knows is said in Japanese, what it does not
// know (a path, a word of another program) stays as it is.
func (t *Tongue) Text(english string) string {
	if len(t.patterns) == 0 || len(english) > longest {
		return english
	}
	var out strings.Builder
	for rest := english; rest != ""; {
		said, length, sep := t.first(rest)
		out.WriteString(said)
		if rest = rest[length:]; rest != "" {
			out.WriteString(sep)
		}
	}
	return out.String()
}

// first says the first part of a chain and gives its length with the separator behind it.
func (t *Tongue) first(text string) (said string, length int, sep string) {
	for _, p := range t.patterns {
		m := p.re.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		var args []any
		for i := 2; i < len(m)-2; i += 2 {
			arg := text[m[i]:m[i+1]]
			if strings.Contains(arg, " ") && arg != text {
				arg = t.Text(arg)
			}
			args = append(args, arg)
		}
		if p.values >= 0 {
			args = args[:p.values]
		}
		said = p.ja
		if len(args) > 0 {
			said = fmt.Sprintf(p.ja, args...)
		}
		sep = text[m[len(m)-2]:m[len(m)-1]]
		return said, m[1], sep
	}
	for i := range len(text) { // of "f.yml:7: reason" the part ends at the second colon
		switch {
		case text[i] == '\n':
			return text[:i], i + 1, "\n"
		case text[i] == ':' && i+2 < len(text) && text[i+1] == ' ':
			return text[:i], i + 2, ": "
		}
	}
	return text, len(text), ""
}
