package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/private"
	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/settings"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// Exit codes: a contract.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3
)

// cli lists the verbs and the flags that each takes. Every key of the configuration file is a flag.
type cli struct {
	File string `help:"Configuration file." name:"config" default:"${file}" placeholder:"FILE"`
	kong.Plugins
	JSON bool `name:"json" help:"Print JSON; log as JSON."`

	Run     runVerb     `cmd:"" help:"Run the sensor until it is told to stop."`
	Enroll  enrollVerb  `cmd:"" help:"Make this host known to a server, with a token of it."`
	Unit    unitVerb    `cmd:"" help:"Print a unit for systemd that runs the sensor from boot on."`
	Config  configVerb  `cmd:"" help:"Print or check the configuration."`
	Watch   watchVerb   `cmd:"" help:"Print what is seen as JSON lines; needs no server."`
	Check   checkVerb   `cmd:"" help:"Say what this host lets the sensor see and do, and what stands in the way."`
	Status  statusVerb  `cmd:"" help:"Say how the running sensor is."`
	Canary  canaryVerb  `cmd:"" help:"Do what a canary does; the sensor starts it to prove its sight."`
	Probe   probeVerb   `cmd:"" hidden:"" help:"Send one packet; the sensor starts it inside a cgroup to prove an isolation."`
	Version versionVerb `cmd:"" help:"Print the version."`

	given *settings.Flags // the plugin: every key of the configuration file
}

const description = "The Yagura sensor: sees what happens on this host, keeps it until the server has it, and acts on signed commands."

const programExamples = `Examples:
  sudo yagura-sensor check                 # what can be seen here?
  sudo yagura-sensor watch | jq .actor     # look, without any server
  sudo yagura-sensor enroll                # make this host known
  sudo yagura-sensor run                   # see, send, obey
`

// shell is what verbs work with.
type shell struct {
	ctx    context.Context //nolint:containedctx // kong hands one bound value to Run; it lives for one verb
	in     io.Reader
	out    io.Writer
	err    io.Writer
	json   bool
	tongue *terminal.Tongue
	config agent.Config
	paste  terminal.Commands
	log    *slog.Logger
}

// say gives a sentence in the caller's language.
func (s *shell) say(en string, args ...any) string {
	return s.paste.Sentence(s.tongue.Say(en, args...))
}

// printf prints lines of ours. What is put into them stays in its line, whatever it holds.
func (s *shell) printf(format string, args ...any) {
	for i, x := range args {
		if text, ok := x.(string); ok {
			args[i] = event.Show(text)
		}
	}
	_, _ = fmt.Fprintf(s.out, format, args...)
}

func (s *shell) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = s.out.Write(append(event.ShowJSON(b), '\n'))
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// errPartial says that the answer was printed and is not all good.
var errPartial = errors.New("partial")

// run does one command line and gives its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer, env func(string) string) int {
	c := cli{given: settings.NewFlags(agent.Keys(), "")}
	c.Plugins = kong.Plugins{c.given.Struct()}
	out, stderr = event.Screen(out), event.Screen(stderr)
	s := &shell{ctx: ctx, in: in, out: out, err: stderr, tongue: terminal.NewTongue(terminal.Language(env), terminal.Shared, keyHelp(), japanese)}
	started := terminal.CalledBy(os.Args[0], "yagura-sensor", os.Geteuid() == 0, env)
	s.paste = terminal.Commands{Sensor: started, Help: started}
	exited := -1
	parser, err := kong.New(&c, kong.Name("yagura-sensor"), kong.Description(description), kong.Writers(out, stderr),
		kong.Exit(func(code int) { exited = code }), kong.Vars{"file": agent.DefaultFile}, kong.Help(terminal.Help(s.tongue, s.paste.Paste)))
	if err != nil {
		panic("the command line is described wrongly: " + err.Error())
	}
	parser.Model.Detail = programExamples
	args = terminal.Meant(args)
	kc, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return s.fail(fmt.Errorf("%w: see `%s --help`", err, terminal.Misused(err, "yagura-sensor")), exitUsage)
	}
	s.json = c.JSON
	flags := c.given.Given()
	if s.config, err = agent.LoadConfig(c.File, c.File != agent.DefaultFile, flags); err != nil {
		return s.wrongConfig(err)
	}
	if data := flags["data"]; data != nil {
		s.paste.Sensor = started + " --data " + terminal.Quote(data[0])
	}
	s.log = logger(stderr, s.config.LogLevel, c.JSON)
	switch err := kc.Run(s, &c); {
	case err == nil:
		return exitOK
	case errors.Is(err, errPartial):
		return exitPartial
	default:
		return s.fail(err, exitFailed)
	}
}

// own opens the data folder for this user alone; one that another user prepared is refused.
func (s *shell) own() (err error) {
	if s.config.Data, err = private.Make(s.config.Data); err != nil {
		return fmt.Errorf("open the data folder: %w", err)
	}
	return nil
}

// fail prints err as one sentence in the caller's language.
func (s *shell) fail(err error, code int) int {
	_, _ = fmt.Fprintf(s.err, "yagura-sensor: %s\n", event.Show(s.paste.Sentence(s.tongue.Text(strings.TrimSpace(err.Error())))))
	return code
}

// wrongConfig prints what is wrong with the configuration, one a line. Further lines are indented: one that a text
// made cannot pass for a line of ours.
func (s *shell) wrongConfig(err error) int {
	lines := strings.Split(s.tongue.Typeset(settings.Explain(err, s.tongue.Language())), "\n")
	for i, l := range lines {
		lines[i] = event.Show(l)
	}
	_, _ = fmt.Fprintf(s.err, "yagura-sensor: %s\n", strings.Join(lines, "\n  "))
	return exitUsage
}

// keyHelp gives the Japanese of the flags that keys are; their English stands beside the key, too.
func keyHelp() terminal.Sentences {
	out := terminal.Sentences{}
	for _, k := range agent.Keys() {
		out[k.FlagHelp(terminal.English)] = k.FlagHelp(terminal.Japanese)
	}
	return out
}

// jsonLines keeps a log of JSON lines JSON on its way to a screen.
type jsonLines struct{ to io.Writer }

func (j jsonLines) Write(p []byte) (int, error) {
	if _, err := j.to.Write(event.ShowJSON(p)); err != nil {
		return 0, fmt.Errorf("write the log: %w", err)
	}
	return len(p), nil
}

func logger(w io.Writer, level string, asJSON bool) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // checked with the configuration
	o := &slog.HandlerOptions{Level: l}
	if asJSON {
		return slog.New(slog.NewJSONHandler(jsonLines{w}, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
