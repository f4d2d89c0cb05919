// Command yagura-sensor is the agent on a host: it sees, keeps, sends and obeys signed commands. One file for
// each verb; the work is in internal/sensor/agent.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/yagura-edr/yagura/internal/private"
)

// version is set by the linker; see the Makefile.
var version = "dev" //nolint:gochecknoglobals // -ldflags -X needs a variable

func main() {
	private.Umask()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv) //nolint:forbidigo // the language enters here; no configuration does
	stop()
	os.Exit(code)
}
