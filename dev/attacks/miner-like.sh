#!/usr/bin/env bash
# Miner-like: a downloaded program with a pool's address on its command line burns one CPU for 2 s, a rival
# is ended, logs of a throw-away root are wiped and the shell's history is dropped.
# Needs: bash, perl (perl-base), curl, coreutils. No root. Runs in about 5 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl

mkdir -p "$root/far" "$root/var/log" "$root/home/mika"
cp "$(command -v bash)" "$root/far/tool"
for f in auth.log syslog wtmp; do echo "planted by a story" >"$root/var/log/$f"; done
echo "planted by a story" >"$root/home/mika/.bash_history"
far_side
sleep 30 &
rival=$!
helpers+=("$rival")

step cpus "the number of CPUs is looked up" nproc
step fetch "a program is downloaded" curl -s -m 5 -o "$shm/tool" "http://127.0.0.1:$web/tool"
step chmod "and made executable" chmod 755 "$shm/tool"
step rival "a rival is ended" /bin/kill "$rival"
say "it works for 2 s for a pool on loopback"
"$shm/tool" -c 'exec 3<>/dev/tcp/127.0.0.1/'"$shell"'; end=$((SECONDS+2)); while [ $SECONDS -lt $end ]; do :; done; exit 0' \
	-o "stratum+tcp://127.0.0.1:$shell" -u planted.wallet -p x --donate-level 1 &
miner=$!
note miner "$miner" "program with a pool's address"
pause 0.5
step truncate "a log of the throw-away root is emptied" truncate -s 0 "$root/var/log/auth.log"
step remove "others are removed" rm -f "$root/var/log/syslog" "$root/var/log/wtmp"
step history "the shell's history is dropped" ln -sf /dev/null "$root/home/mika/.bash_history"
wait "$miner"
