package settings

import (
	"errors"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong with a configuration, where it stands.
type Mistake struct {
	Where string // FILE:LINE, --flag, or empty
	What  Said
}

// Error gives the English sentence.
func (m *Mistake) Error() string { return m.in("en") }

func (m *Mistake) in(lang string) string {
	if m.Where == "" {
		return m.What.In(lang)
	}
	return m.Where + ": " + m.What.In(lang)
}

// Explain gives the mistakes of an error of Load in a language, one a line.
func Explain(err error, lang string) string {
	if list, ok := err.(interface{ Unwrap() []error }); ok { // walks the tree itself
		var lines []string
		for _, e := range list.Unwrap() {
			lines = append(lines, Explain(e, lang))
		}
		return strings.Join(lines, "\n")
	}
	if inner := errors.Unwrap(err); inner != nil {
		return Explain(inner, lang) // what wraps it says what was being done, in one language only
	}
	if m, ok := errors.AsType[*Mistake](err); ok {
		return m.in(lang)
	}
	return err.Error()
}

// Wrong makes a mistake without a place; the arguments fill both sentences in the same order.
func Wrong(en, ja string, a ...any) *Mistake {
	return &Mistake{What: Said{En: fmt.Sprintf(en, a...), Ja: fmt.Sprintf(ja, a...)}}
}

// At puts a key before the sentences and a place before the mistake.
func (m *Mistake) At(where, key string) *Mistake {
	out := *m
	out.Where = where
	if key != "" {
		out.What = Said{En: key + ": " + m.What.En, Ja: key + ": " + m.What.Ja}
	}
	return &out
}
