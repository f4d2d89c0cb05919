//go:build linux

package main

import "regexp"

// refusedTests are never run, whoever asks: the rooms share the kernel of this machine.
var refusedTests = map[string]string{
	"T1014#1":     "loads a kernel module",
	"T1014#2":     "loads a kernel module",
	"T1014#4":     "loads a kernel module",
	"T1547.006#1": "loads a kernel module",
	"T1036.004#4": "mounts over /proc and burns a core until it is killed",
	"T1489#8":     "the magic key ends every process of the machine",
}

// refusedTexts stop a test that the list does not know yet: a new version of the data may bring one.
var refusedTexts = []struct {
	what *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`\b(insmod|modprobe|kexec)\b`), "loads into the kernel"},
	{regexp.MustCompile(`sysrq`), "the magic key acts on the machine"},
	{regexp.MustCompile(`:\s*\(\)\s*\{`), "forks without end"},
	{regexp.MustCompile(`of=/dev/(sd|vd|nvme|mapper|mem|disk)|>\s*/dev/(sd|vd|nvme)|\b(mkfs|wipefs|blkdiscard|fdisk|parted)\b`), "writes over a device"},
	{regexp.MustCompile(`\b(reboot|shutdown|poweroff|halt)\b`), "stops the machine"},
	{regexp.MustCompile(`\brm\s+-[a-z]*r[a-z]*\s+(--no-preserve-root\s+)?/(\s|$)`), "deletes everything"},
	{regexp.MustCompile(`\b(hwclock|timedatectl\s+set|date\s+-s)\b`), "sets the clock of the machine"},
}

// refused says why a test is not run; empty: it is.
func refused(t *test) string {
	if why := refusedTests[t.ID]; why != "" {
		return why
	}
	if t.Shell != "sh" && t.Shell != "bash" {
		return "is not for a shell: " + t.Shell
	}
	for _, r := range refusedTexts {
		if r.what.MatchString(t.Command) {
			return r.why
		}
	}
	return ""
}
