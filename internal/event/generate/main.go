// Command generate writes the event struct, its codec, event.proto and docs/events.md from the
// registry. make generate runs it in the repository's root; nothing else does.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io"
	"os"
	"strings"
)

func main() { os.Exit(run(os.Stderr)) }

func run(stderr io.Writer) int {
	for name, write := range map[string]func(*bytes.Buffer){
		"internal/event/event_gen.go": writeGo,
		"api/sensor/v1/event.proto":   writeProto,
		"docs/events.md":              writeDoc,
	} {
		var b bytes.Buffer
		write(&b)
		out := b.Bytes()
		if strings.HasSuffix(name, ".go") {
			src, err := format.Source(out)
			if err != nil {
				_, _ = fmt.Fprintf(stderr, "format %s: %v\n%s\n", name, err, out)
				return 1
			}
			out = src
		}
		if err := os.WriteFile(name, out, 0o644); err != nil {
			_, _ = fmt.Fprintf(stderr, "write %s: %v\n", name, err)
			return 1
		}
	}
	return 0
}
