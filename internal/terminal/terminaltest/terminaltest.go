// Package terminaltest reads the source of a program for what it says to people, so that a test can hold its
// table of Japanese sentences to it. Tests of cmd/yagura and cmd/yagura-sensor call it; programs do not.
package terminaltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Source is what the Go files of a folder say.
type Source struct {
	Said     map[string]string // sentence to its place: all of them need a translation
	Bypasses map[string]string // text that is printed without being looked up
}

// sayers are the functions whose first text argument is a sentence.
var sayers = map[string]bool{"say": true, "Both": true, "heading": true, "usagef": true, "partialf": true, "explain": true, "Errorf": true, "Sprintf": true, "New": true, "table": true, "tableCut": true, "hosts": true, "each": true}

// Read collects the sentences of the program in a folder.
func Read(t *testing.T, dir string) Source {
	t.Helper()
	s := Source{Said: map[string]string{}, Bypasses: map[string]string{}}
	eachFile(t, dir, func(set *token.FileSet, f *ast.File) {
		at := func(n ast.Node) string { return set.Position(n.Pos()).String() }
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				s.call(n, at(n))
			case *ast.CompositeLit:
				s.pairs(n, at(n))
			case *ast.Field:
				s.tag(n, at(n))
			case *ast.FuncDecl:
				if n.Name.Name == "Help" && n.Recv != nil {
					ast.Inspect(n, func(m ast.Node) bool {
						if r, ok := m.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
							s.help(Text(r.Results[0]), at(n))
						}
						return true
					})
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) && (name.Name == "description" || name.Name == "programExamples" || name.Name == "noting") {
						s.help(Text(n.Values[i]), at(n))
					}
				}
			}
			return true
		})
	})
	return s
}

func (s *Source) call(c *ast.CallExpr, at string) {
	name := ""
	switch f := c.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok && name == "New" && x.Name != "errors" {
			return
		}
	}
	if (name == "table" || name == "tableCut") && len(c.Args) > 0 {
		if l, ok := c.Args[0].(*ast.CompositeLit); ok {
			for _, e := range l.Elts {
				s.add(Text(e), at)
			}
		}
		return
	}
	if (name == "printf" || strings.HasPrefix(name, "Fprint")) && len(c.Args) > 0 {
		for _, a := range c.Args {
			for l := range strings.Lines(Text(a)) {
				l = strings.TrimSpace(l)
				if words.MatchString(verbs.ReplaceAllString(l, "")) && !command.MatchString(l) {
					s.Bypasses[l] = at
				}
			}
		}
	}
	if name == "many" && len(c.Args) == 3 { // the sentence for one, and that for all other numbers
		s.add(Text(c.Args[1]), at)
		s.add(Text(c.Args[2]), at)
	}
	if sayers[name] && len(c.Args) > 0 {
		s.add(Text(c.Args[0]), at)
	}
	if (name == "add" || name == "line") && len(c.Args) > 1 { // of a table: name, then the sentence
		s.add(Text(c.Args[0]), at)
		s.add(Text(c.Args[len(c.Args[:min(3, len(c.Args))])-1]), at)
		s.add(Text(c.Args[1]), at)
	}
}

// pairs reads [][2]string{{"name", value}, …}, whose names are said.
func (s *Source) pairs(l *ast.CompositeLit, at string) {
	outer, ok := l.Type.(*ast.ArrayType)
	if !ok {
		return
	}
	inner, ok := outer.Elt.(*ast.ArrayType)
	if !ok || inner.Len == nil {
		return
	}
	for _, e := range l.Elts {
		if p, ok := e.(*ast.CompositeLit); ok && len(p.Elts) > 0 {
			s.add(Text(p.Elts[0]), at)
		}
	}
}

func (s *Source) tag(f *ast.Field, at string) {
	if f.Tag == nil {
		return
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return
	}
	tag := reflect.StructTag(text)
	if _, hidden := tag.Lookup("hidden"); !hidden {
		s.add(tag.Get("help"), at)
		s.add(tag.Get("group"), at)
	}
}

// help takes the text before the examples, and the notes behind # in them.
func (s *Source) help(text, at string) {
	detail, examples, _ := strings.Cut(text, "Examples:\n")
	s.add(strings.TrimSpace(detail), at)
	for l := range strings.Lines(examples) {
		if _, note, ok := strings.Cut(l, " # "); ok {
			s.add(strings.TrimSpace(note), at)
		}
	}
}

var (
	command = regexp.MustCompile(`^(yagura|sudo |scp |ssh )`)
	verbs   = regexp.MustCompile(`%(\[\d+\])?[-+# 0-9.]*[a-zA-Z%]`)
	words   = regexp.MustCompile(`[A-Za-z]{2,}`)
)

func (s *Source) add(text, at string) {
	if words.MatchString(verbs.ReplaceAllString(text, "")) && !strings.HasPrefix(text, "${") { // interpolated
		s.Said[text] = at
	}
}

// Text gives a text expression with %s for what is only known when the program runs; "" when it is none.
func Text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			if s, err := strconv.Unquote(e.Value); err == nil {
				return s
			}
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			l, r := Text(e.X), Text(e.Y)
			if l == "" && r == "" {
				return ""
			}
			if l == "" {
				l = "%s"
			}
			if r == "" {
				r = "%s"
			}
			return l + r
		}
	case *ast.ParenExpr:
		return Text(e.X)
	}
	return ""
}

// Texts gives every text that stands in the Go files below the folders, tests left out.
func Texts(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, dir := range dirs {
		eachFile(t, dir, func(_ *token.FileSet, f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if s := Text(e); s != "" {
						out[s] = true
					}
				}
				return true
			})
		})
	}
	return out
}

func eachFile(t *testing.T, dir string, f func(*token.FileSet, *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err == nil {
			f(set, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
