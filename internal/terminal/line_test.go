package terminal_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/yagura-edr/yagura/internal/terminal"
)

func TestMeantIsWhatPeopleTryFirst(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, []string{"--help"}},
		{[]string{"help"}, []string{"--help"}},
		{[]string{"help", "enroll", "token"}, []string{"enroll", "token", "--help"}},
		{[]string{"--version"}, []string{"version"}},
		{[]string{"-V", "--json"}, []string{"version", "--json"}},
		{[]string{"hosts", "help"}, []string{"hosts", "help"}},
	} {
		if got := terminal.Meant(c.in); !slices.Equal(got, c.want) {
			t.Errorf("Meant(%q) = %q; want %q", c.in, got, c.want)
		}
	}
}

func TestMisusedNamesTheVerb(t *testing.T) {
	var cli struct {
		Enroll struct {
			Token struct {
				Uses int
			} `cmd:""`
		} `cmd:""`
	}
	parser, err := kong.New(&cli, kong.Name("program"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"enroll", "token", "--uses=x"}, "program enroll token"}, {[]string{"dance"}, "program"}} {
		_, err := parser.Parse(c.args)
		if got := terminal.Misused(err, "program"); err == nil || got != c.want {
			t.Errorf("Misused of %q (%v) = %q; want %q", c.args, err, got, c.want)
		}
	}
	if got := terminal.Misused(errors.New("another"), "program"); got != "program" {
		t.Errorf("Misused of another error = %q", got)
	}
}
