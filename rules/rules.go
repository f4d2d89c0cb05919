// Package rules holds our own detection content and the two judges of its quality: Check for form
// (both languages, samples, fields that a sensor fills, banned names) and Test, which runs each rule
// over its samples. It does not judge events of hosts; package detect does, with the set that Add fills.
package rules

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/sigma"
)

// content is every rule with its samples: PLATFORM/TACTIC/RULE.yml and RULE.test.yml.
//
//go:embed linux
var content embed.FS

// ownPrefix stands before the files of our own rules wherever they are named.
const ownPrefix = "rules/"

// Content gives our own rules and their samples.
func Content() fs.FS { return content }

// Load compiles our own rules and those of further folders. What was not loaded, and why, is in the
// set's Rejected; only a folder that cannot be read at all is an error.
func Load(dirs ...string) (*sigma.Ruleset, error) {
	b := sigma.NewBuilder()
	if err := b.AddFS(content, strings.TrimSuffix(ownPrefix, "/")); err != nil {
		return nil, fmt.Errorf("load own rules: %w", err)
	}
	b.KeepWhole(func(file string) bool { return strings.Contains(file, "/health/") })
	for _, d := range dirs {
		if err := b.AddDir(d); err != nil {
			return nil, err // it names the folder
		}
	}
	set := b.Build()
	return set, silenced(set)
}

// silenced warns of rules of ours that filters narrow so far that not one of their own positive samples fires.
func silenced(set *sigma.Ruleset) error {
	scratch := set.Scratch()
	for _, r := range set.Rules() {
		if len(r.Filters) == 0 || !r.Ours || !strings.HasPrefix(r.File, ownPrefix) {
			continue
		}
		s, err := readSamples(content, testFile(strings.TrimPrefix(r.File, ownPrefix)))
		if err != nil {
			return err
		}
		only := func(other *sigma.Rule) bool { return other != r }
		fires := slices.ContainsFunc(s.positive, func(p sample) bool { return len(scratch.Judge(p.record(r), only)) > 0 })
		if len(s.positive) > 0 && !fires {
			f := r.Filters[len(r.Filters)-1]
			set.Warn(sigma.Warning{
				File: f.File, Line: f.Line, ID: r.ID, Class: sigma.SilencedRule,
				Reason: fmt.Sprintf("rule %q of %s fires on none of its %d samples any more", r.Title.En, r.File, len(s.positive)),
			})
		}
	}
	return nil
}
