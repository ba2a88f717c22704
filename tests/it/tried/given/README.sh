# A server whose programs somebody has set up by hand.
mkdir -p /srv/shop /srv/blog
cat >/etc/supervisor/conf.d/queue.conf <<'END'
[program:queue]
command=/bin/sleep 1000
directory=/srv/shop
user=www-data
numprocs=2
process_name=%(program_name)s_%(process_num)02d
stopwaitsecs=60
stdout_logfile=/var/log/supervisor/queue.log
redirect_stderr=true
END
cat >/etc/supervisor/conf.d/mail.conf <<'END'
[program:mail]
command=/bin/sleep 1001
directory=/srv/shop
user=www-data
END
supervisorctl update
