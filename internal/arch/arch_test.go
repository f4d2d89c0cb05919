// Package arch holds the tests that keep the house in order: imports point one way, package comments
// and words are in place, promises have owners.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/yagura-edr/yagura/"

// mayImport lists, for each package, the packages of ours it may import directly. Adding a line here is
// a design decision: say why in the commit. Order: words, engines, domain, edges, sensor, commands.
var mayImport = map[string]string{
	"internal/event":          "internal/event/registry",
	"internal/event/registry": "",
	// Orders in which a server may receive events, for tests.
	"internal/event/eventtest": "internal/event",
	"internal/event/generate":  "internal/event/registry",
	"internal/tenant":          "",
	// Sets of sequence numbers: sensor, ingest and store count with the same.
	"internal/seq": "",
	// Waiting that ends with its context: whatever tries again.
	"internal/pause":     "",
	"internal/detection": "internal/event internal/tenant",
	// What of the server does not work: raised by engines and domain alike, shown by coverage and doctor.
	"internal/fault": "internal/detection internal/event",
	// How a program reads its one file: the server and the sensor alike.
	"internal/settings": "internal/detection",
	// Who stands before a listener: the sensors' and the console's alike.
	"internal/door":    "internal/fault",
	"internal/command": "internal/event internal/tenant internal/durable",
	"internal/durable": "",
	// Who owns a folder; both programs ask before they write.
	"internal/private": "",
	"internal/clock":   "internal/boot internal/durable",
	"internal/boot":    "",

	// A parser of outside bytes with a fuzz target of its own.
	"internal/recording": "internal/event",

	"internal/sigma":           "internal/event internal/event/registry internal/detection",
	"internal/stream":          "internal/event internal/tenant internal/fault",
	"internal/eventstore":      "internal/pause internal/seq internal/event internal/event/registry internal/tenant internal/stream internal/fault internal/durable internal/private",
	"internal/eventstore/duck": "internal/seq internal/event internal/event/registry internal/tenant internal/eventstore internal/eventstore/segment",
	// What every engine that finds events promises, as tests.
	"internal/eventstore/storetest": words + " internal/eventstore",
	// Only worker processes link it: the server and the CLI carry no Parquet writer.
	"internal/eventstore/segment": "internal/seq internal/event internal/event/registry internal/tenant internal/stream internal/eventstore internal/durable",
	"rules":                       "internal/sigma internal/detection internal/event",

	"internal/ingest":   words + " internal/door internal/fault internal/stream internal/fleet internal/coverage internal/response " + gen,
	"internal/fleet":    words + " internal/durable",
	"internal/coverage": words,
	"internal/response": words,
	"internal/access":   words + " internal/durable",
	"internal/detect":   words + " internal/sigma internal/stream",
	"internal/incident": words,
	// It writes the console's list of verdicts.
	"internal/incident/generate": "internal/incident",

	"internal/console":      words + " internal/door internal/fault internal/access internal/coverage internal/fleet internal/response internal/detect internal/incident internal/eventstore internal/sigma internal/console/line web " + gen,
	"internal/console/line": words + " internal/detect",
	"internal/controldb":    words + " internal/access internal/coverage internal/fleet internal/ingest internal/response internal/detect internal/incident internal/eventstore internal/stream internal/notify",
	// What every database behind the stores promises, as tests.
	"internal/controldb/storetest": words + " internal/access internal/coverage internal/fleet internal/ingest internal/response internal/detect internal/incident internal/eventstore internal/notify",
	"internal/notify":              words,
	"internal/config":              words + " internal/settings",
	// It writes the page of both programs' keys.
	"internal/config/generate": "internal/config internal/settings internal/sensor/agent",
	// How both programs speak to a person; it knows no event and no configuration, so the sensor may link it.
	"internal/terminal": "",
	// The one catalogue of sentences.
	"internal/say":                   "internal/terminal internal/detection",
	"internal/terminal/terminaltest": "",
	"web":                            "",

	"cmd/yagura": "*",
	// A soak of the server, with sensors that are real from their spool on.
	"dev/faults": words + " " + gen + " internal/boot internal/sensor/spool internal/sensor/uplink",
}

const (
	words = "internal/event internal/event/registry internal/tenant internal/detection internal/command internal/fault internal/pause internal/seq"
	gen   = "internal/gen/sensor/v1 internal/gen/sensor/v1/sensorv1connect internal/gen/console/v1 internal/gen/console/v1/consolev1connect"
)

// allowed gives the packages that pkg may import; ok is false when the table does not know pkg.
func allowed(pkg string) (list string, ok bool) {
	if list, ok := mayImport[pkg]; ok {
		return list, true
	}
	switch {
	case strings.HasPrefix(pkg, "internal/gen/"):
		return gen, true
	case strings.HasPrefix(pkg, "internal/sensor/linux/"), pkg == "cmd/yagura-sensor":
		return "sensor", true
	case strings.HasPrefix(pkg, "internal/sensor/"):
		return "shared half of the sensor", true
	case strings.HasPrefix(pkg, "dev/"):
		return words + " internal/boot " + gen, true
	case pkg == "internal/arch", strings.HasPrefix(pkg, "internal/config/"):
		return words + " internal/config", true
	case strings.HasPrefix(pkg, "scenario"):
		return "*", true
	}
	return "", false
}

// sensorMayImport holds for everything that is linked into the sensor.
func sensorMayImport(imp string) bool {
	return strings.HasPrefix(imp, "internal/sensor/") || strings.HasPrefix(imp, "internal/gen/") ||
		imp == "internal/terminal" || imp == "internal/durable" || imp == "internal/private" || imp == "internal/event" || imp == "internal/event/registry" || imp == "internal/command" || imp == "internal/tenant" || imp == "internal/pause" || imp == "internal/seq" || imp == "internal/boot" || imp == "internal/settings" || imp == "internal/sigma"
}

// TestImports must run with -count=1: go list reads the source in a child process, so the test cache
// would go on printing an old "ok".
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "duckdb,duckdb_arrow", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, module+"...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		pkg := strings.TrimPrefix(f[0], module)
		list, known := allowed(pkg)
		if !known {
			t.Errorf("%s has no line in mayImport", pkg)
			continue
		}
		for _, imp := range f[1:] {
			imp, ours := strings.CutPrefix(imp, module)
			if !ours || list == "*" {
				continue
			}
			ok := strings.Contains(" "+list+" ", " "+imp+" ")
			switch list {
			case "sensor":
				ok = sensorMayImport(imp)
			case "shared half of the sensor": // what any system shares does not know what one system has
				ok = sensorMayImport(imp) && !strings.HasPrefix(imp, "internal/sensor/linux/")
			}
			if !ok {
				t.Errorf("%s imports %s; it may import: %q", pkg, imp, list)
			}
		}
	}
}

// TestDuckDBStaysInItsFolder keeps the CLI free of cgo.
func TestDuckDBStaysInItsFolder(t *testing.T) {
	eachGoFile(t, func(path, src string) {
		if strings.Contains(src, `"github.com/duckdb/`) && !strings.HasPrefix(path, "internal/eventstore/duck/") && path != "internal/arch/arch_test.go" {
			t.Errorf("%s imports DuckDB; only internal/eventstore/duck may", path)
		}
	})
}

var promise = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b(\(#\d+\):)?`)

// TestPromisesHaveOwners refuses a TODO without a number.
func TestPromisesHaveOwners(t *testing.T) {
	eachGoFile(t, func(path, src string) {
		if path == "internal/arch/arch_test.go" {
			return
		}
		for _, m := range promise.FindAllStringSubmatch(src, -1) {
			if m[2] == "" {
				t.Errorf("%s: %s without an issue number is a wish", path, m[1])
			}
		}
	})
}

// TestEveryPackageSaysWhatItIsFor wants a package comment in one file of each package.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	has := map[string]bool{}
	eachGoFile(t, func(path, src string) {
		if strings.HasSuffix(path, "_test.go") && filepath.Dir(path) != "internal/arch" || strings.Contains(path, "/gen/") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("parse %s: %v", path, err)
			return
		}
		dir := filepath.Dir(path)
		has[dir] = has[dir] || hasDoc(f)
	})
	for dir, ok := range has {
		if !ok {
			t.Errorf("%s has no package comment: say what it is for, what not, and who calls it", dir)
		}
	}
}

func hasDoc(f *ast.File) bool { return f.Doc != nil && len(f.Doc.Text()) > 20 }

// TestNoDrawers refuses package names that say nothing.
func TestNoDrawers(t *testing.T) {
	eachGoFile(t, func(path, _ string) {
		switch name := filepath.Base(filepath.Dir(path)); name {
		case "util", "utils", "common", "helpers", "types", "models", "misc", "shared", "lib":
			t.Errorf("%s: %s is a drawer, not a package name", path, name)
		}
	})
}

func eachGoFile(t *testing.T, f func(path, src string)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".tools" || d.Name() == ".git" || d.Name() == "tools") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f(rel, read(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
