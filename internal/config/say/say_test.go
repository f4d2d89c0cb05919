package say_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/yagura-edr/yagura/internal/config/say"
)

// blank is what a sentence leaves open for a value.
var blank = regexp.MustCompile(`\{\w+\}`)

const root = "../../.."

func words(t *testing.T) []say.Word {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs/glossary.md"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := say.Words(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLook(t *testing.T) {
	w := words(t)
	for _, c := range []struct {
		in   string
		want int
	}{
		{"ホストをネットワーク隔離してください", 0},
		{"ホストを隔離してください", 1},
		{"ファイル隔離", 2}, // both the word and the longer one
		{"端末装置 pts/0", 0},
		{"端末を確認", 1},
		{"plain English", 0},
		{"アラートが出たエンドポイント", 2},
	} {
		if got := say.Look(w, c.in); len(got) != c.want {
			t.Errorf("Look(%q) = %q; want %d findings", c.in, got, c.want)
		}
	}
	for _, bad := range []string{"", "| 使わない語 | x |\n|---|---|\n", "| 使わない語 | 代わりに | 例外 |\n|---|---|---|\n| 端末 |  | |\n"} {
		if w, err := say.Words(bad); err == nil {
			t.Errorf("Words(%q) = %v; want an error", bad, w)
		}
	}
}

// Every word of the glossary stands once, in each language.
func TestGlossaryHasOneWordForOneThing(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs/glossary.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(b), "## Words we do not write")
	seen := map[string]bool{}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.TrimSpace(cells[0]) == "English" {
			continue
		}
		rows++
		en, ja := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])
		if en == "" || ja == "" || seen[en] || seen[ja] {
			t.Errorf("glossary row %q / %q is empty or stands twice", en, ja)
		}
		seen[en], seen[ja] = true, true
	}
	if rows < 40 {
		t.Errorf("%d rows read; the table has changed its shape", rows)
	}
}

// TestSentencesUseOurWords looks at everything that speaks Japanese: string literals of Go, messages of
// the console, rules, and documents.
func TestSentencesUseOurWords(t *testing.T) {
	w := words(t)
	walk(t, func(path string) {
		switch {
		case path == "docs/glossary.md", path == "rules/check.go": // these two name the words in order to refuse them
			return
		case strings.HasSuffix(path, "_test.go"), strings.HasPrefix(path, "internal/gen/"):
			return
		case strings.HasSuffix(path, ".go"):
			for _, l := range literals(t, path) {
				for _, wrong := range say.Look(w, l.text) {
					t.Errorf("%s:%d %s: %q", path, l.line, wrong, l.text)
				}
			}
		case spoken(path):
			b, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(b), "\n") {
				for _, wrong := range say.Look(w, line) {
					t.Errorf("%s:%d %s: %s", path, i+1, wrong, strings.TrimSpace(line))
				}
			}
		}
	})
}

func spoken(path string) bool {
	return path == "README.ja.md" || path == "docs/events.md" || path == "docs/config.md" || strings.HasPrefix(path, "docs/ja/") ||
		strings.HasPrefix(path, "rules/") && strings.HasSuffix(path, ".yml") ||
		strings.HasPrefix(path, "web/src/") && (strings.HasSuffix(path, ".ts") || strings.HasSuffix(path, ".tsx"))
}

// TestEverySentenceHasBothLanguages finds {En: …, Ja: …} literals with one of the two missing, empty or in
// the wrong language. Rules of others have no Japanese; internal/sigma reads those.
func TestEverySentenceHasBothLanguages(t *testing.T) {
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/gen/") || strings.HasPrefix(path, "internal/sigma/") {
			return
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, path), nil, 0)
		if err != nil {
			return // its own build says so
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isSaid(lit.Type) && lit.Type != nil {
				return true
			}
			said := map[string]ast.Expr{}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if k, ok := kv.Key.(*ast.Ident); ok {
						said[k.Name] = kv.Value
					}
				}
			}
			en, ja := said["En"], said["Ja"]
			if en == nil && ja == nil {
				return true
			}
			at := fset.Position(lit.Pos())
			if en == nil || ja == nil {
				t.Errorf("%s:%d: a sentence in one language only", path, at.Line)
				return true
			}
			if text, ok := constant(en); ok && (text == "" || strings.ContainsFunc(text, japanese)) {
				t.Errorf("%s:%d: the English sentence is %q", path, at.Line, text)
			}
			if text, ok := constant(ja); ok && (text == "" || strings.ContainsAny(blank.ReplaceAllString(text, ""), " ") && !strings.ContainsFunc(text, japanese) && strings.ContainsFunc(blank.ReplaceAllString(text, ""), unicode.IsLetter)) {
				t.Errorf("%s:%d: the Japanese sentence is %q", path, at.Line, text)
			}
			return true
		})
	})
}

func isSaid(t ast.Expr) bool {
	switch x := t.(type) {
	case *ast.Ident:
		return x.Name == "Said"
	case *ast.SelectorExpr:
		return x.Sel.Name == "Said"
	}
	return false
}

func constant(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

func japanese(r rune) bool {
	return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
}

// Half-width kana, ideographic full stops in the wrong width and double polite forms are slips of the pen.
var slips = regexp.MustCompile(`[\x{FF61}-\x{FF9F}]|させていただきます|、。|。。|ください下さい|ユーザ[^ーリ]|サーバ[^ー]|ブラウザ[^ー]|メモリ[^ー]|フォルダ[^ー]`)

func TestJapaneseIsSpelledOneWay(t *testing.T) {
	for _, path := range []string{"README.ja.md", "docs/ja/first-hour.md", "docs/config.md"} {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for i, line := range strings.Split(string(b), "\n") {
			if m := slips.FindString(line); m != "" {
				t.Errorf("%s:%d: %q in %s", path, i+1, m, line)
			}
		}
	}
}

type literal struct {
	text string
	line int
}

func literals(t *testing.T, path string) []literal {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, filepath.Join(root, path), nil, 0)
	if err != nil {
		return nil // its own build says so
	}
	var out []literal
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, ok := constant(l); ok && strings.ContainsFunc(s, japanese) {
				out = append(out, literal{s, fset.Position(l.Pos()).Line})
			}
		}
		return true
	})
	return out
}

func walk(t *testing.T, f func(path string)) {
	t.Helper()
	skip := []string{".git", ".tools", "node_modules", "dist", "bin", "tools"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skip, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
