// Package lineage says what a program is by identity: its executable is the file of a package, owned by root and writable by
// root only, at the path that the registry's table of programs gives it, inside the root of the process itself. It judges an
// exec and nothing else; package proctree carries the role to what the program starts. A name in a path, an argument or
// a link proves nothing here.
package lineage

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/event/registry"
	"github.com/yagura-edr/yagura/internal/sensor/linux/decode"
)

// Role is what a program was found to be.
type Role struct {
	Name  string
	Scope registry.Scope
	// Where its acts count, of a manager of another root: below this folder, or on this volume when the root is that of a
	// mount namespace. Both are empty for a program of the host.
	Root, Volume string
	// folder is where the host sees the root of a mount namespace that lies on a file system of the host.
	folder string
}

// Inside says whether an event of the role's program, or of what it started, counts: for the host's own programs always, for those of
// another root when the act stays in that root.
func (r *Role) Inside(e *event.Event) bool {
	if r.Root == "" && r.Volume == "" {
		return true
	}
	if r.folder != "" {
		switch {
		case e.Kind.Class() == "file":
			return lies(r.folder, &e.File)
		case isImage(e.Kind):
			return lies(r.folder, &event.File{Path: e.Actor.Path, VolumeID: e.Actor.VolumeID, FileID: e.Actor.FileID, Mode: image})
		}
		return false
	}
	var path, volume string
	switch {
	case e.Kind.Class() == "file":
		path, volume = e.File.Path, e.File.VolumeID
		if e.OldFile.Path != "" && !r.holds(e.OldFile.Path, volume) {
			return false
		}
	case isImage(e.Kind):
		path, volume = e.Actor.Path, e.Actor.VolumeID
	}
	return r.holds(path, volume)
}

// isImage says whether an event of that kind is about the image of its actor.
func isImage(k event.Kind) bool {
	return k == event.ProcessExec || k == event.ProcessRunning || k == event.ProcessExit || k == event.ProcessImageHashed
}

func (r *Role) holds(path, volume string) bool {
	if r.Root != "" {
		return strings.HasPrefix(path, r.Root+"/")
	}
	return volume == r.Volume
}

type programKey struct {
	path   string
	script bool
}

// Judge judges execs. It is safe for use from many goroutines: what it asks of a file system may take for ever.
type Judge struct {
	programs map[programKey]registry.Program
	proof    *proof
	environ  func(pid uint64) []byte
	inode    func(pid uint64, path string) (ino string, there bool)
	mounts   func(pid string) []mount

	mu     sync.Mutex            // guards places
	places map[decode.Root]place // of roots of mount namespaces
}

// New makes a judge of programs of the system whose root is at dir: "/" but in tests. writer says who wrote a file, as far as that was
// seen; nil for nobody.
func New(dir string, writer func(volume, id string) (lineage []string, ok bool)) *Judge {
	j := &Judge{programs: map[programKey]registry.Program{}, proof: newProof(dir, writer), environ: environ, inode: inode, mounts: mounts, places: map[decode.Root]place{}}
	for _, p := range registry.Programs {
		j.programs[programKey{p.Path, p.Script}] = p
	}
	return j
}

// Of gives the role of the program that an exec, or a running process, names; nil for none. root and host are the root folders of
// the process and of the host; arguments are those of an exec, each ended by NUL.
func (j *Judge) Of(e *event.Event, root, host decode.Root, arguments []byte) *Role {
	if ask := j.Ask(e, root, host, arguments); ask != nil {
		return ask()
	}
	return nil
}

// Ask is Of in two halves. It touches no file, and gives nil when the program has no role whatever its files say. What it gives
// otherwise looks at the files, which may take for ever, and needs nothing of its caller.
func (j *Judge) Ask(e *event.Event, root, host decode.Root, arguments []byte) func() *Role {
	a := e.Actor
	if a.Path == "" || host == (decode.Root{}) {
		return nil
	}
	other := root.Path != "" || root.Dev != host.Dev || root.Inode != host.Inode
	p, ok := j.program(a.Path, false, root.Path)
	file := a.Path
	if !ok && a.Interpreter != "" {
		p, ok = j.program(a.Interpreter, true, root.Path)
		file = a.Interpreter
	}
	switch {
	case !ok,
		p.Root && a.EffectiveUserID != "0",
		e.Flags&(event.FlagMemoryFile|event.FlagDeleted) != 0,
		e.File.OwnerID != "0" || e.File.Mode&0o022 != 0, // of the image: of a script, its interpreter
		p.Script && !named(arguments, strings.TrimPrefix(file, root.Path)),
		other && p.Role != registry.RolePackageManager:
		return nil
	}
	return func() *Role {
		r := &Role{Name: p.Role, Scope: narrowed(p, a.CommandLine)}
		if other {
			ok = j.elsewhere(r, a.PID, root, file)
		} else {
			ok = j.here(p, &a, file)
		}
		if !ok || steered(j.environ(a.PID)) {
			return nil
		}
		return r
	}
}

// here says whether a program of the host's own root is that of a package.
func (j *Judge) here(p registry.Program, a *event.Process, file string) bool {
	id := a.FileID
	if p.Script {
		if !j.proof.interpreter(a.Path, id) {
			return false
		}
		var there bool
		if id, there = j.inode(a.PID, file); there && id == "" {
			return false
		}
	}
	return j.proof.of(file, id)
}

// elsewhere says whether a package manager of another root has a role there, and notes how far it reaches.
func (j *Judge) elsewhere(r *Role, pid uint64, root decode.Root, file string) bool {
	r.Name, r.Root = registry.RolePackageManagerOtherRoot, root.Path
	if root.Path != "" {
		return !isSystem(root.Path) && j.private(root, file)
	}
	where, ok := j.place(pid, root)
	if !ok || where.folder != "" && (isSystem(strings.TrimPrefix(where.folder, strings.TrimSuffix(j.proof.dir, "/"))) || !private(where.folder, file)) {
		return false
	}
	r.Volume, r.folder = where.volume, where.folder
	return true
}

func (j *Judge) program(full string, script bool, root string) (registry.Program, bool) {
	inner := full
	if root != "" {
		rest, ok := strings.CutPrefix(full, root)
		if !ok || rest == "" || rest[0] != '/' {
			return registry.Program{}, false
		}
		inner = rest
	}
	p, ok := j.programs[programKey{inner, script}]
	return p, ok
}

// named says whether the kernel was asked for a script by that very path. It has put what it was asked for behind the interpreter and
// what the script's first line adds. A path that goes up somewhere (/x/../usr/bin/dnf) names the program that has the role when its
// words alone are read, and any other one when x is a link.
func named(arguments []byte, script string) bool {
	_, rest, _ := bytes.Cut(arguments, []byte{0})
	for arg := range bytes.SplitSeq(rest, []byte{0}) {
		if len(arg) > 0 && arg[0] == '-' && bytes.IndexByte(arg, '/') < 0 {
			continue // of the first line
		}
		return string(arg) == script
	}
	return false
}

// verbs are the arguments by which dpkg and rpm run what a package brings; steers are those by which they run what their caller
// brings. Without one of the first, or with one of the second, their role is theirs alone.
var (
	verbs = map[string][]string{
		"dpkg": {"-i", "--install", "--unpack", "--configure", "-r", "--remove", "-P", "--purge", "--triggers-only", "-A"},
		"rpm":  {"-i", "-U", "-F", "-e", "--install", "--upgrade", "--freshen", "--erase", "--reinstall", "--restore"},
	}
	steers = []string{"--pre-invoke", "--post-invoke", "--eval", "-E", "--define", "-D", "--pipe", "--undefine", "--load", "--rcfile", "--macros", "--root", "--instdir", "--admindir"}
)

func narrowed(p registry.Program, line string) registry.Scope {
	need, ok := verbs[path.Base(p.Path)]
	if p.Scope != registry.Tree || !ok {
		return p.Scope
	}
	found := false
	for arg := range strings.FieldsSeq(line) {
		if slices.ContainsFunc(steers, func(s string) bool {
			return arg == s || strings.HasPrefix(arg, s+"=") || len(s) == 2 && len(arg) > 2 && arg[1] != '-' && strings.HasPrefix(arg, s)
		}) {
			return registry.Self
		}
		found = found || slices.ContainsFunc(need, func(v string) bool {
			return arg == v || len(v) == 2 && len(arg) > 2 && arg[1] != '-' && strings.HasPrefix(arg, v)
		})
	}
	if !found {
		return registry.Self
	}
	return p.Scope
}

// steering are the variables by which a caller makes a program run code of his own. A trailing = means the whole name.
var steering = []string{"LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH=", "PYTHONPATH=", "PYTHONHOME=", "PYTHONSTARTUP=", "PERL5LIB=", "PERL5OPT=", "RUBYLIB=", "RUBYOPT=", "NODE_OPTIONS=", "BASH_ENV=", "BASH_FUNC_", "DPKG_ROOT=", "RPM_CONFIGDIR="}

// steered says whether the environment of a process, entries ended by NUL, makes it run something else.
func steered(environ []byte) bool {
	for entry := range strings.SplitSeq(string(environ), "\x00") {
		for _, s := range steering {
			if v, ok := strings.CutPrefix(entry, s); ok && v != "" {
				return true
			}
		}
	}
	return false
}
