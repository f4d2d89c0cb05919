package incident

// linux is the table of Linux. A word that belongs here needs no code: add it, and a case in testdata/stories that shows
// what it changes.
var linux = platform{
	hubs: byName(map[hub][]string{
		hubInit:        {"init", "launchd", "tini", "dumb-init", "docker-init", "catatonit"},
		hubServiceBoss: {"systemd", "(sd-pam)", "systemd-executor", "runit", "runsvdir", "runsv", "s6-svscan", "s6-supervise", "supervisord", "openrc", "openrc-run", "monit", "dbus-daemon", "dbus-broker", "dbus-broker-launch", "dbus-broker-lau", "polkitd"},
		hubCron:        {"cron", "crond", "anacron", "atd", "fcron", "bcron-sched", "bcron-exec", "bcron-start", "systemd-cron"},
		hubSSH:         {"sshd", "sshd-session", "sshd-auth", "dropbear", "login", "agetty", "getty", "telnetd", "in.telnetd"},
		hubDesktop:     {"gdm", "gdm3", "gdm-session-worker", "gdm-x-session", "gdm-wayland-session", "lightdm", "sddm", "gnome-shell", "gnome-session", "gnome-session-binary", "plasmashell", "kwin_x11", "kwin_wayland", "ksmserver", "kded5", "kded6", "xfce4-session", "xfce4-panel", "xfdesktop", "cinnamon", "cinnamon-session", "mate-session", "mate-panel", "Xorg", "Xwayland", "nautilus", "dolphin", "thunar", "Thunar", "nemo", "caja", "pcmanfm", "gnome-terminal-server", "gnome-terminal-", "konsole", "xterm", "kitty", "alacritty", "foot", "tmux", "tmux: server", "screen", "SCREEN", "xdg-desktop-portal", "sway", "i3", "weston", "openbox"},
		hubPackages:    {"apt", "apt-get", "aptitude", "dpkg", "dpkg-deb", "unattended-upgrade", "unattended-upgr", "apt.systemd.daily", "rpm", "dnf", "dnf5", "yum", "zypper", "pacman", "apk", "snapd", "snap", "flatpak", "packagekitd", "emerge", "debootstrap"},
		hubBrowser:     {"chromium", "chromium-browser", "chrome", "google-chrome", "google-chrome-stable", "firefox", "firefox-esr", "firefox-bin", "brave", "brave-browser", "msedge", "microsoft-edge", "opera", "vivaldi", "vivaldi-bin", "epiphany", "falkon", "konqueror", "librewolf", "headless_shell"},
		hubMail:        {"thunderbird", "thunderbird-bin", "betterbird", "evolution", "geary", "kmail", "claws-mail", "sylpheed", "mutt", "neomutt", "alpine", "mailspring", "trojita", "balsa", "slack", "discord", "Discord", "teams", "teams-for-linux", "element-desktop", "signal-desktop", "telegram-desktop", "Telegram", "zoom", "mattermost-desktop", "zulip"},
		hubContainer:   {"dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v1", "containerd-shim-runc-v2", "runc", "crun", "crio", "conmon", "kubelet", "lxc-start", "systemd-nspawn"},
		hubYagura:      {"yagura", "yagura-sensor"},
	}),
	// What an administrator builds by hand goes to /usr/local, and so does what others unpack there: only its programs and
	// libraries are the system's.
	folders: []folder{
		{"/usr/local/bin/", true},
		{"/usr/local/sbin/", true},
		{"/usr/local/lib/", true},
		{"/usr/local/", false},
		{"/usr/", true},
		{"/bin/", true},
		{"/sbin/", true},
		{"/lib/", true},
		{"/lib64/", true},
		{"/opt/", true},
		{"/snap/", true},
		{"/nix/store/", true},
		{"/app/", true},
	},
	inline: map[string]string{
		"sh": "c", "bash": "c", "dash": "c", "zsh": "c", "ksh": "c", "mksh": "c", "ash": "c", "fish": "c", "rbash": "c", "busybox": "c", "csh": "c", "tcsh": "c",
		"python": "cm", "pypy": "cm", "perl": "eE", "ruby": "e", "lua": "e", "luajit": "e", "node": "ep", "nodejs": "ep", "php": "r",
	},
	shells:    wordSet("sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash", "busybox", "csh", "tcsh"),
	takesWord: wordSet("-O", "-o", "-W", "-X"),
	items: []itemPath{
		{"cron", pathRule{in: []string{"/cron.d", "/cron.hourly", "/cron.daily", "/cron.weekly", "/cron.monthly", "/spool/cron", "/cron/crontabs", "/crontabs"}}},
		{"cron", pathRule{in: []string{"/etc"}, base: []string{"crontab"}}},
		{"at", pathRule{in: []string{"/cron/atjobs", "/spool/at"}}},
		{"unit", pathRule{under: []string{"/systemd/system/", "/systemd/user/"}, suffix: []string{".service"}}},
		{"timer", pathRule{under: []string{"/systemd/system/", "/systemd/user/"}, suffix: []string{".timer"}}},
		{"startup", pathRule{in: []string{"/init.d", "/rc.local", "/autostart", "/profile.d", "/update-motd.d", "/xinit/xinitrc.d"}}},
		{"startup", pathRule{in: []string{"/etc"}, base: []string{"rc.local"}}},
		{"startup", pathRule{base: []string{".bashrc", ".bash_profile", ".profile", ".zshrc", ".xprofile"}}},
		{"preload", pathRule{base: []string{"ld.so.preload"}}},
		{"key", pathRule{base: []string{"authorized_keys", "authorized_keys2"}}},
	},
	media: []string{"/media/", "/run/media/", "/mnt/"},
	traces: []pathRule{
		{under: []string{"/log/", "/logs/"}},
		{suffix: []string{"_history", "/wtmp", "/btmp", "/lastlog", "/utmp"}},
	},
}

// everyone are accounts that all runs as, on any system: to have one of them in common says nothing of two acts.
var everyone = wordSet("", "0", "root", "SYSTEM", `NT AUTHORITY\SYSTEM`)
