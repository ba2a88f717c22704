#!/usr/bin/env bash
# A site's programs as a shell script syncs them whose inventory is JSON: a jq for each field, tee for each
# file, orphans by the beginning of their name, then supervisorctl. DeployerPHP's supervisor-sync.sh works
# so. SITE and PROGRAMS say what is wanted, the rest where.
set -o pipefail

field() { jq -r ".[$1].$2" <<<"$PROGRAMS"; }

jq empty <<<"$PROGRAMS" || exit 1
count=$(jq length <<<"$PROGRAMS")
names=()
for ((i = 0; i < count; i++)); do
    names+=("$SITE-$(field "$i" program)")
done

for ((i = 0; i < count; i++)); do
    name=$SITE-$(field "$i" program)
    tee "$CONF_DIR/$name.conf" >/dev/null <<EOF || exit 1
[program:$name]
command=$SITES_DIR/$SITE/runner.sh .deployer/supervisors/$(field "$i" script)
directory=$SITES_DIR/$SITE/current
user=$RUN_AS
autostart=$(field "$i" autostart)
autorestart=$(field "$i" autorestart)
stopwaitsecs=$(field "$i" stopwaitsecs)
numprocs=$(field "$i" numprocs)
stdout_logfile=$LOG_DIR/$name.log
stderr_logfile=$LOG_DIR/$name.log
EOF
done

for name in "${names[@]}"; do
    tee "$LOGROTATE_DIR/supervisor-$name.conf" >/dev/null <<EOF || exit 1
$LOG_DIR/$name.log {
    daily
    rotate 5
    maxage 30
    missingok
    notifempty
    compress
    delaycompress
    copytruncate
}
EOF
done

remove_orphans() {
    find "$1" -maxdepth 1 -type f -name "$2$SITE-*.conf" | while IFS= read -r path; do
        stem=$(basename "$path" .conf)
        for name in "${names[@]}"; do
            [ "${stem#"$2"}" != "$name" ] || continue 2
        done
        rm -f "$path"
    done
}
remove_orphans "$CONF_DIR" ""
remove_orphans "$LOGROTATE_DIR" supervisor-

# shellcheck disable=SC2086  # a command and its arguments
$SUPERVISORCTL reread && $SUPERVISORCTL update
