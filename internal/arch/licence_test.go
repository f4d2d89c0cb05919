package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// licences maps a phrase of a licence text to its name. The programs may link only these; a licence
// arrives with an upgrade, so the texts are read and not a list of modules.
var licences = []struct{ phrase, name string }{
	{"Apache License", "Apache-2.0"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"MIT License", "MIT"},
	{"Redistribution and use in source and binary forms", "BSD"},
	{"Permission to use, copy, modify, and/or distribute", "ISC"},
	{"Permission to use, copy, modify, and distribute", "ISC"},
	{"This is free and unencumbered software released into the public domain", "Unlicense"},
	{"CC0 1.0 Universal", "CC0"},
}

// TestLicencesOfWhatWeLink walks every module that the two programs link.
func TestLicencesOfWhatWeLink(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "duckdb,duckdb_arrow", "-deps", "-f", `{{with .Module}}{{if .Dir}}{{.Path}} {{.Dir}}{{end}}{{end}}`, module+"cmd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, dir, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || seen[path] || strings.HasPrefix(path+"/", module) {
			continue
		}
		seen[path] = true
		if name := licenceOf(dir); name == "" {
			t.Errorf("%s: no licence of the allow-list found in %s", path, dir)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d modules walked: the check does not look", len(seen))
	}
}

func licenceOf(dir string) string {
	for ; strings.Contains(dir, "@"); dir = filepath.Dir(dir) {
		for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "License*", "UNLICENSE*"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					continue
				}
				text := strings.Join(strings.Fields(string(b)), " ")
				for _, l := range licences {
					if strings.Contains(text, l.phrase) {
						return l.name
					}
				}
			}
		}
	}
	return ""
}

// TestDependenciesAreExplained wants a line in docs/dependencies.md for each module that go.mod asks for.
func TestDependenciesAreExplained(t *testing.T) {
	doc := read(t, "../../docs/dependencies.md")
	for line := range strings.Lines(read(t, "../../go.mod")) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasPrefix(f[1], "v") {
			continue
		}
		if !strings.Contains(line, "// indirect") && !strings.Contains(doc, "`"+f[0]+"`") {
			t.Errorf("%s has no line in docs/dependencies.md: why, licence, who would maintain it", f[0])
		}
	}
}
