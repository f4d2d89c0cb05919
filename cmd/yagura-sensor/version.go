package main

import (
	"runtime"
	"runtime/debug"

	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

type versionVerb struct{}

// Run prints the version.
func (versionVerb) Run(s *shell) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" {
				revision = kv.Value
			}
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"version": version, "revision": revision, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "registry": registry.Version, "protocol": uplink.Protocol})
	}
	s.printf("yagura-sensor %s (%s, %s/%s, event registry %d, protocol %d)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, registry.Version, uplink.Protocol)
	return nil
}
