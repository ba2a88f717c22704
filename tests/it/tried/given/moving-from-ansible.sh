# A server that a playbook has set up.
[ "$1" = web1 ] || exit 0
mkdir -p /srv/shop
for program in queue mail; do
    cat >/etc/supervisor/conf.d/$program.conf <<END
# Ansible managed
[program:$program]
command = /bin/sleep 1000
directory = /srv/shop
user = www-data
autostart = yes
autorestart = yes
environment = APP_ENV="production",DB_PASSWORD="correct horse"
stdout_logfile = /var/log/supervisor/$program.log
redirect_stderr = yes
END
done
supervisorctl update
