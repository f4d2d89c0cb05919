package main

import "fmt"

type configVerb struct {
	Print configPrintVerb `cmd:"" help:"Print every key with its value and where it comes from."`
	Check configCheckVerb `cmd:"" help:"Say what would not work."`
}

type configPrintVerb struct{}

// Help shows examples.
func (*configPrintVerb) Help() string {
	return "Examples:\n  yagura-sensor config print\n  yagura-sensor config print --json"
}

// Run prints the configuration.
func (*configPrintVerb) Run(s *shell) error {
	if s.json {
		return s.printJSON(s.config.JSON(s.config))
	}
	return s.config.Print(s.out, s.tongue.Language(), s.config)
}

type configCheckVerb struct{}

// Help shows examples.
func (*configCheckVerb) Help() string {
	return "It reads the configuration and looks at the files that it names; `yagura-sensor check` tries what it says.\n\nExamples:\n  yagura-sensor config check\n  yagura-sensor config check --config /etc/yagura/sensor.yaml"
}

// Run checks the configuration.
func (*configCheckVerb) Run(s *shell) error {
	problems := s.config.Check()
	if s.json {
		if err := s.printJSON(problems); err != nil {
			return err
		}
	}
	for _, p := range problems {
		if !s.json {
			s.printf("%s (%s): %s\n", p.Key, p.Source, s.tongue.Typeset(p.What.In(s.tongue.Language())))
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
