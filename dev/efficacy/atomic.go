//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// atomics is where a test finds the folder with its helpers.
const atomics = "/opt/atomics"

// test is one procedure of a YAML file, with its arguments put in.
type test struct {
	ID, Name, Shell string
	Root            bool // it asks for root
	Prereqs         []prereq
	Command         string

	class, tactic string
}

// prereq is what has to be there before: get runs when check fails.
type prereq struct{ Shell, Check, Get string }

type file struct {
	Technique string `yaml:"attack_technique"`
	Tests     []struct {
		Name      string   `yaml:"name"`
		Platforms []string `yaml:"supported_platforms"`
		Arguments map[string]struct {
			Default any `yaml:"default"`
		} `yaml:"input_arguments"`
		DependencyShell string `yaml:"dependency_executor_name"`
		Dependencies    []struct {
			Check string `yaml:"prereq_command"`
			Get   string `yaml:"get_prereq_command"`
		} `yaml:"dependencies"`
		Executor struct {
			Name    string `yaml:"name"`
			Root    bool   `yaml:"elevation_required"`
			Command string `yaml:"command"`
		} `yaml:"executor"`
	} `yaml:"atomic_tests"`
}

// readTests reads every Linux test of the folder, in the order of the files; a test's number is its place in its file.
func readTests(dir string) ([]*test, error) {
	names, err := filepath.Glob(filepath.Join(dir, "T*.yaml"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("tests in %s: none (%w)", dir, err)
	}
	var tests []*test
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read tests: %w", err)
		}
		var f file
		if err := yaml.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("read tests of %s: %w", name, err)
		}
		for i, y := range f.Tests {
			if !slices.Contains(y.Platforms, "linux") {
				continue
			}
			put := func(s string) string {
				for range 3 { // a default may name another argument
					for k, a := range y.Arguments {
						s = strings.ReplaceAll(s, "#{"+k+"}", strings.TrimSpace(fmt.Sprint(a.Default)))
					}
				}
				return strings.TrimSpace(strings.NewReplacer("$PathToAtomicsFolder", atomics, "PathToAtomicsFolder", atomics).Replace(s))
			}
			t := &test{ID: fmt.Sprintf("%s#%d", f.Technique, i+1), Name: y.Name, Shell: y.Executor.Name, Root: y.Executor.Root, Command: put(y.Executor.Command)}
			for _, d := range y.Dependencies {
				shell := y.DependencyShell
				if shell != "bash" {
					shell = "sh"
				}
				t.Prereqs = append(t.Prereqs, prereq{Shell: shell, Check: put(d.Check), Get: put(d.Get)})
			}
			tests = append(tests, t)
		}
	}
	return tests, nil
}

var hostname = regexp.MustCompile(`\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|me|sh|dev|test)\b`)

// wellKnown gives the names that exist in the rooms' world: those that some test mentions. A generated name does not.
func wellKnown(tests []*test) []string {
	found := map[string]bool{"ifconfig.me": true, "debian.example.net": true, "example.net": true}
	for _, t := range tests {
		var text strings.Builder
		text.WriteString(t.Command)
		for _, p := range t.Prereqs {
			text.WriteString("\n" + p.Get)
		}
		for _, name := range hostname.FindAllString(strings.ToLower(text.String()), -1) {
			found[name] = true
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type class struct{ class, tactic string }

// readClasses reads the table of classes: test, class, tactic.
func readClasses(name string) (map[string]class, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the classes: %w", err)
	}
	defer func() { _ = f.Close() }()
	classes := map[string]class{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "# ") || line == "" {
			continue
		}
		cells := strings.Split(line, "\t")
		if len(cells) != 3 || !slices.Contains([]string{"attack", "benign", "skip"}, cells[1]) {
			return nil, fmt.Errorf("%s: %q is not test, class and tactic", name, line)
		}
		classes[cells[0]] = class{cells[1], cells[2]}
	}
	return classes, nil
}
