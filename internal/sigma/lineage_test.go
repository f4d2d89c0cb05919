package sigma_test

import (
	"testing"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sigma"
)

func judged(t *testing.T, condition string, e *event.Event) bool {
	t.Helper()
	s := one(t, condition).Scratch()
	var rec sigma.EventRecord
	rec.Set(e)
	return s.Judge(&rec, nil) != nil
}

// Rules name a program as people do; on Debian that name is a link to another file.
func TestImageMatchesTheNameThatWasAskedFor(t *testing.T) {
	e := &event.Event{
		Kind: event.ProcessExec, OS: event.Linux,
		Actor:  event.Process{Path: "/usr/bin/nc.openbsd", Invoked: "/usr/bin/nc"},
		Parent: event.Process{Path: "/usr/bin/vim.basic", Invoked: "/usr/bin/vi"},
		Target: event.Process{Path: "/usr/bin/mawk", Invoked: "/usr/bin/awk"},
	}
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{"  s: {Image|endswith: '/nc'}\n  condition: s\n", true},
		{"  s: {Image|endswith: '/nc.openbsd'}\n  condition: s\n", true},
		{"  s: {SourceImage: '/usr/bin/nc'}\n  condition: s\n", true},
		{"  s: {ParentImage|endswith: '/vi'}\n  condition: s\n", true},
		{"  s: {TargetImage|endswith: '/awk'}\n  condition: s\n", true},
		{"  s: {Image|endswith: '/ncat'}\n  condition: s\n", false},
		{"  s: {ImagePath|endswith: '/nc'}\n  condition: s\n", false},
		{"  s: {ParentImagePath|endswith: '/vi'}\n  condition: s\n", false},
		{"  s: {actor_path|endswith: '/nc'}\n  condition: s\n", false},
		{"  s: {Image|contains: openbsd}\n  f: {ImagePath: /usr/bin/nc}\n  condition: s and not f\n", true},
	} {
		if got := judged(t, c.condition, e); got != c.want {
			t.Errorf("%q fires = %v; want %v", c.condition, got, c.want)
		}
	}
}

func TestLineageOfAnEventWithoutASensorGoesByTheExactPath(t *testing.T) {
	root := func(path string) event.Process { return event.Process{Path: path, UserID: "0", EffectiveUserID: "0"} }
	user := func(path string) event.Process {
		return event.Process{Path: path, UserID: "1000", EffectiveUserID: "1000"}
	}
	const pm = "  s: {Lineage: package-manager}\n  condition: s\n"
	for _, c := range []struct {
		name string
		e    event.Event
		want bool
	}{
		{"dpkg itself", event.Event{Actor: root("/usr/bin/dpkg")}, true},
		{"no user given", event.Event{Actor: event.Process{Path: "/usr/bin/rpm"}}, true},
		{"maintainer script", event.Event{Actor: root("/usr/bin/rm"), Parent: root("/usr/bin/dpkg")}, true},
		{"below a maintainer script", event.Event{Actor: root("/usr/bin/rm"), Parent: root("/usr/bin/dash"), Ancestors: []string{"/usr/bin/dpkg", "/usr/bin/apt-get"}}, true},
		{"scriptlet of dnf", event.Event{Actor: root("/usr/bin/rm"), Parent: event.Process{Path: "/usr/bin/python3.9", Interpreter: "/usr/bin/dnf", UserID: "0"}}, true},
		{"apt itself", event.Event{Actor: root("/usr/bin/apt-get")}, true},
		{"a hook of apt", event.Event{Actor: root("/usr/bin/dash"), Parent: root("/usr/bin/apt-get")}, false},
		{"below a hook of apt", event.Event{Actor: root("/usr/bin/rm"), Parent: root("/usr/bin/dash"), Ancestors: []string{"/usr/bin/apt-get"}}, false},
		{"another folder", event.Event{Actor: root("/usr/bin/rm"), Parent: root("/tmp/a/usr/bin/rpm")}, false},
		{"another user", event.Event{Actor: user("/usr/bin/rm"), Parent: user("/usr/bin/dpkg")}, false},
		{"the name in an argument", event.Event{Actor: event.Process{Path: "/usr/bin/rm", CommandLine: "rm /usr/bin/dpkg"}}, false},
		{"the name that was asked for", event.Event{Actor: event.Process{Path: "/usr/bin/dash", Invoked: "/usr/bin/dpkg", UserID: "0"}}, false},
		{"a sensor that judged says no", event.Event{Flags: event.FlagJudged, Actor: root("/usr/bin/rm"), Parent: root("/usr/bin/dpkg")}, false},
		{"a sensor that judged says yes", event.Event{Flags: event.FlagJudged, Actor: root("/usr/bin/rm"), Lineage: []string{"package-manager"}}, true},
		{"a sensor that judged says another root", event.Event{Flags: event.FlagJudged, Actor: root("/usr/bin/rm"), Lineage: []string{"package-manager-other-root"}}, false},
	} {
		c.e.Kind, c.e.OS = event.ProcessExec, event.Linux
		if got := judged(t, pm, &c.e); got != c.want {
			t.Errorf("%s: fires = %v; want %v", c.name, got, c.want)
		}
	}
}

func TestLineageOfASampleIsThatOfAnImport(t *testing.T) {
	for _, c := range []struct {
		fields map[string]sigma.Value
		want   bool
	}{
		{map[string]sigma.Value{"Image": sigma.TextValue("/usr/bin/rm"), "ParentImage": sigma.TextValue("/usr/bin/dpkg"), "User": sigma.TextValue("root")}, true},
		{map[string]sigma.Value{"Image": sigma.TextValue("/usr/bin/rm"), "Ancestors": {Kind: sigma.List, List: []string{"/usr/bin/dpkg"}}}, true},
		{map[string]sigma.Value{"Image": sigma.TextValue("/usr/bin/rm"), "ParentImage": sigma.TextValue("/usr/bin/dpkg"), "Elevated": sigma.TextValue("false"), "ParentUser": sigma.TextValue("joe")}, false},
		{map[string]sigma.Value{"Image": sigma.TextValue("/usr/bin/rm"), "ParentImage": sigma.TextValue("/tmp/usr/bin/dpkg")}, false},
		{map[string]sigma.Value{"Image": sigma.TextValue("/usr/bin/rm"), "Lineage": {Kind: sigma.List, List: []string{"package-manager"}}}, true},
	} {
		s := one(t, "  s: {Lineage: package-manager}\n  condition: s\n").Scratch()
		rec := sigma.NewFields([]sigma.LogSource{{Product: "linux", Category: "process_creation"}}, c.fields)
		if got := s.Judge(rec, nil) != nil; got != c.want {
			t.Errorf("%v: fires = %v; want %v", c.fields, got, c.want)
		}
	}
}
