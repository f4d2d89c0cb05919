package main

import (
	"fmt"
	"net/netip"

	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
)

type canaryVerb struct {
	Nonce string `arg:"" help:"Value that the server gave."`
}

// Run is a canary.
func (v *canaryVerb) Run(s *shell) error { return agent.BeCanary(s.ctx, v.Nonce) }

type probeVerb struct {
	Address string `arg:""`
	Device  string `arg:"" optional:""`
}

// Run sends one packet and prints what became of it.
func (v *probeVerb) Run(s *shell) error {
	to, err := netip.ParseAddrPort(v.Address)
	if err != nil {
		return fmt.Errorf("address %q is not IP:PORT", v.Address)
	}
	s.printf("%s\n", contain.ProbeOut(s.ctx, sense.Target{Addr: to, Device: v.Device}))
	return nil
}
