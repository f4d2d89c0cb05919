// Command generate writes docs/config.md from the configuration structure. dev/generate.sh runs it in
// the repository's root; nothing else does.
package main

import (
	"fmt"
	"os"

	"github.com/yagura-edr/yagura/internal/config"
)

func main() {
	if err := os.WriteFile("docs/config.md", []byte(config.Markdown()), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "write docs/config.md: %v\n", err)
		os.Exit(1)
	}
}
