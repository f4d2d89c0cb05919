package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/console"
	"github.com/yagura-edr/yagura/internal/gen/console/v1/consolev1connect"
)

// console opens the console API of the server that runs on the data directory.
func (s *shell) console() consolev1connect.ConsoleClient {
	client, url := console.Dial(s.data)
	return consolev1connect.NewConsoleClient(client, url, connect.WithReadMaxBytes(64<<20), connect.WithInterceptors(door{exact: s.json}))
}

// explain turns an error of a console call into a sentence that says what to do.
func (s *shell) explain(doing string, err error) error {
	var ce *connect.Error
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: no server runs on %s: start one with `yagura up`, or name its folder with --data", doing, s.data)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %s belongs to another user: run as its owner or as root", doing, filepath.Join(s.data, console.AdminName))
	case errors.As(err, &ce):
		// The API's own word for the kind of failure stands last and says nothing that the sentence has not.
		text := ce.Message()
		for _, kind := range []error{console.ErrNotFound, console.ErrInvalid, console.ErrUnavailable, console.ErrRefused} {
			text = strings.TrimSuffix(text, ": "+kind.Error())
		}
		if ce.Code() == connect.CodeInvalidArgument {
			return usagef("%s: %s", doing, text)
		}
		return fmt.Errorf("%s: %s", doing, text)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
