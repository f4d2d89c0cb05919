package main

import (
	"errors"

	"github.com/yagura-edr/yagura/internal/eventstore/duck"
)

// workerVerb is hidden: the server starts its event store workers with it. The process ends with its
// standard input.
type workerVerb struct {
	Role string `arg:"" enum:"query,seal,compact" help:"What the worker is for."`
}

// Run serves requests on standard input.
func (v workerVerb) Run(s *shell) error {
	err := duck.Main(s.ctx, v.Role, s.stdin, s.given.stdout)
	if errors.Is(err, duck.ErrNoStore) {
		return usagef("%w", err)
	}
	return err
}
