package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// Dial gives an HTTP client that speaks to the server of a data directory over its admin socket, and the
// base URL for consolev1connect clients. It connects with the first call; what fails there says
// what to do and wraps its cause, so that a caller may say it in another language.
func Dial(dir string) (client *http.Client, baseURL string) {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dialAdmin(ctx, dir)
			switch {
			case err == nil:
				return c, nil
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
				return nil, fmt.Errorf("no server runs on %s: start it with `yagura up --data %s`, or name its directory with --data: %w", dir, dir, err)
			case errors.Is(err, fs.ErrPermission):
				return nil, fmt.Errorf("%s belongs to another user: run this as its owner or root: %w", dir, err)
			}
			return nil, fmt.Errorf("reach the server of %s: %w", dir, err)
		},
		DisableCompression: true, // it is the same machine
	}
	return &http.Client{Transport: t}, "http://admin.sock"
}
