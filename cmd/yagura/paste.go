package main

import (
	"strings"

	"github.com/yagura-edr/yagura/internal/terminal"
)

// commands says how our programs start from the caller's shell.
func (s *shell) commands() terminal.Commands {
	return terminal.Commands{Server: s.start(), Sensor: s.sensor, Help: s.program}
}

// start is this program with the data folder in use.
func (s *shell) start() string {
	if s.data == "" || s.data == s.usual {
		return s.program
	}
	return s.program + " --data " + terminal.Quote(s.data)
}

// paste gives a sentence with the commands in it as they can be pasted.
func (s *shell) paste(sentence string) string { return s.commands().Sentence(sentence) }

// example gives a line of help as it can be pasted.
func (s *shell) example(line string) string { return s.commands().Paste(line) }

// command gives a command of this program as it can be pasted.
func (s *shell) command(args ...string) string {
	words := []string{s.start()}
	for _, a := range args {
		words = append(words, terminal.Quote(a))
	}
	return strings.Join(words, " ")
}
