# people.sh, run inside the root: who lives there, and what they left lying about. All of it is invented.
for who in alice bob; do userdel -rf $who 2>/dev/null || true; done
(cd ~root && rm -rf .ssh .mozilla .config .gnupg)
useradd -m -s /bin/bash alice
useradd -m -s /bin/bash bob
printf 'alice:correct horse\nbob:battery staple\n' | chpasswd -c SHA512
usermod -aG sudo alice
printf 'alice ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/alice
chmod 440 /etc/sudoers.d/alice
ssh-keygen -A
for who in root alice bob; do
	home=$(getent passwd "$who" | cut -d: -f6)
	mkdir -p "$home/.ssh" "$home/.aws" "$home/.config/gcloud" "$home/.kube" "$home/.docker" "$home/.gnupg" \
		"$home/.mozilla/firefox/ab12.default-release" "$home/.config/google-chrome/Default" "$home/.config/chromium/Default" "$home/Documents"
	ssh-keygen -q -t rsa -b 2048 -N '' -C "$who@work" -f "$home/.ssh/id_rsa"
	ssh-keygen -q -t ed25519 -N '' -C "$who@work" -f "$home/.ssh/id_ed25519"
	cat "$home/.ssh/id_rsa.pub" >"$home/.ssh/authorized_keys"
	printf 'Host *\n\tStrictHostKeyChecking accept-new\n' >"$home/.ssh/config"
	printf '[default]\naws_access_key_id = AKIAEXAMPLEEXAMPLE00\naws_secret_access_key = example/example/example/example/example00\n' >"$home/.aws/credentials"
	printf '{"client_id":"example","refresh_token":"example","type":"authorized_user"}\n' >"$home/.config/gcloud/application_default_credentials.json"
	printf 'apiVersion: v1\nusers:\n- name: admin\n  user: {token: example}\n' >"$home/.kube/config"
	printf '{"auths":{"registry.example.net":{"auth":"ZXhhbXBsZTpleGFtcGxl"}}}\n' >"$home/.docker/config.json"
	printf 'machine git.example.net login %s password example\n' "$who" >"$home/.netrc"
	printf 'db.example.net:5432:app:%s:example\n' "$who" >"$home/.pgpass"
	for f in .mozilla/firefox/ab12.default-release/cookies.sqlite .config/google-chrome/Default/Cookies .config/chromium/Default/Cookies; do
		sqlite3 "$home/$f" 'create table cookies(host text, name text, value text); insert into cookies values ("example.net","sid","example")'
	done
	for f in .mozilla/firefox/ab12.default-release/places.sqlite .config/google-chrome/Default/History; do
		sqlite3 "$home/$f" 'create table urls(url text); insert into urls values ("https://example.net/")'
	done
	sqlite3 "$home/.config/google-chrome/Default/Login Data" 'create table logins(origin text, password blob)'
	cp "$home/.config/google-chrome/Default/Login Data" "$home/.config/chromium/Default/Login Data"
	printf '{"logins":[]}\n' >"$home/.mozilla/firefox/ab12.default-release/logins.json"
	printf '{"roots":{"bookmark_bar":{"children":[]}}}\n' >"$home/.config/google-chrome/Default/Bookmarks"
	printf 'ls -la\ncd /srv/app\ngit pull\nssh -p 2222 bob@db.example.net\nmysql -u app -pexample app\nexport API_PASSWORD=example\nsudo systemctl restart app\nexit\n' >"$home/.bash_history"
	cp "$home/.bash_history" "$home/.zsh_history"
	for n in 1 2 3 4 5; do head -c 20000 /dev/urandom | base64 >"$home/Documents/report-$n.txt"; done
	printf 'password: example\n' >"$home/Documents/notes.txt"
	chmod 700 "$home/.ssh" "$home/.gnupg"
	chmod 600 "$home/.netrc" "$home/.pgpass" "$home/.bash_history"
	chown -R "$who:" "$home"
done
mkdir -p /var/mail /srv/app /var/www/html /opt/app
printf 'From bob@example.net Mon Nov  2 10:00:00 2026\nSubject: hello\n\nhello\n' >/var/mail/alice
cp /var/mail/alice /var/mail/root
chown alice:mail /var/mail/alice
printf 'DB_PASSWORD=example\nSECRET_KEY=example\n' >/srv/app/.env
printf '<?php $db_password = "example"; echo "hello";\n' >/var/www/html/config.php
for f in syslog auth.log messages secure wtmp; do printf 'Nov  2 10:00:00 work cron[1]: a line\n' >>"/var/log/$f"; done
printf 'work\n' >/etc/hostname
printf '127.0.0.1 localhost work\n' >/etc/hosts
