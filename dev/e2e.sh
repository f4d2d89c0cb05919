#!/usr/bin/env bash
# End to end on this machine's kernel: `yagura up`, the attack stories in the CLI and in Chromium, kills,
# bad input. The tests are Go (cmd/yagura/*_test.go); the browser part is web/e2e.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "e2e: the stories need root for the sensor: they will skip; run 'sudo make e2e' for all of it"
fi
bash dev/web.sh deps
said=$(mktemp)
trap 'rm -f "$said"' EXIT
code=0
go test -tags duckdb,duckdb_arrow -count=1 -timeout 40m -v -run 'Test' ./cmd/yagura 2>&1 | grep -vE '^(=== (RUN|PAUSE|CONT)|\s+.*: (DEBUG|INFO))' | tee "$said" || code=${PIPESTATUS[0]}
if [ "$code" != 0 ]; then # the sentence that counts stands far above, over the logs of the programs
	printf '\nwhat the tests said:\n'
	grep -E '^\s*(\w+_test\.go:[0-9]+: |--- FAIL|panic: )' "$said" | cut -c1-500 | tail -40
fi
exit "$code"
