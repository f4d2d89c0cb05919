//go:build !linux

package eventstore

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// openProgram names this program by its path: there is no other way to run it again here.
func openProgram(_ string, args []string) (*program, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return &program{path: path, args: args, uid: -1, gid: -1}, nil
}

// attributes leaves the end of workers to the end of their stdin.
func (p *program) attributes() *syscall.SysProcAttr { return nil }

// foreign says whether workers lack a file by its owner or its mode.
func (p *program) foreign(st fs.FileInfo) bool { return st.Mode().Perm()&0o600 != 0o600 }

// bind bounds nothing here.
func (p *program) bind(string, string) Bounds {
	return Bounds{UID: -1, Lacks: "this system has no bounds for workers"}
}

// ends gives a process the time to go.
func ends(_ int, within time.Duration) bool {
	time.Sleep(within) //nolint:forbidigo // nothing tells it here
	return false
}
