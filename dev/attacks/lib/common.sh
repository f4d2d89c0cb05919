# Shared by the stories: a throw-away root, a log of steps, cleaning up whatever happens. Sourced, not run.
# Nothing here leaves loopback or the throw-away root, and everything ends with the script.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(mktemp -d "${TMPDIR:-/tmp}/story.XXXXXXXX")
shm=$(mktemp -d /dev/shm/.s.XXXXXXXX)
export PERL_BADLANG=0 # a LANG that this system did not generate is no news: perl would say so in six lines, each time
export STEPS=$root/steps.tsv
: >"$STEPS"
began=$EPOCHREALTIME
helpers=()   # pids this script started and must end

finish() {
	status=$?
	trap - EXIT INT TERM
	for p in "${helpers[@]:-}"; do
		[ -n "$p" ] && kill "$p" 2>/dev/null || true
	done
	for p in "${helpers[@]:-}"; do
		[ -n "$p" ] && wait "$p" 2>/dev/null || true
	done
	if [ "$status" = 0 ]; then
		echo
		echo "steps (name, pid, what):"
		cat "$STEPS"
		if [ -n "${ATTACK_LOG:-}" ]; then cp "$STEPS" "$ATTACK_LOG"; fi
	else
		echo "the story did not run to its end (status $status); everything was cleaned up" >&2
	fi
	rm -rf "$root" "$shm" 2>/dev/null || { pause 0.3; rm -rf "$root" "$shm"; } || true
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

exec {never}<> <(:) # nothing is ever written there: reading it with a time limit waits without a process

# pause SECONDS: waits.
pause() { read -rt "$1" -u "$never" || true; }

# say WORDS: one line with the time since the start.
say() {
	local us=$((${EPOCHREALTIME/./} - ${began/./}))
	printf '%(%H:%M:%S)T  %3d.%02ds  %s\n' -1 $((us / 1000000)) $((us / 10000 % 100)) "$*"
}

# note NAME PID WHAT: a step and the process that did it.
note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$STEPS"; }

# step NAME WHAT COMMAND...: runs a command as a process of its own, waits for it and notes its pid.
step() {
	name=$1 what=$2
	shift 2
	say "$what"
	"$@" &
	pid=$!
	note "$name" "$pid" "$what"
	wait "$pid" || true
}

need() {
	for w in "$@"; do
		command -v "$w" >/dev/null 2>&1 || {
			echo "$(basename "$0") needs $w: see dev/attacks/README.md for the Debian package" >&2
			exit 2
		}
	done
}

# until_file FILE TENTHS: waits for a file that is not empty.
until_file() {
	local n
	for ((n = 0; n < $2; n++)); do
		[ -s "$1" ] && return 0
		pause 0.1
	done
	echo "$1 did not appear" >&2
	return 1
}

# far_side FILE...: a small server on loopback that stands for the attacker's. It serves the files by name,
# takes posted data, and sends a fixed list of harmless commands to whoever connects to its second port.
# It ends by itself after 90 s. Sets web and shell to its ports.
far_side() {
	perl "$here/far-side.pl" "$root/far.ports" "$root/far" &
	helpers+=("$!")
	until_file "$root/far.ports" 50
	read -r web shell <"$root/far.ports"
}
