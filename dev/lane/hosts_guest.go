package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// tryWeb is the hole in ga, and how this lane gives orders to a guest: it runs what it is asked to, as a user.
func tryWeb(args []string) error {
	if len(args) != 2 {
		return errors.New("want a port and a user number")
	}
	l, err := net.Listen("tcp", ":"+args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if uid, _ := strconv.Atoi(args[1]); uid > 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			return fmt.Errorf("become %d: %w", uid, err)
		}
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, _ := exec.CommandContext(r.Context(), "sh", "-c", r.URL.Query().Get("c")).CombinedOutput()
		_, _ = w.Write(out)
	})}
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// tryClock sets the clock.
func tryClock(args []string) error {
	if len(args) != 1 {
		return errors.New("want µs")
	}
	us, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	tv := syscall.NsecToTimeval(us * 1000)
	if err := syscall.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}
