package stream

import "time"

// SetPatience bounds how long the embedded server may take to close.
func (l *Log) SetPatience(d time.Duration) { l.patience = d }
