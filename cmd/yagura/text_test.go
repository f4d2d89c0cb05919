package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
)

// jsonText is how a host-made string stands inside JSON output.
func jsonText(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(event.Text(s)); err != nil {
		panic(err)
	}
	return strings.Trim(string(event.ShowJSON(bytes.TrimSpace(b.Bytes()))), `"`)
}

// lockedBuffer takes the output of a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
