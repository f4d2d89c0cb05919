// Command yagura is the server, the all-in-one and the command line of Yagura in one binary: one file
// for each verb. Verbs that ask or act speak the console API over DIR/admin.sock; up and server are the
// only ones that open the data directory.
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
	name(os.Args[1:])
	private.Umask()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv) //nolint:forbidigo // the environment enters here and nowhere else
	ended := ctx.Err() != nil
	stop()
	if code == exitAnew {
		code = exitFailed
		if !ended {
			anew(os.Environ())
		}
	}
	os.Exit(code)
}

// anew takes the place of this process by a new one of the same program and arguments: what no part can get out of by
// itself is over, whether or not something watches the server that would start it again. It returns when that failed.
func anew(env []string) {
	if self, err := os.Executable(); err == nil {
		_ = syscall.Exec(self, os.Args, env) //nolint:gosec // our own program, called as it was
	}
}
