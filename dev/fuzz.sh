#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the tree for TIME each; exit 1 when one found something or hardly ran,
# after all had their turn.
set -euo pipefail
time=${1:-30s}
least=1000 # inputs that a target must have had: fewer is no search
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0
while read -r file; do
	for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | awk '{print $2}'); do
		echo "== $target in $(dirname "$file")"
		# Shrinking what is merely interesting would take a minute of its own for each seed, and all of TIME with it.
		if ! go test -tags duckdb,duckdb_arrow -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x "./$(dirname "$file")" 2>&1 | tee "$out"; then
			# On a busy machine go test calls its own end a failure: no input was found then.
			if ! grep -q 'context deadline exceeded' "$out" || grep -q 'Failing input written' "$out"; then
				failed=1
				continue
			fi
			echo "fuzz: $target: nothing found; the time ran out while a worker was busy"
		fi
		tried=$(grep -oE 'execs: [0-9]+' "$out" | tail -1 | grep -oE '[0-9]+' || echo 0)
		if ((tried < least)); then
			echo "fuzz: $target: only $tried inputs were tried; want $least at least: give it more time"
			failed=1
		fi
	done
done < <(grep -rlE '^func Fuzz' --include='*_test.go' internal cmd rules 2>/dev/null | sort)
exit $failed
