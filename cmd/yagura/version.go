package main

import (
	"runtime"
	"runtime/debug"

	"github.com/yagura-edr/yagura/internal/event/registry"
)

type versionVerb struct{}

// Help shows examples.
func (versionVerb) Help() string { return "Examples:\n  yagura version\n  yagura version --json" }

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
		return s.printJSON(map[string]any{"version": version, "revision": revision, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "registry": registry.Version})
	}
	s.printf("%s\n", s.say("yagura %s (%s, %s/%s, event registry %d)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, registry.Version))
	return nil
}
