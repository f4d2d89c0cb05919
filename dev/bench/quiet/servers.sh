#!/usr/bin/env bash
# servers.sh, inside of the throw-away root: backups, web, databases, cron, logrotate, ssh, git. Every step is ordinary.
ip link set lo up
step() { echo "== $* ($(date -u +%T))"; }
hostname work 2>/dev/null
grep -q work /etc/hosts || echo '127.0.0.1 localhost work' >>/etc/hosts
mkdir -p /run/sshd /srv/backup /srv/app /run/php

step backups
tar -czf /srv/backup/etc-$$.tar.gz /etc
tar -czf /srv/backup/home.tar.gz /root /home
rsync -a --delete /etc/ /srv/backup/etc/
rsync -a /var/www/ /srv/backup/www/
if command -v borg >/dev/null; then
	export BORG_PASSPHRASE=example BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	[ -d /srv/backup/borg ] || borg init -e repokey /srv/backup/borg
	borg create "/srv/backup/borg::etc-$(date +%s%N)" /etc /root /var/lib/dpkg
	borg list /srv/backup/borg
	borg prune --keep-last 3 /srv/backup/borg
fi
mkdir -p /srv/restore && tar -xzf /srv/backup/home.tar.gz -C /srv/restore
rsync -a /srv/backup/etc/cron.d/ /etc/cron.d/
openssl enc -aes-256-cbc -pbkdf2 -pass pass:example -in /srv/backup/home.tar.gz -out /srv/backup/home.tar.gz.enc
gpg --batch --yes --passphrase example --pinentry-mode loopback -c -o /srv/backup/home.tar.gz.gpg /srv/backup/home.tar.gz
find /srv/backup -name 'etc-*.tar.gz' -mmin +5 -delete

step web
cat >/var/www/html/index.php <<'PHP'
<?php
file_put_contents('/tmp/in.ppm', "P3\n2 2\n255\n255 0 0 0 255 0 0 0 255 255 255 0\n");
echo shell_exec("convert /tmp/in.ppm -resize 50% /tmp/out.png 2>&1");
echo shell_exec("which ffmpeg; which convert");
echo shell_exec("ps aux | wc -l");
exec("uname -a", $out); exec("identify /tmp/in.ppm", $out); echo implode("\n", $out);
file_put_contents('/var/www/html/cache/page.html', 'hello');
echo "ok\n";
PHP
mkdir -p /var/www/html/cache && chown -R www-data: /var/www/html/cache
php=$(ls /usr/sbin/php-fpm* | head -1)
cat >/etc/nginx/sites-enabled/default <<'NGINX'
server { listen 8080; root /var/www/html; index index.php;
 location ~ \.php$ { include fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:/run/php/app.sock; } }
NGINX
conf=$(ls -d /etc/php/*/fpm/pool.d | head -1)/www.conf
sed -i 's,^listen = .*,listen = /run/php/app.sock,' "$conf"
$php -D
nginx
for _ in $(seq 30); do curl -s http://127.0.0.1:8080/index.php >/dev/null; done
curl -s http://127.0.0.1:8080/index.php | tail -3
nginx -s reload
cat >/tmp/deploy.sh <<'SH'
#!/bin/sh
cd /srv/app && git pull -q 2>/dev/null
php -l /var/www/html/index.php
SH
sh /tmp/deploy.sh

step databases
pg_ctlcluster 15 main start
su postgres -c 'createdb app 2>/dev/null; psql -q app -c "create table if not exists t as select generate_series(1,20000) as n"; pg_dump app | gzip >/tmp/app.sql.gz; dropdb --if-exists copy; createdb copy; gunzip -c /tmp/app.sql.gz | psql -q copy; pg_dumpall --roles-only >/tmp/roles.sql'
mkdir -p /run/mysqld && chown mysql: /run/mysqld
mysqld_safe --skip-syslog >/dev/null 2>&1 &
for _ in $(seq 40); do mysqladmin ping >/dev/null 2>&1 && break; sleep 0.5; done
mysql -e 'create database if not exists app; create table if not exists app.t(n int); insert into app.t values (1),(2),(3)'
mysqldump --all-databases | gzip >/srv/backup/mysql.sql.gz
gunzip -c /srv/backup/mysql.sql.gz | mysql
mysqladmin shutdown
pg_ctlcluster 15 main stop -m fast

step cron and logrotate
printf '* * * * * root /usr/bin/find /tmp -name "*.old" -delete\n* * * * * root cd / && run-parts --report /etc/cron.hourly\n' >/etc/cron.d/housekeeping
cron
logrotate -f /etc/logrotate.conf
for f in dpkg logrotate man-db; do [ -x /etc/cron.daily/$f ] && /etc/cron.daily/$f; done
echo '17 * * * * /usr/bin/true' | crontab -
crontab -l

step ssh and configuration
[ -e ~/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
cat ~/.ssh/id_ed25519.pub >~/.ssh/authorized_keys
/usr/sbin/sshd -p 2222
ssh="ssh -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no root@127.0.0.1"
for _ in $(seq 8); do $ssh 'uname -r; df -h / | tail -1; uptime; systemctl is-active nginx 2>/dev/null; getent passwd root' >/dev/null; done
scp -q -P 2222 -o StrictHostKeyChecking=no /etc/hostname root@127.0.0.1:/tmp/hostname.copy
if command -v ansible >/dev/null; then
	printf 'work ansible_host=127.0.0.1 ansible_port=2222 ansible_user=root ansible_ssh_common_args="-o StrictHostKeyChecking=no" ansible_python_interpreter=/usr/bin/python3\n' >/tmp/inventory
	ansible -i /tmp/inventory work -m setup >/dev/null
	ansible -i /tmp/inventory work -m user -a 'name=deploy shell=/bin/bash'
	ansible -i /tmp/inventory work -m lineinfile -a 'path=/etc/motd line=managed create=yes'
	ansible -i /tmp/inventory work -m cron -a 'name=report minute=5 job=/usr/bin/true'
	ansible -i /tmp/inventory work -m apt -a 'name=zip state=present'
	ansible -i /tmp/inventory work -m copy -a 'content="[Service]\nRestart=always\n" dest=/etc/systemd/system/app.service'
	ansible -i /tmp/inventory work -m user -a 'name=deploy state=absent remove=yes'
fi

step folders that are called like tools
cd /srv || exit
for name in mimipenguin linpeas LaZagne chisel pspy linux-exploit-suggester; do
	rm -rf "/srv/git/$name.git" "/srv/$name" "/srv/$name.copy"
	git init -q --bare "/srv/git/$name.git"
	git clone -q "/srv/git/$name.git" "/srv/$name" 2>/dev/null
	(cd "/srv/$name" && echo "about $name" >README.md && git -c user.email=a@example.net -c user.name=a add . && git -c user.email=a@example.net -c user.name=a commit -qm first && git push -q)
	tar -czf "/srv/backup/$name.tar.gz" "/srv/$name"
	cp -r "/srv/$name" "/srv/$name.copy"
	df "/srv/$name" >/dev/null
	mkdir -p "/srv/$name/docs/authorized_keys"
	grep -r about "/srv/$name/README.md" >/dev/null
	ls -la "/srv/$name" >/dev/null
done
step build
mkdir -p /srv/build && cd /srv/build && printf 'int main(void){return 0;}\n' >a.c && printf 'all: a\na: a.c\n\tcc -O2 -o a a.c\n' >Makefile && make -s && ./a
sleep 5
step end
