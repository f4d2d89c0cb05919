// Package terminal is how both programs speak to a person at a terminal: in which language, with which
// widths, in which time zone, and how help is laid out.
//
// Code is written in English. Each program keeps one table of sentences (its ja.go) from the English text to
// the Japanese one; Tongue looks up what the program says, and reads finished error texts back through the
// same table, since errors cross packages and the wire as English text. Output for programs (--json) never
// passes through here. cmd/yagura and cmd/yagura-sensor call it; nothing else does.
package terminal

import "strings"

// The languages of the product.
const (
	English  = "en"
	Japanese = "ja"
)

// Language gives the language of the environment in the order of setlocale(3): the first of LC_ALL,
// LC_MESSAGES and LANG that is set and not empty decides. C, POSIX and all that is not Japanese are English,
// and so is Japanese in another encoding than UTF-8, which would arrive as noise.
func Language(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		v := strings.ToLower(env(name))
		if v == "" {
			continue
		}
		v, _, _ = strings.Cut(v, "@")
		place, encoding, _ := strings.Cut(v, ".")
		language, _, _ := strings.Cut(place, "_")
		if language == Japanese && (encoding == "" || encoding == "utf-8" || encoding == "utf8") {
			return Japanese
		}
		return English
	}
	return English
}
