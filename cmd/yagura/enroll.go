package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
	"github.com/yagura-edr/yagura/internal/terminal"
)

type enrollVerb struct {
	Token  enrollTokenVerb  `cmd:"" help:"Make an enrolment token and print the command to run on the host."`
	List   enrollListVerb   `cmd:"" help:"List tokens that can still be used."`
	Revoke enrollRevokeVerb `cmd:"" help:"Revoke a host's certificate at once."`
}

type enrollTokenVerb struct {
	Uses     uint32        `help:"How many hosts may use it." default:"1"`
	TTL      time.Duration `help:"How long it may be used (at most 24h)." default:"24h" name:"ttl"`
	ThisHost bool          `help:"For the host of the server itself, whatever others can reach."`
	Out      string        `help:"Write the token into this file (0600) instead of showing it." placeholder:"FILE"`
}

// Help shows examples.
func (enrollTokenVerb) Help() string {
	return "Other hosts reach this server where sensor_listen and hostname of server.yaml say. Whoever has the token can enrol a host: it is not put on a command line, where every user of the machine could read it.\n\n" +
		"Examples:\n  yagura enroll token\n  yagura enroll token --uses 50 --ttl 8h --out fleet.token\n  yagura enroll token --this-host"
}

// Run makes a token.
func (v enrollTokenVerb) Run(s *shell) error {
	if v.Uses == 0 || v.TTL <= 0 || v.TTL > 24*time.Hour {
		return usagef("--uses must be at least 1 and --ttl between 1s and 24h")
	}
	at, err := s.console().ListEnrolTokens(s.ctx, connect.NewRequest(&consolev1.ListEnrolTokensRequest{}))
	if err != nil {
		return s.explain("make an enrolment token", err)
	}
	if !v.ThisHost {
		if err := s.reachable(at.Msg.GetSensorUrl(), at.Msg.GetSensorListen()); err != nil {
			return err
		}
	}
	r, err := s.console().CreateEnrolToken(s.ctx, connect.NewRequest(&consolev1.CreateEnrolTokenRequest{Uses: v.Uses, TtlSeconds: int64(v.TTL.Seconds())}))
	if err != nil {
		return s.explain("make an enrolment token", err)
	}
	if v.Out != "" {
		f, err := os.OpenFile(v.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write the token: %w: name a file that is not there yet", err)
		}
		_, err = fmt.Fprintln(f, r.Msg.Token)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write the token: %w", err)
		}
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	until := terminal.Clock(r.Msg.Entry.GetExpires())
	s.printf("%s\n", s.say(many(r.Msg.Entry.GetUsesLeft(), "A token for %d host, until %s. Whoever has it can enrol a host.", "A token for %d hosts, until %s. Whoever has it can enrol a host."), r.Msg.Entry.GetUsesLeft(), until))
	if v.Out == "" {
		s.printf("\n  %s\n", r.Msg.Token)
	}
	s.howToEnrol(v, at.Msg.GetSensorUrl())
	return nil
}

// reachable refuses to make a token that no other host can use: it would be tried, on the host, in vain.
func (s *shell) reachable(url, listen string) error {
	_, port, _ := net.SplitHostPort(listen)
	if onLoopback(listen) {
		return fmt.Errorf("no other host can reach this server: it awaits sensors on %s only\nIn %s set\n  sensor_listen: 0.0.0.0:%s\n  hostname: NAME\nwith a name or address under which the hosts reach this machine, and start the server again\nFor the host of the server itself: `yagura enroll token --this-host`",
			listen, filepath.Join(s.data, "server.yaml"), port)
	}
	if at := strings.TrimPrefix(url, "https://"); onLoopback(at) {
		return fmt.Errorf("no other host can reach this server: its tokens lead to %s\nIn %s set\n  hostname: NAME\nwith a name or address under which the hosts reach this machine, and start the server again\nFor the host of the server itself: `yagura enroll token --this-host`",
			url, filepath.Join(s.data, "server.yaml"))
	}
	return nil
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// installed is where a sensor stands on a host of its own.
const installed = "/usr/local/bin/yagura-sensor"

// howToEnrol says how a host gets the sensor and the token. The lines can be pasted, with HOST replaced.
func (s *shell) howToEnrol(v enrollTokenVerb, url string) {
	sensor := strings.TrimPrefix(s.sensor, "sudo ")
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "yagura-sensor"); isFile(beside) {
			sensor = terminal.Quote(beside)
		}
	}
	from := ""
	if v.Out != "" {
		from = " < " + terminal.Quote(v.Out)
	}
	if v.ThisHost {
		s.printf("\n%s\n\n  sudo %s enroll%s\n  sudo %s run\n", s.say("On this host; the token is asked for, or read from standard input:"), sensor, from, sensor)
		return
	}
	s.printf("\n%s\n\n  scp %s root@HOST:%s\n", s.say("The sensor is one file, for Linux. From here to each host (HOST: its name or address):"), sensor, installed)
	if from == "" {
		s.printf("  ssh -t root@HOST %s enroll   # %s\n", installed, s.say("asks for the token: paste it"))
	} else {
		s.printf("  ssh root@HOST %s enroll%s\n", installed, from)
	}
	s.printf("  ssh root@HOST '%s unit > /etc/systemd/system/yagura-sensor.service && systemctl enable --now yagura-sensor'\n", installed)
	s.printf("\n%s\n", s.say("The hosts must reach %s: `yagura-sensor check --server %s` tries it on a host, `yagura hosts` shows here that it reports.", url, url))
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

type enrollListVerb struct{}

// Help shows examples.
func (enrollListVerb) Help() string {
	return "Examples:\n  yagura enroll list\n  yagura enroll list --json"
}

// Run lists tokens.
func (enrollListVerb) Run(s *shell) error {
	r, err := s.console().ListEnrolTokens(s.ctx, connect.NewRequest(&consolev1.ListEnrolTokensRequest{}))
	if err != nil {
		return s.explain("list enrolment tokens", err)
	}
	if s.json {
		return s.printJSON(r.Msg.Tokens)
	}
	var rows [][]string
	for _, t := range r.Msg.Tokens {
		rows = append(rows, []string{t.Id, terminal.Clock(t.Expires), fmt.Sprint(t.UsesLeft), t.CreatedBy})
	}
	if len(rows) == 0 {
		s.printf("%s\n", s.say("no token is open: make one with `yagura enroll token`"))
		return nil
	}
	s.table([]string{"TOKEN", "EXPIRES", "USES LEFT", "MADE BY"}, rows)
	return nil
}

type enrollRevokeVerb struct {
	Host string `arg:"" help:"Host, by id (h-…) or name."`
}

// Help shows examples.
func (enrollRevokeVerb) Help() string {
	return "The host's sensor is refused from now on; enrolling it again with a new token makes a new host of it.\n\nExamples:\n  yagura enroll revoke web-01"
}

// Run revokes a host.
func (v enrollRevokeVerb) Run(s *shell) error {
	host, err := s.findHost(v.Host)
	if err != nil {
		return err
	}
	r, err := s.console().RevokeHost(s.ctx, connect.NewRequest(&consolev1.RevokeHostRequest{HostId: host.String()}))
	if err != nil {
		return s.explain("revoke "+v.Host, err)
	}
	if s.json {
		return s.printJSON(r.Msg)
	}
	s.printf("%s\n", s.say("%s (%s) is revoked: its sensor can no longer connect", r.Msg.Id, event.Show(r.Msg.Name)))
	return nil
}
