package terminal

import (
	"regexp"
	"strings"
	"time"
)

// Clock gives a time of the API (µs UTC) in the zone of this terminal, "–" for never.
func Clock(us int64) string {
	if us == 0 {
		return "–"
	}
	return local(time.UnixMicro(us), "2006-01-02 15:04:05")
}

// FineClock is Clock with milliseconds, for events.
func FineClock(us int64) string {
	if us == 0 {
		return "–"
	}
	return local(time.UnixMicro(us), "2006-01-02 15:04:05.000")
}

// local names the zone where its name means one thing to our readers, and gives the offset elsewhere:
// CST is four zones.
func local(t time.Time, layout string) string {
	t = t.Local()
	if name, offset := t.Zone(); name == "JST" || offset == 0 && name == "UTC" {
		return t.Format(layout + " MST")
	}
	return t.Format(layout + "-07:00")
}

var written = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z`)

// LocalTimes gives a sentence of the server with its UTC times in the zone of this terminal. Sentences are
// stored and sent with UTC, since the server cannot know who will read them.
func LocalTimes(sentence string) string {
	return written.ReplaceAllStringFunc(sentence, func(w string) string {
		t, err := time.Parse("2006-01-02T15:04:05.999999999Z", w[:10]+"T"+w[11:])
		if err != nil {
			return w
		}
		return FineClock(t.UnixMicro())
	})
}

// TimesOfDay is LocalTimes for a page that has named the day and the zone of a moment (µs UTC): times of that
// day come without them.
func TimesOfDay(sentence string, day int64) string {
	today := time.UnixMicro(day).Local().Format("2006-01-02 ")
	return stamped.ReplaceAllStringFunc(LocalTimes(sentence), func(w string) string {
		if clock, ok := strings.CutPrefix(w, today); ok {
			return clock[:len("15:04:05.000")]
		}
		return w
	})
}

var stamped = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}(?: [A-Z]{3}|[-+]\d\d:\d\d)`)

// TimeOfDay gives the time of day of a moment (µs UTC) here, to the microsecond: rows of one story differ by less
// than a millisecond.
func TimeOfDay(us int64) string { return time.UnixMicro(us).Local().Format("15:04:05.000000") }
