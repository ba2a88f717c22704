# A server whose programs somebody has set up by hand, with a password.
mkdir -p /srv/shop
cat >/etc/supervisor/conf.d/queue.conf <<'END'
[program:queue]
command=/bin/sleep 1000
directory=/srv/shop
user=www-data
environment=APP_ENV=production,DB_PASSWORD="correct horse"
END
supervisorctl update
