package main

import (
	"runtime"

	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type versionVerb struct{}

// Help shows examples.
func (versionVerb) Help() string {
	return "Examples:\n  yagura-sensor version\n  yagura-sensor version --json"
}

// Run prints the version.
func (versionVerb) Run(s *shell) error {
	if s.json {
		return s.printJSON(map[string]any{"version": version, "revision": terminal.Revision(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "registry": registry.Version, "protocol": uplink.Protocol})
	}
	s.printf("%s\n", s.say("yagura-sensor %s (%s, %s/%s, event registry %d, protocol %d)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, registry.Version, uplink.Protocol))
	return nil
}
