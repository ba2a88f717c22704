# A server that a panel has set up.
[ "$1" = web1 ] || exit 0
useradd --home-dir /home/forge --create-home forge
mkdir -p /home/forge/shop.example.com /home/forge/.forge
chown -R forge: /home/forge
cat >/etc/supervisor/conf.d/daemon-4711.conf <<'END'
[program:daemon-4711]
directory=/home/forge/shop.example.com/
command=sleep 1000

process_name=%(program_name)s_%(process_num)02d
autostart=true
autorestart=true
user=forge
numprocs=2
startsecs=1
redirect_stderr=true
stdout_logfile=/home/forge/.forge/daemon-4711.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
stopwaitsecs=5
stopsignal=SIGTERM
stopasgroup=true
killasgroup=true
END
supervisorctl update
