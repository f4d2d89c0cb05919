package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/sensor/identity"
	"github.com/yagura-edr/yagura/internal/sensor/linux/contain"
	"github.com/yagura-edr/yagura/internal/sensor/linux/sight"
	"github.com/yagura-edr/yagura/internal/sensor/sense"
	"github.com/yagura-edr/yagura/internal/sensor/uplink"
)

type runVerb struct {
	StdinLease bool   `help:"End, flushed, when standard input ends: whoever started the sensor is gone."`
	Token      string `help:"Enrol with this token first, if the host is not enrolled yet." placeholder:"TOKEN"`
	TokenFile  string `help:"The same, with the token in a file." placeholder:"FILE"`
}

// Help shows examples.
func (*runVerb) Help() string {
	return "Ctrl+C or SIGTERM ends it, with what it has seen on disk.\n\nExamples:\n  sudo yagura-sensor run\n  sudo yagura-sensor run --token-file yagura.token --proxy http://proxy.example.com:3128"
}

// Run is the sensor's life.
func (v *runVerb) Run(s *shell) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	if v.StdinLease {
		// A session of its own: Ctrl+C is for the server, which ends this by the pipe, and the kernel's autogroups
		// then give the sensor its own share of the CPU. It fails for who leads a group already, which is as good.
		_, _ = unix.Setsid()
		// Not waited for: a read of standard input ends with the process.
		go func() {
			_, _ = io.Copy(io.Discard, s.in)
			cancel(agent.ErrServerEnded)
		}()
	}
	if err := s.own(); err != nil {
		return err
	}
	if err := v.enrol(ctx, s); err != nil {
		return err
	}
	a, err := agent.New(ctx, agent.Options{Config: s.config, Containment: contain.Host{}, Version: version, Log: s.log, Look: func(ctx context.Context) (sense.Source, error) {
		return sight.Open(ctx, sight.Options{Log: s.log.With(slog.String("part", "sight"))})
	}})
	if err != nil {
		return err
	}
	return errors.Join(a.Run(ctx), a.Close())
}

// enrol uses a token when there is no identity yet. The server may not listen yet: within half a minute
// it is asked again.
func (v *runVerb) enrol(ctx context.Context, s *shell) error {
	text, err := tokenText(v.Token, v.TokenFile)
	if err != nil || text == "" {
		return err
	}
	switch id, err := identity.Load(s.config.IdentityDir()); {
	case err == nil:
		return follow(ctx, s, id, text)
	case !errors.Is(err, identity.ErrNotEnrolled):
		return err
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		id, err := enrol(ctx, s, text)
		if err == nil {
			s.log.InfoContext(ctx, "host enrolled", slog.String("host", id.Host.String()), slog.String("server", id.URL))
			return nil
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "connection refused") {
			return explained(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// follow moves an enrolled host to the address of a token of the same server: `yagura up` may have been
// started with another port. A token of another server is not used: this host is enrolled.
func follow(ctx context.Context, s *shell, id *identity.Identity, text string) error {
	token, err := command.ParseToken(text)
	if err != nil {
		return err
	}
	moved, err := id.Follow(token)
	if moved {
		s.log.InfoContext(ctx, "the server has another address", slog.String("server", id.URL))
	}
	return err
}

func tokenText(text, file string) (string, error) {
	if text != "" || file == "" {
		return text, nil
	}
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return "", fmt.Errorf("read enrolment token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func enrol(ctx context.Context, s *shell, text string) (*identity.Identity, error) {
	token, err := command.ParseToken(text)
	if err != nil {
		return nil, err
	}
	proxy, err := s.config.UplinkProxy()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	hostname, machine := agent.Facts(version)
	return uplink.Enroll(ctx, s.config.IdentityDir(), token, uplink.Facts{Hostname: hostname, Version: version, MachineID: machine}, proxy)
}

// explained puts one sentence in place of a chain of errors.
func explained(err error) error {
	return fmt.Errorf("%s", uplink.Explain(err))
}
