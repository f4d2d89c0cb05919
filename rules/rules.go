// Package rules holds our own detection content and the two judges of its quality: Check for form
// (both languages, samples, fields that a sensor fills, banned names) and Test, which runs each rule
// over its samples. It does not judge events of hosts; package detect does, with the set that Add fills.
package rules

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// content is every rule with its samples: PLATFORM/TACTIC/RULE.yml and RULE.test.yml.
//
//go:embed linux
var content embed.FS

// Content gives our own rules and their samples.
func Content() fs.FS { return content }

// Load compiles our own rules and those of further folders. What was not loaded, and why, is in the
// set's Rejected; only a folder that cannot be read at all is an error.
func Load(dirs ...string) (*sigma.Ruleset, error) {
	b := sigma.NewBuilder()
	if err := b.AddFS(content, "rules"); err != nil {
		return nil, fmt.Errorf("load own rules: %w", err)
	}
	for _, d := range dirs {
		if err := b.AddDir(d); err != nil {
			return nil, err // it names the folder
		}
	}
	return b.Build(), nil
}
