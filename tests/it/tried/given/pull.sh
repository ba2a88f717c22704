# desk has a web server that serves what lies below /srv/deploy, and takes the statuses of hosts; web1 has the
# program, and trusts the server's certificate.
if [ "$1" = desk ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=desk.example.com \
        -addext subjectAltName=DNS:desk.example.com -keyout /root/tls.key -out /step/tls.crt 2>/dev/null
    mkdir -p /srv/deploy /var/lib/nginx /var/log/nginx
    cat >/root/nginx.conf <<'END'
user root;
pid /run/tried-nginx.pid;
events {}
http {
    server {
        listen 203.0.113.10:443 ssl;
        ssl_certificate /step/tls.crt;
        ssl_certificate_key /root/tls.key;
        root /srv/deploy;
        autoindex on;
        autoindex_format json;
        location ~ ^/shop/(status|failures)/ {
            dav_methods PUT;
            create_full_put_path on;
        }
    }
}
END
    nginx -c /root/nginx.conf
else
    cp /program /usr/bin/supervisor-sync
    tries=600
    until [ -s /step/tls.crt ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ]
        sleep 0.1
    done
    cat /step/tls.crt >>/etc/ssl/certs/ca-certificates.crt
fi
