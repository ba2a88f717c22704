#!/bin/sh
# Shows what supervisor-sync does, on a real supervisord of its own: in a temporary folder, as the
# current user, with the inventory beside this file. Touches nothing else and cleans up after itself,
# also on Ctrl-C. Every step checks its exit status; the demo fails if one is not as it says.
#
#   examples/demo.sh [PATH OF supervisor-sync]     # usually: make demo
set -eu

examples=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$examples/../target/debug/supervisor-sync}
[ -x "$binary" ] || { echo "demo: no program at $binary: build it first (make demo does)" >&2; exit 1; }
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
for needed in supervisord supervisorctl; do
    command -v "$needed" >/dev/null || { echo "demo: $needed is missing: apt install supervisor" >&2; exit 1; }
done

# ---- a place of its own, and how it goes away ---------------------------------------------------

# In /tmp, whatever TMPDIR is: the path of a socket has room for 107 bytes.
root=$(mktemp -d /tmp/sync-demo.XXXXXX)
daemon=

clean_up() {
    status=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "$daemon" ]; then
        kill -TERM "$daemon" 2>/dev/null || true        # supervisord stops its programs, then itself
        wait "$daemon" 2>/dev/null || true
    fi
    left=$(still_there)
    if [ -n "$left" ]; then
        echo "demo: processes are left, ending them: $left" >&2
        # shellcheck disable=SC2086  # one word for each process
        kill -KILL $left 2>/dev/null || true
        status=1
    fi
    cd / && rm -rf "$root"
    case $status in
        0) heading "Done. Every step ended as it should; nothing is left running" ;;
        130 | 143) echo "demo: interrupted and cleaned up" >&2 ;;
        *) echo "demo: FAILED (exit status $status)" >&2 ;;
    esac
    exit "$status"
}

# Every program of the demo runs in a release below $root, and nothing else does.
still_there() {
    for process in /proc/[0-9]*; do
        case $(readlink "$process/cwd" 2>/dev/null) in
            "$root"/*) printf '%s ' "${process#/proc/}" ;;
        esac
    done
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- telling and checking -----------------------------------------------------------------------

bold= plain=
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
step=0

heading() { printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"; }
next() { step=$((step + 1)); heading "$step. $*"; }
fail() { echo "demo: $*" >&2; exit 1; }

# expect STATUS COMMAND...: shows the command, runs it, and fails unless it exits with STATUS.
expect() {
    wanted=$1
    shift
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    got=0
    "$@" 2>&1 || got=$?
    printf '[exit status %s]\n\n' "$got"
    [ "$got" -ne 130 ] || exit 130
    [ "$got" -eq "$wanted" ] || fail "expected exit status $wanted of: $*"
}

# What supervisord has: one line a process, name, state and pid. Uptimes would differ.
running() { supervisorctl -c "$root/supervisord.conf" status | sed 's/, uptime.*//'; }

# remember, same: whether every process is as it was, down to its pid.
remember() { running >"$root/before"; }
same() {
    running >"$root/after"
    diff "$root/before" "$root/after" || fail "the processes are not as they were"
    echo "supervisorctl before = after: every process as it was, with the same pid."
}

# show: the same for the reader.
show() {
    printf '%s$ supervisorctl status%s\n' "$bold" "$plain"
    running
    echo
}

# wait_for NAME: until it runs; supervisord takes startsecs to say so.
wait_for() {
    tries=100
    until running | grep -q "^$1 *RUNNING"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "$1 does not run"
        sleep 0.1
    done
}

number_of() { running | grep -c "^$1.*RUNNING" || true; }

# ---- a host: supervisord, two deployed sites, and the inventory -----------------------------------

me=$(id -un)
mkdir -p "$root/conf.d" "$root/logrotate.d" "$root/log" "$root/bin"
cat >"$root/supervisord.conf" <<END
[supervisord]
logfile=$root/supervisord.log
pidfile=$root/supervisord.pid
childlogdir=$root/log
user=$me
[unix_http_server]
file=$root/s.sock
[supervisorctl]
serverurl=unix://$root/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=$root/conf.d/*.conf
END

# Stands in for PHP: says what it was asked to do and goes on until it is told to stop.
cat >"$root/bin/php" <<'END'
#!/bin/sh
echo "working: $*"
exec sleep 86400
END
chmod 755 "$root/bin/php"

for site in shop.example.com blog.example.com; do
    mkdir -p "$root/sites/$site/releases/1" "$root/sites/$site/shared"
    cp -R "$examples/$site/.deployer" "$root/sites/$site/releases/1/"
    ln -s releases/1 "$root/sites/$site/current"
done

# The inventory as it is, but for this machine, this user and these folders.
{
    cat <<END
user: $me
paths:
  sites: $root/sites
  conf_dir: $root/conf.d
  logrotate_dir: $root/logrotate.d
  log_dir: $root/log
  supervisord: $root/supervisord.conf
  state_dir: $root/state
END
    sed -e 's/^    host: .*/    host: localhost\n    connection: local\n    privilege: none/' \
        "$examples/deployer.yml"
} >"$root/deployer.yml"

cd "$root"
ln -s "$binary" "$root/bin/supervisor-sync"
PATH=$root/bin:$PATH
unset SUPERVISOR_SYNC_INVENTORY DEPLOYER_OUTPUT_FILE 2>/dev/null || true
export PATH

supervisord -n -c "$root/supervisord.conf" >"$root/output" 2>&1 &
daemon=$!
tries=100
until supervisorctl -c "$root/supervisord.conf" pid >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] && kill -0 "$daemon" 2>/dev/null || { cat "$root/output" >&2; fail "supervisord did not start"; }
    sleep 0.1
done

# ---- the steps ------------------------------------------------------------------------------------

heading "A real supervisord $(supervisord --version) runs in $root, with no program yet"

next "The inventory is checked; no host is touched"
expect 0 supervisor-sync check

next "Each site gets its runner.sh, which runs one script of the live release"
expect 0 supervisor-sync runner --php "$root/bin/php"

next "A plan: what an apply would do to the blog (exit status 3: there is something to do)"
expect 3 supervisor-sync plan --site blog.example.com --exit-code

next "An apply of both sites: files, reread, update, and then each program is watched"
expect 0 supervisor-sync apply --yes
show
[ "$(number_of '')" -eq 6 ] || fail "six processes should run"

next "The same again: nothing to do, nothing touched"
remember
expect 0 supervisor-sync apply --yes
same

next "Scale up: two queue workers become four. The two that run keep running"
sed -i 's/numprocs: 2/numprocs: 4/' deployer.yml
expect 0 supervisor-sync apply --yes --site shop.example.com
show
[ "$(number_of 'shop.example.com-queue-default')" -eq 4 ] || fail "four workers should run"
while read -r process _ state; do
    running | grep -q "^$process .*$state\$" || fail "$process was restarted"
done <"$root/before"
echo "Every process of before runs on with the pid it had."

next "A change that cannot work: its script does not exist. Refused, nothing changed"
remember
cp deployer.yml good.yml
sed -i 's/script: scheduler.sh/script: schedular.sh/' deployer.yml
expect 1 supervisor-sync apply --yes --site shop.example.com
same

next "A change that starts and then fails: rolled back, with the end of its log"
cp good.yml deployer.yml
cat >"$root/sites/blog.example.com/current/.deployer/supervisors/broken.sh" <<'END'
#!/bin/sh
echo "RuntimeException: no connection to redis at 127.0.0.1:6379"
exit 1
END
sed -i 's/script: queue-worker.sh/script: broken.sh\n        startretries: 1/' deployer.yml
running | grep -v ^blog >"$root/others"
cksum conf.d/* logrotate.d/* >"$root/files"
expect 4 supervisor-sync apply --yes --site blog.example.com
wait_for blog.example.com-queue-worker
show
running | grep -v ^blog | diff "$root/others" - || fail "a program of another site was touched"
cksum conf.d/* logrotate.d/* | diff "$root/files" - || fail "the files are not as they were"
echo "The files are as they were, the blog's worker runs as before, no other process was touched."

next "What was applied so far, and back to the first revision of the shop"
cp good.yml deployer.yml
expect 0 supervisor-sync history
expect 0 supervisor-sync rollback --yes --site shop.example.com
show
[ "$(number_of 'shop.example.com-queue-default')" -eq 2 ] || fail "two workers should run"

next "Input that means harm: refused with its line, before anything is read or written"
remember
cat >hostile.yml <<END
servers:
  - {name: web1, host: localhost, connection: local, privilege: none}
sites:
  - domain: shop.example.com
    server: web1
    supervisors:
      - program: "x]\n[program:evil"
        script: queue-default.sh
      - program: escape
        script: ../../../etc/cron.d/evil.sh
      - program: queue-mail
        script: queue-mail.sh
        numproc: "4"
END
expect 1 supervisor-sync apply --yes --inventory hostile.yml
same

next "The same through the playbook's contract, with JSON that wiped a site's files before"
expect 1 env DEPLOYER_OUTPUT_FILE="$root/result.yml" DEPLOYER_DISTRO=debian DEPLOYER_PERMS=none \
    DEPLOYER_SITE_DOMAIN=shop.example.com DEPLOYER_SUPERVISORS='{"a":1}' \
    supervisor-sync playbook sync
[ ! -e "$root/result.yml" ] || fail "a result was written"
same
