package event

import "time"

// Clock writes a moment (µs UTC) as sentences carry it. They are stored and sent before it is known who reads them:
// the console looks for this form (web/src/ui/time.tsx) and shows it in the reader's zone.
func Clock(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05 UTC") }
