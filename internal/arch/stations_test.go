package arch

import (
	"regexp"
	"strings"
	"testing"
)

var station = regexp.MustCompile("\\[`([^`]+)`\\]\\(([^)]+)\\)")

// TestStationsExist keeps ARCHITECTURE.md true: each function it names stands in the file it names.
func TestStationsExist(t *testing.T) {
	found := station.FindAllStringSubmatch(read(t, "../../ARCHITECTURE.md"), -1)
	if len(found) < 12 {
		t.Fatalf("ARCHITECTURE.md links %d functions; the twelve stations are more", len(found))
	}
	for _, m := range found {
		name, file := m[1], m[2]
		src := read(t, "../../"+file)
		if recv, method, ok := strings.Cut(name, ")."); ok {
			decl := regexp.MustCompile(`func \(\w+ ` + regexp.QuoteMeta(strings.TrimPrefix(recv, "(")) + `\) ` + method + `\(`)
			if !decl.MatchString(src) {
				t.Errorf("%s does not declare %s", file, name)
			}
		} else if !strings.Contains(src, name) {
			t.Errorf("%s does not hold %s", file, name)
		}
	}
}
