package registry

// Scope says how far the role of a program reaches.
type Scope string

// The scopes.
const (
	Self Scope = "self" // its own acts
	// Children: its own acts, and those of the programs that it starts itself.
	Children Scope = "children"
	// Tree: its own acts, and those of all that it started, directly or not, while it runs.
	Tree Scope = "tree"
)

// Role is something that a program may be known to be, by identity and never by name.
type Role struct {
	Name   string
	En, Ja string
}

// Program is a program that has a role. The path is the one it has inside its own root.
type Program struct {
	Path   string
	Role   string
	Scope  Scope
	Script bool // Path is a script that an interpreter of the system runs
	Root   bool // only when it runs with root's rights
}

// The roles that rules may ask for in Lineage.
const (
	RolePackageManager = "package-manager"
	// RolePackageManagerOtherRoot is for the manager of another root on the host: chroot, debootstrap, an image being
	// built, a container. It proves nothing about acts outside of that root.
	RolePackageManagerOtherRoot = "package-manager-other-root"
	RoleConfiguration           = "configuration-management"
	RoleBackup                  = "backup"
	RoleMonitoring              = "monitoring"
	RoleContainerRuntime        = "container-runtime"
	RoleServiceManager          = "service-manager"
	RoleScheduler               = "scheduler"
	RoleLogin                   = "login"
	RoleLogRotation             = "log-rotation"
)

// Roles lists every role.
var Roles = []Role{
	{RolePackageManager, "the host's own package manager, or what it runs for a package (maintainer scripts, scriptlets); not what its hooks start", "ホスト自身のパッケージ管理、またはそれがパッケージのために実行するもの(メンテナースクリプトなど)。フックが起動するものは含まない"},
	{RolePackageManagerOtherRoot, "the package manager of another root on this host (chroot, debootstrap, container, image build): believe it only for acts inside that root", "このホスト上の別のルート(chroot、debootstrap、コンテナやその作成)のパッケージ管理。そのルートの中の操作についてだけ信用できる"},
	{RoleConfiguration, "an agent of configuration management installed as a package, or what it runs; Ansible is none: it comes in by ssh", "パッケージで入れた構成管理ツール、またはそれが実行するもの。Ansible は ssh 経由なので該当しない"},
	{RoleBackup, "a backup program installed as a package", "パッケージで入れたバックアップのプログラム"},
	{RoleMonitoring, "an agent of monitoring or security installed as a package", "パッケージで入れた監視またはセキュリティのプログラム"},
	{RoleContainerRuntime, "a container runtime installed as a package, or what it starts itself", "パッケージで入れたコンテナランタイム、またはそれが直接起動するもの"},
	{RoleServiceManager, "the host's service manager, or what it starts itself", "ホストのサービス管理、またはそれが直接起動するもの"},
	{RoleScheduler, "cron, at and their like, or what they start themselves", "cron や at など、またはそれが直接起動するもの"},
	{RoleLogin, "sshd, login, su or sudo, or what they start themselves", "sshd、login、su、sudo、またはそれが直接起動するもの"},
	{RoleLogRotation, "the rotation of logs, or what it runs", "ログのローテーション、またはそれが実行するもの"},
}

// Programs lists the programs that have a role. A path that does not exist on a system proves nothing there.
var Programs = programs(
	// dpkg, rpm, pacman and apk run what a package brings. apt and its like only call them, and run hooks (APT::Update::Pre-Invoke
	// is a way to stay): what they start has the role by dpkg or not at all. dnf and zypper run scriptlets in their own process.
	group{RolePackageManager, Tree, false, true, []string{
		"/usr/bin/dpkg", "/usr/bin/rpm", "/bin/rpm", "/usr/bin/pacman", "/sbin/apk", "/usr/sbin/apk", "/usr/bin/apk",
		"/usr/bin/dnf5", "/usr/bin/zypper", "/usr/bin/microdnf", "/usr/lib/snapd/snapd", "/usr/libexec/snapd/snapd",
	}},
	group{RolePackageManager, Tree, true, true, []string{"/usr/bin/dnf", "/usr/bin/dnf-3", "/usr/bin/dnf4", "/usr/bin/yum", "/usr/libexec/microdnf"}},
	group{RolePackageManager, Self, false, true, []string{
		"/usr/bin/apt", "/usr/bin/apt-get", "/usr/bin/aptitude", "/usr/bin/aptitude-curses", "/usr/bin/dpkg-deb", "/usr/bin/dpkg-divert",
		"/usr/bin/dpkg-statoverride", "/usr/bin/update-alternatives", "/usr/bin/apt-config", "/usr/bin/apt-extracttemplates",
		"/usr/lib/apt/methods/http", "/usr/lib/apt/methods/store", "/usr/lib/apt/methods/gpgv",
	}},
	group{RolePackageManager, Self, true, true, []string{"/usr/bin/unattended-upgrade", "/usr/bin/unattended-upgrades"}},

	group{RoleConfiguration, Tree, false, true, []string{"/opt/puppetlabs/puppet/bin/puppet", "/opt/cfengine/bin/cf-agent", "/var/cfengine/bin/cf-agent", "/usr/sbin/cf-agent"}},
	group{RoleConfiguration, Tree, true, true, []string{
		"/usr/bin/puppet", "/opt/puppetlabs/puppet/bin/puppet", "/opt/puppetlabs/bin/puppet", "/usr/bin/chef-client", "/opt/chef/bin/chef-client", "/opt/cinc/bin/cinc-client",
		"/usr/bin/salt-minion", "/usr/bin/salt-call", "/opt/saltstack/salt/salt-minion", "/opt/saltstack/salt/salt-call", "/usr/bin/cloud-init",
	}},

	group{RoleBackup, Self, false, false, []string{
		"/usr/bin/restic", "/usr/sbin/bacula-fd", "/usr/bin/bacula-fd", "/usr/sbin/bareos-fd", "/usr/sbin/veeamagent", "/usr/sbin/veeamservice", "/usr/sbin/urbackupclientbackend",
		"/usr/bin/rclone", "/usr/bin/kopia", "/usr/lib/amanda/sendbackup", "/opt/tivoli/tsm/client/ba/bin/dsmc", "/usr/openv/netbackup/bin/bpbkar",
	}},
	group{RoleBackup, Self, true, false, []string{"/usr/bin/borg", "/usr/bin/borgmatic", "/usr/bin/rsnapshot", "/usr/bin/duplicity", "/usr/share/backuppc/bin/BackupPC", "/usr/bin/rdiff-backup"}},

	group{RoleMonitoring, Self, false, false, []string{
		"/var/ossec/bin/wazuh-agentd", "/var/ossec/bin/wazuh-syscheckd", "/var/ossec/bin/wazuh-modulesd", "/var/ossec/bin/wazuh-logcollector", "/var/ossec/bin/wazuh-execd",
		"/usr/bin/osqueryd", "/opt/osquery/bin/osqueryd", "/usr/sbin/zabbix_agentd", "/usr/sbin/zabbix_agent2", "/usr/sbin/nrpe", "/usr/bin/telegraf",
		"/usr/bin/prometheus-node-exporter", "/usr/sbin/collectd", "/usr/sbin/netdata", "/usr/bin/netdata", "/opt/datadog-agent/bin/agent/agent", "/usr/bin/falco",
		"/usr/share/filebeat/bin/filebeat", "/usr/share/auditbeat/bin/auditbeat", "/usr/sbin/auditd", "/sbin/auditd", "/usr/bin/freshclam", "/usr/sbin/clamd", "/usr/bin/qualys-cloud-agent",
	}},
	group{RoleMonitoring, Self, true, false, []string{"/usr/bin/rkhunter", "/usr/sbin/lynis", "/usr/bin/lynis", "/usr/sbin/chkrootkit", "/usr/sbin/checksecurity", "/usr/bin/debsecan", "/usr/bin/check_mk_agent"}},

	group{RoleContainerRuntime, Children, false, true, []string{
		"/usr/bin/dockerd", "/usr/bin/containerd", "/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc", "/usr/sbin/runc", "/usr/bin/crun", "/usr/bin/podman", "/usr/bin/conmon", "/usr/libexec/podman/conmon",
		"/usr/bin/crio", "/usr/bin/buildah", "/usr/bin/buildkitd", "/usr/bin/docker-proxy", "/usr/libexec/docker/docker-proxy", "/usr/bin/kubelet", "/usr/bin/lxc-start", "/usr/lib/snapd/snap-confine",
	}},
	group{RoleServiceManager, Children, false, true, []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/lib/systemd/systemd-executor", "/sbin/init", "/usr/sbin/init", "/sbin/openrc-run", "/usr/bin/runit", "/usr/bin/s6-svscan"}},
	group{RoleScheduler, Children, false, true, []string{"/usr/sbin/cron", "/usr/sbin/crond", "/usr/sbin/atd", "/usr/sbin/anacron"}},
	group{RoleLogin, Children, false, true, []string{
		"/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/libexec/openssh/sshd-session", "/usr/lib/openssh/sshd-auth", "/usr/bin/login", "/bin/login", "/usr/bin/su", "/bin/su", "/usr/bin/sudo", "/usr/bin/pkexec", "/usr/sbin/gdm3",
	}},
	group{RoleLogRotation, Tree, false, true, []string{"/usr/sbin/logrotate", "/usr/bin/logrotate"}},
	group{RoleLogRotation, Tree, true, true, []string{"/usr/bin/savelog"}},
)

type group struct {
	role   string
	scope  Scope
	script bool
	root   bool
	paths  []string
}

func programs(groups ...group) []Program {
	var all []Program
	for _, g := range groups {
		for _, p := range g.paths {
			all = append(all, Program{Path: p, Role: g.role, Scope: g.scope, Script: g.script, Root: g.root})
		}
	}
	return all
}
