# A repository on the desk, and the server as it was copied there.
mkdir -p /srv/shop /root/supervisor
cd /root/supervisor
cat >queue.conf <<'END'
[program:queue]
command=/bin/sleep 1000
process_name=%(program_name)s_%(process_num)02d
numprocs=2
directory=/srv/shop
user=www-data
END
cat >mail.conf <<'END'
; sends mail
[program:mail]
command=/bin/sleep 1001
directory=/srv/shop
user=www-data
END
if [ "$1" = web1 ]; then
    mv /root/supervisor/*.conf /etc/supervisor/conf.d/
    supervisorctl update
fi
