# A site that DeployerPHP has deployed and its script has synced.
useradd --home-dir /home/deployer --create-home deployer
site=/home/deployer/sites/example.com
mkdir -p $site/releases/1/.deployer/supervisors $site/shared /var/log/supervisor
ln -s releases/1 $site/current
cat >$site/runner.sh <<'END'
#!/bin/sh
cd "$(dirname "$0")/current"
exec "./$1"
END
for program in queue mail; do
    printf '#!/bin/sh\nexec sleep 1000\n' >$site/current/.deployer/supervisors/$program.sh
    chmod 755 $site/runner.sh $site/current/.deployer/supervisors/$program.sh
    cat >/etc/supervisor/conf.d/example.com-$program.conf <<END
[program:example.com-$program]
command=$site/runner.sh .deployer/supervisors/$program.sh
directory=$site/current
user=deployer
autostart=true
autorestart=true
stopwaitsecs=3600
numprocs=1
stdout_logfile=/var/log/supervisor/example.com-$program.log
stderr_logfile=/var/log/supervisor/example.com-$program.log
END
    cat >/etc/logrotate.d/supervisor-example.com-$program.conf <<END
/var/log/supervisor/example.com-$program.log {
    daily
    rotate 5
    maxage 30
    missingok
    notifempty
    compress
    delaycompress
    copytruncate
}
END
done
chown -R deployer: /home/deployer
supervisorctl update
cat >/root/deployer.yml <<'END'
servers:
  - {name: web1, host: localhost, connection: local}
sites:
  - domain: example.com
    server: web1
    repo: git@github.com:example/shop.git
    phpVersion: "8.4"
    supervisors:
      - {program: queue, script: queue.sh}
      - {program: mail, script: mail.sh}
END
