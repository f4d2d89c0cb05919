#!/usr/bin/env bash
# Fileless: code that is piped into a shell, a program that is run from a file in memory, one that runs after
# its file is gone, and a process that takes control of its own child with ptrace and writes into it.
# Needs: bash, perl (perl-base), curl, coreutils; x86-64 or arm64. No root. Runs in about 4 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl

mkdir "$root/far"
printf 'printf "piped shell\\t%%s\\tcode piped into a shell\\n" $$ >>%s\nid\nuname -a\n' "$STEPS" >"$root/far/code"
cp "$(command -v sleep)" "$root/far/tool"
far_side

say "code is fetched and piped into a shell"
curl -s -m 5 "http://127.0.0.1:$web/code" | sh >/dev/null
say "a program is written into memory and run from there"
perl "$here/memory-file.pl" "$root/far/tool" 0.5 &
note memory "$!" "program run from a file in memory"
wait "$!"
step fetch "a program is downloaded" curl -s -m 5 -o "$shm/tool" "http://127.0.0.1:$web/tool"
chmod 755 "$shm/tool"
say "it runs, and its file is removed under it"
"$shm/tool" 0.8 &
gone=$!
note deleted "$gone" "program whose file is gone"
pause 0.2
rm -f "$shm/tool"
say "a process takes control of its own child"
perl "$here/take-over.pl" "$STEPS" &
note tracer "$!" "process that takes over its child"
wait "$!"
wait "$gone"
