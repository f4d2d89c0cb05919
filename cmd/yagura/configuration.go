package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/settings"
)

// configured gives a verb one flag for each key of server.yaml. enable is called before the line is
// parsed, since a flag remembers whether it was given.
type configured struct {
	File string `help:"Configuration file (server.yaml); flags win over it." name:"config" placeholder:"FILE"`
	kong.Plugins

	flags *settings.Flags
}

func (c *configured) enable() {
	c.flags = settings.NewFlags(config.Keys(), config.FlagGroup, "data")
	c.Plugins = kong.Plugins{c.flags.Struct()}
}

// load reads the configuration in force: defaults, then the file, then flags.
func (c *configured) load(s *shell) (*config.Config, error) {
	given := c.flags.Given()
	given["data"] = []string{s.data}
	path := c.File
	if path == "" {
		path = config.Find(s.data)
	}
	in, err := config.Load(settings.Input{File: path, Flags: given})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errUsage, s.tongue.Typeset(settings.Explain(err, s.tongue.Language())))
	}
	return in, nil
}

type configVerb struct {
	Print configPrintVerb `cmd:"" help:"Print every key with its value and where it comes from."`
	Check configCheckVerb `cmd:"" help:"Say what would not work."`
}

type configPrintVerb struct {
	configured
}

// Help shows examples.
func (*configPrintVerb) Help() string {
	return "Examples:\n  yagura config print\n  yagura config print --json"
}

// Run prints the configuration.
func (v *configPrintVerb) Run(s *shell) error {
	c, err := v.load(s)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(c.JSON())
	}
	return c.Print(s.stdout, s.tongue.Language())
}

type configCheckVerb struct {
	configured
}

// Help shows examples.
func (*configCheckVerb) Help() string {
	return "Examples:\n  yagura config check\n  yagura config check --config /etc/yagura/server.yaml"
}

// Run checks the configuration.
func (v *configCheckVerb) Run(s *shell) error {
	c, err := v.load(s)
	if err != nil {
		return err
	}
	problems := c.Check()
	if s.json {
		if err := s.printJSON(problems); err != nil {
			return err
		}
	}
	for _, p := range problems {
		if !s.json {
			s.printf("%s (%s): %s\n", p.Key, p.Source, event.Show(s.tongue.Typeset(s.saidHere(p.What))))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("problems in the configuration: %d", len(problems))
	}
	if !s.json {
		s.printf("%s\n", s.say("the configuration will work"))
	}
	return nil
}
