package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/say"
)

// TestReasonsReadAsJapanese takes reasons as sensors, the coverage table and the console's forms really write
// them: on a Japanese screen nothing of them stays English but names, paths and numbers.
func TestReasonsReadAsJapanese(t *testing.T) {
	names := regexp.MustCompile(`SIG[A-Z]+|"[^"]*"|/\S+|[0-9a-f]{16}|[0-9T:-]+Z|PID|pid|settings|handlers|ring_bulk|stranger|buckets|isolate_out|nftables|yagura_isolation|python3|ms|p-[a-z0-9]+|KiB|UTC|DNS|[0-9a-f]{32}|stream_max_bytes|seccomp|ptrace|lockdown|init|root|local:|\x60[^\x60]*\x60|new、triaging、closed、open|"[^"]*"`)
	latin := regexp.MustCompile(`[A-Za-z]{2,}`)
	for _, en := range []string{
		"no sign of life from the sensor",
		"a recording that was replayed: nothing is watched there",
		"the canary's process start did not come through",
		"the canary's file creation did not come through",
		"the canary's file removal did not come through",
		"the canary's connection did not come through",
		"file events held back, and counted: /usr/bin/rsync (pid 4711): the process makes more events than its budget allows; what is over it is counted, not sent",
		"held back, and counted: one process: it made too many",
		"execs are not seen: this kernel has no such hook; forks and exits are not seen: the kernel refused the program (not root, or lockdown)",
		"connections are not seen: its hook was taken away from the running sensor: find out who did it; it is attached again by itself, later each time",
		"the hook was detached on request",
		"somebody wrote into the sensor's map settings: records could come a second late; it was put right",
		"somebody changed the sensor's map handlers: some system calls were not looked at; it was put right",
		"somebody moved the reader's position of the sensor's map ring_bulk: records could be lost or held up; it was put right",
		"the kernel program stranger, which is not the sensor's, uses its map buckets: it can change what the sensor tells; find out who loaded it",
		"the isolation was broken: the program isolate_out was detached; it was put up again",
		"the isolation was broken: its pins were removed, so it would have ended with the sensor; it was put up again",
		"the isolation was broken: the table yagura_isolation of nftables was changed or removed; it was put up again",
		"the isolation holds again",
		"somebody changed the file that keeps the isolation over a restart of the sensor; it was put right",
		"python3 (pid 7) opened a packet socket on the isolated host: frames sent through one pass the isolation",
		"pid 12 is stopped (1 reached) after 6.7 ms",
		"pid 12 is running (1 reached) after 0.1 ms",
		"pid 12 is exited (3 reached) after 3.3 ms",
		"pid 12 is exited (3 reached) after 3.3 ms; pid 13 (/x) still lives: it is init, the kernel or the sensor itself, and protected; pid 14 (/y) still lives: there are too many: isolate the host; 3 more still live: see the proof",
		"not all of the tree was reached: pid 12 is running (3 reached) after 3.3 ms; pid 13 (/x) still lives: it waits in the kernel and ends when that answers; pid 14 (/z) still lives: the kernel refused the signal; pid 15 (/z) still lives: it took the signal and has not obeyed yet",
		"the sensor holds events of the kernel and cannot go on: find out what it waits for, or restart it",
		"a file system does not answer, programs on it have no hash: find the mount, bring its server back or unmount it with `umount -f`",
		"nothing was killed: process p-aadgbc7pzvsuaaaaabtaaaaabe is of another boot or another host: the process is gone",
		"the command ended at 2026-11-30T10:38:15Z, it is 2026-11-30T12:28:15Z here: sign it again; the clocks differ: the server says 2026-11-30T10:38:15Z, this host 2026-11-30T12:28:15Z, the latest that the server ever said here is 2026-11-30T12:28:14Z by now; set the clock that is wrong, of the server first, and give the order again",
		"the sensor was stopped: nobody knows who",
		"the sensor was stopped: SIGTERM from \"/usr/bin/bash\" (pid 4711, root)",
		"the sensor was stopped: the host shuts down: SIGTERM from \"/usr/lib/systemd/systemd\" (pid 1, root), asked by \"/usr/bin/systemctl\" (pid 12, root)",
		"the server that started it ended",
		"the sensor was stopped during a maintenance that was ordered",
		"the host was not heard since the server started",
		"numbered events did not come, and later ones did: stream 000000000000feed, lane 0, 3 to 999",
		"events were numbered and none of them comes: stream 000000000000feed, lane 0, from 3",
		"they were numbered and never came",
		"the sensor may be stopped until 2026-11-30T10:38:15Z",
		"spool over its budget",
		"the sensor was killed before they were written",
		"the password is shorter than 12 characters",
		"the password is too easy to guess",
		"the code does not fit the secret: check the clock of the phone and of this machine",
		"the name is empty",
		"too many wrong passwords: wait until 10:04:05 UTC, or run `yagura sign-in` on the server",
		"verdict \"false_positive\" is none of TP-malicious: say what it was",
		"closing an incident needs a reason: say how you know",
		"a note needs a text",
		"somebody closed it meanwhile as TP-malicious, and nothing was changed: read why, then decide again",
		"local:root took it meanwhile, and nothing was changed: ask, then decide again",
		"it was given back or opened again meanwhile, and nothing was changed: look at it, then decide again",
		"no session: sign in",
		"renew the operator list: open authority: read key: stat /media/usb/authority.key: no such file or directory",
		"release /web: open the operator key: read key: lstat /media/usb/authority.key: permission denied",
		"data directory /a/b is refused: others can write in /a and exchange what lies in it: run `chmod go-w /a`, or choose a folder elsewhere: it is not this user's alone",
		"two sensors speak at once in one boot, streams c9cdd883f6fcb3e6 and ac14edfc675eb383",
		"two boots are alive at once, streams c9cdd883f6fcb3e6 and ac14edfc675eb383",
		"a boot that had ended came back",
		"it signed off at 2026-11-30 10:38:15 UTC and went on",
		"write /var/lib/yagura-sensor/spool/1: no space left on device",
		"the sensor done command 052db51a1e28e7431422b7f19279ebb8, which this server never relayed to it: pid 12 is stopped (1 reached) after 6.7 ms",
		"the disk has 30679040 bytes free and 67108864 are kept in reserve: free space under /var/lib/yagura/log",
		"the file system has 12 inodes free and 1024 are kept in reserve: remove files on the file system of /var/lib/yagura/log",
		"it holds 4096 of 4096 bytes: raise stream_max_bytes, or see why it is not sealed",
		"no connection can be taken: too many open files",
		"512 connections are open, no more are taken",
		"20 connections that had not shown who they are were ended so far, the last from 192.0.2.7",
		"no filter of system calls (seccomp)",
		"3 records or batches",
		"the reason has 2001 characters, at most 2000 are kept",
	} {
		ja := say.Japanese(en)
		if left := latin.FindString(strings.ReplaceAll(names.ReplaceAllString(ja, ""), "TP-malicious", "")); left != "" {
			t.Errorf("%q reads %q in Japanese: %q is English", en, ja, left)
		}
	}
}
