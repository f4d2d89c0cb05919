package pipeline

import (
	"path"
	"strings"

	"github.com/yagura-edr/yagura/internal/event"
)

// What a program that reads a pipe does with what it reads. A build runs thousands of pipelines: only those are told
// whose reader runs its input, or carries it away.
var interesting = map[string]bool{
	// run it
	"sh": true, "bash": true, "dash": true, "ash": true, "zsh": true, "ksh": true, "mksh": true, "lksh": true, "rbash": true, "fish": true, "csh": true, "tcsh": true, "yash": true, "busybox": true,
	"python": true, "pypy": true, "perl": true, "ruby": true, "node": true, "nodejs": true, "deno": true, "bun": true, "php": true, "lua": true, "luajit": true, "tclsh": true,
	"expect": true, "pwsh": true, "osascript": true, "groovy": true, "jshell": true, "guile": true, "racket": true, "r": true, "rscript": true, "gdb": true,
	"at": true, "batch": true, "crontab": true, "chpasswd": true,
	// carry it away
	"ssh": true, "nc": true, "ncat": true, "netcat": true, "socat": true, "curl": true, "openssl": true, "telnet": true, "rclone": true, "cryptcat": true, "mail": true, "sendmail": true,
}

// places where an image of any name is told of: nobody installs programs there.
var places = []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/memfd:"}

// reads says whether a program is told of when it reads a pipe: by the name of its file, or of what was asked for. A
// version behind the name does not matter: python3.11, lua5.4, php8.2-cli.
func reads(p *event.Process) bool {
	for _, name := range [...]string{p.Path, p.Invoked} {
		if name == "" {
			continue
		}
		for _, place := range places {
			if strings.HasPrefix(name, place) {
				return true
			}
		}
		base := strings.ToLower(path.Base(name))
		if interesting[base] {
			return true
		}
		if i := strings.IndexAny(base, "0123456789.-_"); i > 0 && interesting[base[:i]] {
			return true
		}
	}
	return p.Interpreter != "" // a script reads what its interpreter may run
}
