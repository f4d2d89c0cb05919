package origin_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/sensor/origin"
)

func file(kind event.Kind, id, path, by string, at time.Duration) *event.Event {
	return &event.Event{
		Kind: kind, BootNS: uint64(at), File: event.File{Path: path, VolumeID: "8:1", FileID: id, Links: 1},
		Actor: event.Process{Key: event.LinuxKey(uint64(len(by)), 1, 1), Path: by, CommandLine: by + " args"},
	}
}

func of(t *origin.Table, id string, at time.Duration) string {
	w, _ := t.Of(origin.File{Volume: "8:1", ID: id}, uint64(at))
	if w == nil {
		return ""
	}
	return w.Path
}

func ofPath(t *origin.Table, path string, at time.Duration) string {
	w, _ := t.OfPath(path, uint64(at))
	if w == nil {
		return ""
	}
	return w.Path
}

func TestWhoWroteAFile(t *testing.T) {
	tab := origin.New()
	tab.See(file(event.FileCreate, "5", "/tmp/x.part", "/usr/bin/wget", time.Second))
	move := file(event.FileRename, "5", "/tmp/x", "/usr/bin/mv", 2*time.Second)
	move.OldFile.Path = "/tmp/x.part"
	tab.See(move)
	if got := of(tab, "5", 3*time.Second); got != "/usr/bin/wget" {
		t.Errorf("after a move written by %q; want wget", got)
	}
	if got := ofPath(tab, "/tmp/x", 3*time.Second); got != "/usr/bin/wget" {
		t.Errorf("by its new name: %q", got)
	}
	if got := ofPath(tab, "/tmp/x.part", 3*time.Second); got != "" {
		t.Errorf("by its old name: %q", got)
	}
	if _, age := tab.Of(origin.File{Volume: "8:1", ID: "5"}, uint64(3*time.Second)); age != uint64(2*time.Second) {
		t.Errorf("age %d; want 2 s", age)
	}
	tab.See(file(event.FileModify, "5", "/tmp/x", "/usr/bin/python3", 4*time.Second))
	if got := of(tab, "5", 5*time.Second); got != "/usr/bin/python3" {
		t.Errorf("after a change: %q", got)
	}
	if got := of(tab, "5", 4*time.Second+origin.Keep+1); got != "" {
		t.Errorf("after more than an hour: %q", got)
	}
	gone := file(event.FileDelete, "5", "/tmp/x", "/usr/bin/rm", 6*time.Second)
	gone.File.Links = 0
	tab.See(gone)
	if got := of(tab, "5", 7*time.Second); got != "" {
		t.Errorf("the number is another file's by now, and yet %q", got)
	}
}

// curl > file: the shell made the file, before it became curl or for its child.
func TestRedirectionIsOfTheProgramThatWrites(t *testing.T) {
	tab := origin.New()
	tab.See(file(event.FileCreate, "5", "/tmp/x", "/usr/bin/bash", time.Second))
	tab.Redirected(origin.File{Volume: "8:1", ID: "5"}, &event.Process{Key: event.LinuxKey(9, 9, 9), Path: "/usr/bin/curl"}, nil, uint64(2*time.Second))
	if got := of(tab, "5", 3*time.Second); got != "/usr/bin/curl" {
		t.Errorf("written by %q", got)
	}
	if got := ofPath(tab, "/tmp/x", 3*time.Second); got != "/usr/bin/curl" {
		t.Errorf("by path written by %q", got)
	}
}

// What a postinst left behind wrote on in its manager's name.
func TestWriterThatLostItsRole(t *testing.T) {
	tab := origin.New()
	for i, roles := range [][]string{{"package-manager"}, nil} {
		e := file(event.FileModify, strconv.Itoa(i), "/usr/bin/x", "/usr/sbin/daemon", time.Second)
		e.Lineage = roles
		tab.See(e)
		if w, _ := tab.Of(origin.File{Volume: "8:1", ID: strconv.Itoa(i)}, uint64(time.Second)); w == nil || !slices.Equal(w.Lineage, roles) {
			t.Errorf("writer %+v; want the roles %q", w, roles)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tab := origin.New()
	for i := range 100_000 {
		e := file(event.FileCreate, strconv.Itoa(i), "/srv/"+strconv.Itoa(i), "/usr/bin/tar", time.Second)
		e.Actor.CommandLine = strings.Repeat("x", 8000)
		tab.See(e)
	}
	if n := tab.Len(); n > 8192 {
		t.Errorf("%d files kept; want at most 8192", n)
	}
	if w, _ := tab.Of(origin.File{Volume: "8:1", ID: "99999"}, uint64(2*time.Second)); w == nil || len(w.Line) != 512 {
		t.Errorf("the last one: %+v", w)
	}
}

func TestScriptOfAnInterpreter(t *testing.T) {
	for _, c := range []struct{ image, line, want string }{
		{"/usr/bin/bash", "bash|x.sh", "/w/x.sh"},
		{"/usr/bin/bash", "bash|/tmp/../tmp/x.sh|arg", "/tmp/x.sh"},
		{"/usr/bin/bash", "bash|-x|-o|pipefail|x.sh", "/w/x.sh"},
		{"/usr/bin/bash", "bash|-euo|pipefail|x.sh", "/w/x.sh"},
		{"/usr/bin/bash", "bash|--rcfile|/etc/x|y", "/w/y"},
		{"/usr/bin/bash", "bash|--|-x", "/w/-x"},
		{"/usr/bin/bash", "bash|-c|x.sh", ""},
		{"/usr/bin/bash", "bash|-s|arg", ""},
		{"/usr/bin/dash", "sh|-e|./x", "/w/x"},
		{"/usr/bin/python3.11", "python3|-W|ignore|x.py", "/w/x.py"},
		{"/usr/bin/python3.11", "python3|-u|x.py", "/w/x.py"},
		{"/usr/bin/python3.11", "python3|-c|print()", ""},
		{"/usr/bin/python3.11", "python3|-m|http.server", ""},
		{"/usr/bin/perl", "perl|-w|x.pl", "/w/x.pl"},
		{"/usr/bin/perl", "perl|-ne|print|f", ""},
		{"/usr/bin/ruby3.1", "ruby|-I|lib|x.rb", "/w/x.rb"},
		{"/usr/bin/cat", "cat|x", ""},
		{"/usr/bin/bash", "bash", ""},
		{"/usr/bin/bash", "", ""},
	} {
		got := origin.Operand(&event.Process{Path: c.image, Cwd: "/w"}, []byte(strings.ReplaceAll(c.line, "|", "\x00")+"\x00"))
		if got != c.want {
			t.Errorf("Operand(%s, %q) = %q; want %q", c.image, c.line, got, c.want)
		}
	}
}

func FuzzOperand(f *testing.F) {
	f.Add("/usr/bin/bash", []byte("bash\x00-o\x00"))
	f.Add("/usr/bin/python3", []byte("\x00--\x00"))
	f.Fuzz(func(t *testing.T, image string, arguments []byte) {
		if p := origin.Operand(&event.Process{Path: image, Cwd: "/w"}, arguments); p != "" && p[0] != '/' {
			t.Errorf("Operand(%q, %q) = %q: not absolute", image, arguments, p)
		}
	})
}
