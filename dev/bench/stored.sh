#!/usr/bin/env bash
# stored.sh DIR: events sealed so far below a running server's DIR, and bytes for each, as the manifest has it.
set -euo pipefail
python3 - "$1/control.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for level, n, rows, size in db.execute("SELECT level, count(*), sum(row_count), sum(bytes) FROM segment GROUP BY level ORDER BY level"):
    print(f"stored, {'merged ' + str(level) + ' times' if level else 'as sealed'}: {rows} events in {n} segments, {size / rows:.1f} bytes per event")
for group, rows, size in db.execute("SELECT group_name, sum(row_count), sum(bytes) FROM segment GROUP BY group_name"):
    print(f"  {group}: {rows} events, {size / rows:.1f} bytes per event")
PY
