package main

import (
	"fmt"
	"strconv"
	"time"
)

// moment is a time on the command line in µs UTC, given as people say it.
type moment int64

// UnmarshalText reads 15m (ago), 10:30 (today), 2026-11-22 10:30 (here), RFC 3339, or µs UTC.
func (m *moment) UnmarshalText(b []byte) error {
	text, now := string(b), time.Now()
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*m = moment(n)
		return nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		*m = moment(now.Add(-d).UnixMicro())
		return nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		*m = moment(t.UnixMicro())
		return nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "15:04:05", "15:04"} {
		t, err := time.ParseInLocation(layout, text, time.Local)
		if err != nil {
			continue
		}
		if t.Year() == 0 {
			t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
		}
		*m = moment(t.UnixMicro())
		return nil
	}
	return fmt.Errorf("%q is no time: give 15m (ago), 10:30, \"2026-11-22 10:30\" or RFC 3339", text)
}
