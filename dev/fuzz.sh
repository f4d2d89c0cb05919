#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the tree for TIME each; exit 1 when one found something, after all had their turn.
set -euo pipefail
time=${1:-30s}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0
while read -r file; do
	for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | awk '{print $2}'); do
		echo "== $target in $(dirname "$file")"
		go test -tags duckdb,duckdb_arrow -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")" 2>&1 | tee "$out" && continue
		# On a busy machine go test calls its own end a failure: no input was found then.
		if grep -q 'context deadline exceeded' "$out" && ! grep -q 'Failing input written' "$out"; then
			echo "fuzz: $target: nothing found; the time ran out while a worker was busy"
			continue
		fi
		failed=1
	done
done < <(grep -rlE '^func Fuzz' --include='*_test.go' internal cmd rules 2>/dev/null | sort)
exit $failed
