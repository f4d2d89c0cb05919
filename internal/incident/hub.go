package incident

import (
	"path"
	"strings"
	"unicode"
)

// What a hub is for, in the words of a reason.
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

// The tables are data: a program that serves many stories. A name counts only for an image in a system
// folder, so that a payload does not hide behind it (see isHub).
func hubOf(name string) hub {
	switch name {
	case "init", "launchd", "tini", "dumb-init", "docker-init", "catatonit":
		return hubInit
	case "systemd", "(sd-pam)", "systemd-executor", "runit", "runsvdir", "runsv", "s6-svscan", "s6-supervise", "supervisord", "openrc", "openrc-run", "monit", "dbus-daemon", "dbus-broker", "dbus-broker-launch", "dbus-broker-lau", "polkitd":
		return hubServiceBoss
	case "cron", "crond", "anacron", "atd", "fcron", "bcron-sched", "bcron-exec", "bcron-start", "systemd-cron":
		return hubCron
	case "sshd", "sshd-session", "sshd-auth", "dropbear", "login", "agetty", "getty", "telnetd", "in.telnetd":
		return hubSSH
	case "gdm", "gdm3", "gdm-session-worker", "gdm-x-session", "gdm-wayland-session", "lightdm", "sddm", "gnome-shell", "gnome-session", "gnome-session-binary", "plasmashell", "kwin_x11", "kwin_wayland", "ksmserver", "kded5", "kded6",
		"xfce4-session", "xfce4-panel", "xfdesktop", "cinnamon", "cinnamon-session", "mate-session", "mate-panel", "Xorg", "Xwayland", "nautilus", "dolphin", "thunar", "Thunar", "nemo", "caja", "pcmanfm",
		"gnome-terminal-server", "gnome-terminal-", "konsole", "xterm", "kitty", "alacritty", "foot", "tmux", "tmux: server", "screen", "SCREEN", "xdg-desktop-portal", "sway", "i3", "weston", "openbox":
		return hubDesktop
	case "apt", "apt-get", "aptitude", "dpkg", "dpkg-deb", "unattended-upgrade", "unattended-upgr", "apt.systemd.daily", "rpm", "dnf", "dnf5", "yum", "zypper", "pacman", "apk", "snapd", "snap", "flatpak", "packagekitd", "emerge", "debootstrap":
		return hubPackages
	case "chromium", "chromium-browser", "chrome", "google-chrome", "google-chrome-stable", "firefox", "firefox-esr", "firefox-bin", "brave", "brave-browser", "msedge", "microsoft-edge", "opera", "vivaldi", "vivaldi-bin", "epiphany", "falkon", "konqueror", "librewolf", "headless_shell":
		return hubBrowser
	case "thunderbird", "thunderbird-bin", "betterbird", "evolution", "geary", "kmail", "claws-mail", "sylpheed", "mutt", "neomutt", "alpine", "mailspring", "trojita", "balsa",
		"slack", "discord", "Discord", "teams", "teams-for-linux", "element-desktop", "signal-desktop", "telegram-desktop", "Telegram", "zoom", "mattermost-desktop", "zulip":
		return hubMail
	case "dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v1", "containerd-shim-runc-v2", "runc", "crun", "crio", "conmon", "kubelet", "lxc-start", "systemd-nspawn":
		return hubContainer
	case "yagura", "yagura-sensor":
		return hubYagura
	}
	return notHub
}

// systemFolders hold what an administrator or a package put there.
var systemFolders = [...]string{"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/app/"}

func inSystemFolder(p string) bool {
	if strings.HasPrefix(p, "/usr/local/") {
		return strings.HasPrefix(p, "/usr/local/bin/") || strings.HasPrefix(p, "/usr/local/sbin/") || strings.HasPrefix(p, "/usr/local/lib/")
	}
	for _, f := range systemFolders {
		if strings.HasPrefix(p, f) {
			return true
		}
	}
	return false
}

// program is the name of what runs: the script for an interpreter, the applet of busybox, else the image.
// It is found once for each image.
func program(im *image) string {
	im.parse()
	return im.program
}

// parse reads the program's name and the script from path and command line.
func (im *image) parse() {
	if im.parsed {
		return
	}
	im.parsed = true
	im.words = im.commandLine
	if len(im.words) > maxWords {
		im.words = im.words[:maxWords]
	}
	im.script = im.findScript()
	im.program = im.findProgram()
}

// maxWords bounds how much of a command line is read for names, in bytes: hosts may send 64 KiB.
const maxWords = 4096

func (im *image) findProgram() string {
	if im.script != "" {
		return path.Base(im.script)
	}
	base := path.Base(im.path)
	if im.path == "" {
		base = path.Base(firstWord(im.words))
	}
	if base == "busybox" || strings.HasPrefix(base, "busybox-") {
		arg := strings.Fields(im.words)
		if len(arg) > 1 && path.Base(arg[0]) == base {
			return arg[1]
		}
		if len(arg) > 0 {
			return strings.TrimPrefix(path.Base(arg[0]), "-")
		}
	}
	if i := strings.IndexByte(base, ' '); i > 0 { // "x (deleted)"
		base = base[:i]
	}
	return base
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return strings.TrimSuffix(w, ":")
}

// hubKind says whether stories stop at p. Process 1 always is one; others by a known name in a system
// folder, whether image or script. A user's own program of that name is none.
func hubKind(p *proc) hub {
	if p == nil {
		return notHub
	}
	if p.pid == 1 {
		return hubInit
	}
	if p.pid == 2 {
		return hubInit // kthreadd
	}
	im := p.last()
	name := program(im)
	h := hubOf(name)
	if h == notHub {
		if im.path == "" && len(im.commandLine) == 0 && p.comm != "" {
			h = hubOf(p.comm)
			if h == hubServiceBoss || h == hubInit {
				return h
			}
			return notHub
		}
		return notHub
	}
	if h == hubYagura || h == hubInit {
		return h
	}
	where := im.path
	if s := scriptOf(im); s != "" {
		where = s
	}
	if !inSystemFolder(where) {
		return notHub
	}
	if f := p.host.files[im.file]; f != nil && im.file.id != "" && !writtenByPackages(f) {
		return notHub // put there in our sight, and not by the package manager
	}
	return h
}

func writtenByPackages(f *fileNode) bool {
	for _, w := range f.writers {
		if hubOf(program(w.by.last())) != hubPackages {
			return false
		}
	}
	return true
}

// isMailer says that p carries the name of a mail or chat client, wherever it lies: only an entry route
// asks, and only for a chain that has a URL in it.
func isMailer(p *proc) bool { return p != nil && hubOf(program(p.last())) == hubMail }

func isBrowserImage(im *image) bool { return hubOf(program(im)) == hubBrowser }

var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "zsh": true, "ksh": true, "mksh": true, "ash": true, "fish": true, "rbash": true, "busybox": true, "csh": true, "tcsh": true}

// interpreter says that an image runs scripts, and how its options name inline code.
func interpreter(base string) (inline string, ok bool) {
	name := strings.TrimRightFunc(base, func(r rune) bool { return unicode.IsDigit(r) || r == '.' })
	switch {
	case shells[name]:
		return "c", true
	case name == "python" || name == "pypy":
		return "cm", true
	case name == "perl":
		return "eE", true
	case name == "ruby", name == "lua", name == "luajit":
		return "e", true
	case name == "node" || name == "nodejs":
		return "ep", true
	case name == "php":
		return "r", true
	}
	return "", false
}

// scriptOf gives the full path of the script an image runs, or "" when it runs none.
func scriptOf(im *image) string {
	im.parse()
	return im.script
}

func (im *image) findScript() string {
	if im.interpreter != "" {
		return abs(im.interpreter, im.cwd)
	}
	inline, ok := interpreter(path.Base(im.path))
	if !ok {
		return ""
	}
	arg := strings.Fields(im.words)
	if len(arg) > 0 && path.Base(arg[0]) == "busybox" {
		arg = arg[1:]
	}
	for i := 1; i < len(arg); i++ {
		w := arg[i]
		if !strings.HasPrefix(w, "-") || w == "-" {
			if w == "-" {
				return ""
			}
			if strings.ContainsAny(w, ";|&<>$`'\"(){}") || strings.HasPrefix(w, "/dev/fd/") || strings.HasPrefix(w, "/proc/") {
				return "" // no file of its own
			}
			return abs(w, im.cwd)
		}
		if strings.HasPrefix(w, "--") {
			continue
		}
		if strings.ContainsAny(w[1:], inline) {
			return ""
		}
		if w == "-O" || w == "-o" || w == "-W" || w == "-X" {
			i++ // an option that takes a word
		}
	}
	return ""
}

func abs(p, cwd string) string {
	if strings.HasPrefix(p, "/") || cwd == "" {
		return path.Clean(p)
	}
	return path.Join(cwd, p)
}

// runsScript says that p is a program of its own kept in a script outside the system's folders. Growth
// upwards stops there: who started a script often started others that have nothing to do with it.
func runsScript(p *proc) bool {
	s := scriptOf(p.last())
	return s != "" && !inSystemFolder(s) && p.firstExec() != nil // a fork of it that ran nothing is no program of its own
}

// isSessionShell says that p is the shell a person types into: no script, no inline code, a terminal.
func isSessionShell(p *proc) bool {
	im := p.last()
	base := strings.TrimPrefix(path.Base(im.path), "-")
	if !shells[base] || p.tty == "" {
		return false
	}
	im.parse()
	arg := strings.Fields(im.words)
	for _, w := range arg[min(1, len(arg)):] {
		if !strings.HasPrefix(w, "-") || (len(w) > 1 && w[1] != '-' && strings.Contains(w, "c")) {
			return false
		}
	}
	return true
}

// isService says that p took connections or waits for them.
func isService(p *proc) bool { d := p.did(); return len(d.accepts) > 0 || len(d.listens) > 0 }
