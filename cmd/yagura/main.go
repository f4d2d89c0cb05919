// Command yagura is the server, the all-in-one and the command line of Yagura in one binary: one file
// for each verb. Verbs that ask or act speak the console API over DIR/admin.sock; up and server are the
// only ones that open the data directory.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker; see the Makefile.
var version = "dev" //nolint:gochecknoglobals // -ldflags -X needs a variable

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv) //nolint:forbidigo // the environment enters here and nowhere else
	stop()
	os.Exit(code)
}
