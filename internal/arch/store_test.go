package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestInterfacesAreSplitBySubject refuses an interface that declares more than 8 methods itself; embedded ones count by
// themselves.
func TestInterfacesAreSplitBySubject(t *testing.T) {
	eachGoFile(t, func(path, src string) {
		if strings.Contains(path, "/gen/") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
		if err != nil {
			t.Errorf("parse %s: %v", path, err)
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			i, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			methods := 0
			for _, m := range i.Methods.List {
				methods += len(m.Names)
			}
			if methods > 8 {
				t.Errorf("%s: %s declares %d methods: split it by subject", path, spec.Name.Name, methods)
			}
			return true
		})
	})
}

// TestStatementsStandInTheControlDatabase keeps SQL where CONVENTIONS.md says.
func TestStatementsStandInTheControlDatabase(t *testing.T) {
	eachGoFile(t, func(path, src string) {
		if strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "internal/controldb" || filepath.Dir(path) == "internal/eventstore/duck" {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			t.Errorf("parse %s: %v", path, err)
			return
		}
		for _, i := range f.Imports {
			if i.Path.Value == `"database/sql"` {
				t.Errorf("%s opens a SQL database: statements stand in internal/controldb", path)
			}
		}
	})
}
