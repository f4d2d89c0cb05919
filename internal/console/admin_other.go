//go:build !linux

package console

import (
	"context"
	"errors"
	"net"
)

// AdminName is the socket's name in the data directory.
const AdminName = "admin.sock"

// AdminSocket needs Linux, where the server runs.
type AdminSocket struct{ net.Listener }

var errLinux = errors.New("the server and its admin socket run on Linux only")

// ListenAdmin needs Linux.
func ListenAdmin(string) (*AdminSocket, error) { return nil, errLinux }

func (a *AdminSocket) connContext(ctx context.Context, _ net.Conn) context.Context { return ctx }

func dialAdmin(context.Context, string) (net.Conn, error) { return nil, errLinux }
