package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

// console opens the console API of the server that runs on the data directory.
func (s *shell) console() consolev1connect.ConsoleClient {
	dir := s.data
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := socketPath(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	h := &http.Client{Transport: &http.Transport{DialContext: dial}}
	return consolev1connect.NewConsoleClient(h, "http://localhost", connect.WithReadMaxBytes(64<<20))
}

// socketPath names DIR/admin.sock in a way that fits into a socket address however long DIR is: through
// the folder's descriptor, where the system has /proc.
func socketPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, "admin.sock")
	if len(path) < 100 || runtime.GOOS != "linux" {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/admin.sock", func() { _ = d.Close() }, nil
}

// explain turns an error of a console call into a sentence that says what to do.
func (s *shell) explain(doing string, err error) error {
	var ce *connect.Error
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, os.ErrNotExist), isRefused(err):
		return fmt.Errorf(s.say(
			"%s: no server runs on %s: start one with `yagura up`, or name its folder with --data",
			"%s: %s ではサーバーが動いていません。`yagura up` で起動するか、--data でデータディレクトリーを指定してください"), doing, s.data)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf(s.say(
			"%s: %s belongs to another user: run as its owner or as root",
			"%s: %s は別のユーザーのものです。所有者または root で実行してください"), doing, filepath.Join(s.data, "admin.sock"))
	case errors.As(err, &ce):
		return fmt.Errorf("%s: %s", doing, ce.Message())
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func isRefused(err error) bool {
	var oe *net.OpError
	return errors.As(err, &oe) && oe.Op == "dial"
}
