// Package web embeds the built console (web/dist), so that the server is one file and building it needs
// no Node. It holds no logic; internal/console serves it. The console's sources stand beside it in src/.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// Dist gives the built console with index.html at its root.
func Dist() (fs.FS, error) { return fs.Sub(dist, "dist") } //nolint:wrapcheck // the name is a constant
