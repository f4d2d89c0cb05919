package main

import (
	"encoding/json"
	"fmt"

	"github.com/yagura-edr/yagura/internal/durable"
)

// ready is what --ready-file holds once the server can take events; a contract with scripts.
type ready struct {
	URL       string `json:"url"`
	SignIn    string `json:"sign_in"`
	SensorURL string `json:"sensor_url"`
	PID       int    `json:"pid"`
	SensorPID int    `json:"sensor_pid"`
}

// write puts the file in place at once, never half written. It holds a sign-in link: only its owner may read it.
func (r ready) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return durable.Replace(path, append(b, '\n'))
}
