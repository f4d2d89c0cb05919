package incident

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The rooms of doc.go: a file uses nothing of a room after its own, a type has its methods in its room, and every file
// stands in one.
func TestRooms(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	room := map[string]int{}
	for i, list := range regexp.MustCompile(`(?m)^// \[([a-z_ ]+)\]$`).FindAllStringSubmatch(string(doc), -1) {
		for f := range strings.FieldsSeq(list[1]) {
			room[f+".go"] = i + 1
		}
	}
	paths, err := filepath.Glob("*.go")
	if err != nil || len(room) < 30 {
		t.Fatalf("%d files in rooms (%v)", len(room), err)
	}
	files, declared := map[string]*ast.File{}, map[string]int{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || path == "doc.go" {
			continue
		}
		if room[path] == 0 {
			t.Errorf("%s stands in no room of doc.go", path)
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = f
		for _, d := range f.Decls {
			for _, name := range namesOf(d) {
				declared[name] = room[path]
			}
		}
	}
	for path, f := range files {
		for _, id := range f.Unresolved { // what is declared in another file, imported, or Go's own
			if declared[id.Name] > room[path] {
				t.Errorf("%s uses %s of a room after its own", path, id.Name)
			}
		}
		for _, d := range f.Decls {
			if m, ok := d.(*ast.FuncDecl); ok && m.Recv != nil {
				of := m.Recv.List[0].Type
				if star, ok := of.(*ast.StarExpr); ok {
					of = star.X
				}
				if name := of.(*ast.Ident).Name; declared[name] != room[path] {
					t.Errorf("%s has the method %s of %s, which stands in another room", path, m.Name.Name, name)
				}
			}
		}
	}
}

// namesOf gives what a declaration declares for its package.
func namesOf(d ast.Decl) (out []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			out = append(out, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				out = append(out, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					out = append(out, n.Name)
				}
			}
		}
	}
	return out
}
