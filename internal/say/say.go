// Package say is the one catalogue of what this program says in Japanese. Code says a sentence in English, with its
// arguments beside it; the tables here have the Japanese of each, by what it is about. A test holds them to the code: no
// sentence without its Japanese, no line that has outlived its sentence.
package say

import (
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// Tables gives all tables; of a sentence that stands in two, the later has the word.
func Tables() []terminal.Sentences {
	return []terminal.Sentences{terminal.Shared, Reasons, Rules, Elsewhere, Help, Said, Replay, Authority, Store, Doctor, Start}
}

var (
	english  = sync.OnceValue(func() *terminal.Tongue { return terminal.NewTongue(terminal.English) })
	japanese = sync.OnceValue(func() *terminal.Tongue { return terminal.NewTongue(terminal.Japanese, Tables()...) })
)

// In gives the tongue of a language; any but Japanese is English.
func In(language string) *terminal.Tongue {
	if language == terminal.Japanese {
		return japanese()
	}
	return english()
}

// Both gives a sentence in both languages; an error among the arguments is said in each.
func Both(en string, args ...any) detection.Said {
	ja := append([]any(nil), args...)
	for i, a := range ja {
		if err, ok := a.(error); ok {
			ja[i] = japanese().Text(err.Error())
		}
	}
	return detection.Said{En: english().Say(en, args...), Ja: japanese().Say(en, ja...)}
}

// Japanese says a finished English sentence, or several with semicolons between them, in Japanese; what the tables do not
// know of it stays as it is. A sentence may have a semicolon of its own: what leaves less English is right.
func Japanese(finished string) string {
	whole, parts := japanese().Text(finished), strings.Split(finished, "; ")
	for i, p := range parts {
		parts[i] = japanese().Text(p)
	}
	if split := strings.Join(parts, "。"); latin(split) < latin(whole) {
		return split
	}
	return whole
}

// Finished gives a sentence in both languages that another part or a sensor said in English.
func Finished(en string) detection.Said { return detection.Said{En: en, Ja: Japanese(en)} }

// One gives a reason in both languages that is one sentence, whatever semicolons it holds; the Japanese is empty when
// nobody has said it.
func One(en string) detection.Said {
	s := detection.Said{En: en, Ja: japanese().Text(en)}
	if s.Ja == s.En {
		s.Ja = ""
	}
	return s
}

func latin(s string) (n int) {
	for _, r := range s {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			n++
		}
	}
	return n
}
