package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/config"
)

// Exit codes, a contract with scripts.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3
)

// errUsage and errPartial choose the exit code; everything else is exitFailed.
var (
	errUsage   = errors.New("usage")
	errPartial = errors.New("partial")
)

// cli is the grammar of the command line. Each verb's fields and Run method stand in its own file.
type cli struct {
	Data string `help:"Data directory of the server." default:"${data}" placeholder:"DIR" short:"d"`
	JSON bool   `help:"Print JSON for programs; its keys never change with the language." name:"json"`

	Up         upVerb         `cmd:"" help:"Run the server, its console and a sensor on this host."`
	Server     serverVerb     `cmd:"" help:"Run the server without a local sensor."`
	Doctor     doctorVerb     `cmd:"" help:"Say what is wrong with this installation and how to mend it."`
	Hosts      hostsVerb      `cmd:"" help:"List hosts with what is seen of each."`
	Enroll     enrollVerb     `cmd:"" help:"Enrolment tokens: make, list; revoke a host."`
	Events     eventsVerb     `cmd:"" help:"Follow or list events."`
	Tree       treeVerb       `cmd:"" help:"Show the process tree around a process."`
	Detections detectionsVerb `cmd:"" help:"List detections."`
	Incidents  incidentsVerb  `cmd:"" help:"List incidents, or show one with its story."`
	Respond    respondVerb    `cmd:"" help:"Act on a host: signed here with the operator key, done and proven by the sensor."`
	Actions    actionsVerb    `cmd:"" help:"List actions with their outcomes."`
	Rules      rulesVerb      `cmd:"" help:"List, check and test detection rules."`
	Replay     replayVerb     `cmd:"" help:"Feed recorded events (NDJSON or batches) through the whole path."`
	Config     configVerb     `cmd:"" help:"Print or check the server's configuration."`
	Version    versionVerb    `cmd:"" help:"Print the version."`
	Worker     workerVerb     `cmd:"" hidden:"" help:"Event store worker, started by the server."`
}

// shell is what a verb may use of the outside.
type shell struct {
	ctx    context.Context //nolint:containedctx // kong hands one bound value to Run; it lives for one verb
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    func(string) string
	data   string
	json   bool
	ja     bool
}

// say picks the sentence of the caller's language.
func (s *shell) say(en, ja string) string {
	if s.ja {
		return ja
	}
	return en
}

func (s *shell) printf(format string, a ...any) { _, _ = fmt.Fprintf(s.stdout, format, a...) }

// usagef makes an error of exit code 2.
func usagef(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, a...))
}

// run is the whole program; tests call it as a user would.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	s := &shell{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, env: env, ja: config.Language(env) == "ja"}
	var c cli
	for _, v := range []*configured{&c.Up.configured, &c.Server.configured, &c.Config.Print.configured, &c.Config.Check.configured} {
		v.enable()
	}
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("yagura"),
		kong.Description(s.say(
			"Yagura watches hosts, judges what happens within a second, tells the attack as one story, and acts.\n\nExamples:\n  yagura up\n  yagura incidents\n  yagura incidents show i-0190…\n  yagura respond isolate h-0190…",
			"Yagura はホストを見張り、起きたことを 1 秒以内に判定し、攻撃を一つのストーリーとして示し、対処します。\n\n例:\n  yagura up\n  yagura incidents\n  yagura incidents show i-0190…\n  yagura respond isolate h-0190…")),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"data": config.Environ(env).DataDir},
	)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "yagura: %v\n", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exitOK
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "yagura: %v\n", err)
		var pe *kong.ParseError
		if errors.As(err, &pe) {
			_, _ = fmt.Fprintln(stderr, s.say("yagura --help lists the verbs.", "動詞の一覧は yagura --help で表示します。"))
		}
		return exitUsage
	}
	s.data, s.json = c.Data, c.JSON
	if abs, err := filepath.Abs(s.data); err == nil {
		s.data = abs
	}
	return s.exit(k.Run(s))
}

// exit prints err as one sentence and gives the exit code.
func (s *shell) exit(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errPartial):
		_, _ = fmt.Fprintf(s.stderr, "yagura: %s\n", trimPrefix(err, errPartial))
		return exitPartial
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(s.stderr, "yagura: %s\n", trimPrefix(err, errUsage))
		return exitUsage
	}
	_, _ = fmt.Fprintf(s.stderr, "yagura: %s\n", strings.TrimSpace(err.Error()))
	return exitFailed
}

func trimPrefix(err, sentinel error) string {
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}
