package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/stream"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// Exit codes, a contract with scripts.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3

	exitAnew = -1 // none: main starts the server anew instead
)

// errUsage and errPartial choose the exit code; everything else is exitFailed.
var (
	errUsage   = errors.New("usage")
	errPartial = errors.New("partial")
)

// cli is the grammar of the command line. Each verb's fields and Run method stand in its own file; every text
// of it has its Japanese in ja.go.
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
	Authority  authorityVerb  `cmd:"" help:"Who may sign orders: show, move the keys to a safe place, renew."`
	Rules      rulesVerb      `cmd:"" help:"List, check and test detection rules."`
	Replay     replayVerb     `cmd:"" help:"Feed recorded events (NDJSON or batches) through the whole path."`
	SignIn     signInVerb     `cmd:"" help:"Make a one-time link that signs in before guessers, or resets what is lost."`
	Store      storeVerb      `cmd:"" help:"Say what is stored and what of it is not whole; confirm what retention waits for."`
	Quarantine quarantineVerb `cmd:"" help:"List accepted events that could not be stored; try to store them again."`
	Config     configVerb     `cmd:"" help:"Print or check the server's configuration."`
	Version    versionVerb    `cmd:"" help:"Print the version."`
	Worker     workerVerb     `cmd:"" hidden:"" help:"Event store worker, started by the server."`
}

const description = "Yagura watches hosts, judges what happens within a second, tells the attack as one story, and acts."

const programExamples = `Examples:
  yagura up                              # server, console and a sensor here
  yagura incidents                       # what happened
  yagura incidents show last             # the newest one: five answers and its story
  yagura respond isolate HOST --for 1h   # cut a host off, for an hour
`

// outputs are where the program was told to write.
type outputs struct{ stdout, stderr io.Writer }

// shell is what a verb may use of the outside.
type shell struct {
	ctx    context.Context //nolint:containedctx // kong hands one bound value to Run; it lives for one verb
	stdin  io.Reader
	stdout io.Writer // takes nothing that steers a terminal
	stderr io.Writer
	given  outputs // the same, as they came
	tongue *terminal.Tongue
	data   string
	json   bool

	program string // how this program is called from the caller's shell
	sensor  string // the same of yagura-sensor, which stands beside it
	usual   string // the data folder in use when none is named
	columns int    // of an output that is no terminal; 0: none
}

// say gives a sentence in the caller's language, its commands as they can be pasted.
func (s *shell) say(en string, args ...any) string { return s.paste(s.tongue.Say(en, args...)) }

// printf prints lines of ours. What is put into them stays in its line, whatever it holds.
func (s *shell) printf(format string, a ...any) {
	for i, x := range a {
		if text, ok := x.(string); ok {
			a[i] = event.Show(text)
		}
	}
	_, _ = fmt.Fprintf(s.stdout, format, a...)
}

// print prints what is laid out in lines already.
func (s *shell) print(text string) { _, _ = io.WriteString(s.stdout, text) }

// warn says a sentence beside the answer.
func (s *shell) warn(text string) { _, _ = fmt.Fprintln(s.stderr, event.Show(text)) }

// usagef makes an error of exit code 2.
func usagef(format string, a ...any) error {
	return fmt.Errorf("%w: %w", errUsage, fmt.Errorf(format, a...))
}

// partialf makes an error of exit code 3.
func partialf(format string, a ...any) error {
	return fmt.Errorf("%w: %w", errPartial, fmt.Errorf(format, a...))
}

// run is the whole program; tests call it as a user would.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	root := os.Geteuid() == 0
	given := outputs{stdout, stderr}
	stdout, stderr = event.Screen(stdout), event.Screen(stderr)
	s := &shell{
		ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, given: given, tongue: tongueOf(terminal.Language(env)), usual: config.DefaultDir(env),
		program: terminal.CalledBy(os.Args[0], "yagura", root, env), sensor: terminal.CalledBy(os.Args[0], "yagura-sensor", root, env),
	}
	s.columns, _ = strconv.Atoi(env("COLUMNS"))
	var c cli
	for _, v := range []*configured{&c.Up.configured, &c.Server.configured, &c.Config.Print.configured, &c.Config.Check.configured} {
		v.enable()
	}
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("yagura"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.Help(terminal.Help(s.tongue, s.example)),
		kong.Vars{"data": s.usual},
	)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "yagura: %v\n", err)
		return exitFailed
	}
	parser.Model.Detail = programExamples
	args = terminal.Meant(args)
	s.name(dataOf(args, s.usual)) // help is printed before flags are read
	k, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exitOK
	}
	if err != nil {
		return s.exit(usagef("%w: see `%s --help`", err, terminal.Misused(err, "yagura")))
	}
	s.name(c.Data)
	s.json = c.JSON
	return s.exit(k.Run(s))
}

// dataOf finds --data among arguments that are not parsed yet.
func dataOf(args []string, usual string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--data="); ok {
			return v
		}
		if (a == "--data" || a == "-d") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return usual
}

// name sets the data folder.
func (s *shell) name(data string) {
	s.data = data
	if abs, err := filepath.Abs(data); err == nil {
		s.data = abs
	}
}

// exit prints err as one sentence in the caller's language and gives the exit code.
func (s *shell) exit(err error) int {
	if err == nil {
		return exitOK
	}
	code, text := exitFailed, strings.TrimSpace(err.Error())
	for sentinel, c := range map[error]int{errPartial: exitPartial, errUsage: exitUsage, stream.ErrHung: exitAnew} {
		if errors.Is(err, sentinel) {
			code, text = c, strings.TrimPrefix(text, sentinel.Error()+": ")
		}
	}
	text = strings.ReplaceAll(text, `,""`, "") // that a flag may be left out is no value of it
	lines := strings.Split(s.paste(s.tongue.Text(text)), "\n")
	if s.json { // texts of the server are in it as they are: the lines are not ours
		lines = []string{strings.Join(lines, "\n")}
	}
	for i, l := range lines {
		lines[i] = event.Show(l)
	}
	// Further lines are indented: one that a text made cannot pass for a line of ours.
	_, _ = fmt.Fprintf(s.stderr, "yagura: %s\n", strings.Join(lines, "\n  "))
	return code
}
