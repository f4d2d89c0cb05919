package main

import "github.com/yagura-edr/yagura/internal/sensor/agent"

type canaryVerb struct {
	Nonce string `arg:"" help:"Value that the server gave."`
}

// Run is a canary.
func (v *canaryVerb) Run(s *shell) error { return agent.BeCanary(s.ctx, v.Nonce) }
