package incident

import (
	"slices"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// hub is what a program that serves many stories is for, in the words of a reason. None of its other children, and nobody
// who started it, belongs to a story because one of its children does: cron runs the jobs of all, a desktop the programs of
// a whole day.
type hub string

const (
	notHub         hub = ""
	hubInit        hub = "init"
	hubCron        hub = "cron"
	hubSSH         hub = "sshd"
	hubDesktop     hub = "desktop"
	hubPackages    hub = "package manager"
	hubBrowser     hub = "browser"
	hubMail        hub = "mail client"
	hubContainer   hub = "container runtime"
	hubYagura      hub = "yagura"
	hubServiceBoss hub = "service manager"
)

// platform is what we know of the programs and paths of one operating system: data alone, so that another system is another
// table (linux.go is the one that there is) and a new name is a new word in it. The rules of what follows from a program
// being one of these stand in hub.go, runner.go and schedule.go, and ask no name.
type platform struct {
	// hubs by the name of the image or script. A name counts only where folders says that an administrator or a package
	// put the file, so that a payload does not hide behind it (hubKind).
	hubs map[string]hub
	// folders, the first prefix that fits: whether what lies below is of the system.
	folders []folder
	// inline are programs that run scripts, with the letters of the options that hold code itself. A version at the end of
	// a name is cut before it is looked up: python3.11.
	inline map[string]string
	// shells among them: what a person types into.
	shells map[string]bool
	// takesWord are options of theirs that are followed by a word which is not the script.
	takesWord map[string]bool
	// items are paths of what a scheduler or a log-on runs later, the first that fits.
	items []itemPath
	// media are where a medium that was plugged in is mounted.
	media []string
	// traces are logs and histories: removing or emptying one is worth a sentence.
	traces []pathRule
}

type folder struct {
	prefix string
	system bool
}

// pathRule fits a path by parts of it; an empty list asks for nothing. Folders are matched by their tail, so that a
// throw-away root (a container's, a chroot's) counts too.
type pathRule struct {
	in     []string // the folder ends so
	under  []string // or this stands in it
	base   []string // and the name is one of these
	suffix []string // and the path ends so
}

type itemPath struct {
	kind string // cron, at, unit, timer, startup, preload, key
	pathRule
}

// platformOf gives the table of an event's system. Linux stands for those that have none yet: names that are not there match
// nothing.
func platformOf(event.OS) *platform { return &linux }

func (r *pathRule) fits(p string) bool {
	at := strings.LastIndexByte(p, '/')
	dir, base := "", p
	if at >= 0 {
		dir, base = p[:at], p[at+1:]
	}
	if len(r.in)+len(r.under) > 0 && !anyFits(r.in, dir, strings.HasSuffix) && !anyFits(r.under, p, strings.Contains) {
		return false
	}
	if len(r.base) > 0 && !anyFits(r.base, base, func(s, x string) bool { return s == x }) {
		return false
	}
	return len(r.suffix) == 0 || anyFits(r.suffix, p, strings.HasSuffix)
}

func anyFits(list []string, s string, is func(s, x string) bool) bool {
	for _, x := range list {
		if is(s, x) {
			return true
		}
	}
	return false
}

func (o *platform) inSystemFolder(p string) bool {
	for i := range o.folders {
		if strings.HasPrefix(p, o.folders[i].prefix) {
			return o.folders[i].system
		}
	}
	return false
}

// interpreter says that an image runs scripts, and how its options name inline code.
func (o *platform) interpreter(base string) (inline string, ok bool) {
	inline, ok = o.inline[strings.TrimRight(base, "0123456789.")]
	return inline, ok
}

// itemKind says what kind of scheduled item a path is, "" when none.
func (o *platform) itemKind(p string) string {
	for i := range o.items {
		if o.items[i].fits(p) {
			return o.items[i].kind
		}
	}
	return ""
}

// isTrace says that to remove or empty a file is worth a sentence.
func (o *platform) isTrace(p string) bool {
	return slices.ContainsFunc(o.traces, func(r pathRule) bool { return r.fits(p) })
}

func (o *platform) onMedium(p string) bool { return anyFits(o.media, p, strings.HasPrefix) }

// byName turns a table that is written by what programs are for into one that is asked by name.
func byName(of map[hub][]string) map[string]hub {
	out := map[string]hub{}
	for h, names := range of {
		for _, n := range names {
			out[n] = h
		}
	}
	return out
}

func wordSet(words ...string) map[string]bool {
	out := make(map[string]bool, len(words))
	for _, w := range words {
		out[w] = true
	}
	return out
}
