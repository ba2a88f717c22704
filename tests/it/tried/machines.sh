#!/bin/sh
# Throw-away machines: copies of this one, each with files, processes, a name and an address of its own, in a
# network that leads nowhere. This is the first process of its namespaces: when it ends, everything there does.
#
#   unshare -m -n -u -p -f --kill-child sh machines.sh FOLDER BINARY MACHINE...
#
# FOLDER/step, which every machine has as /step, holds what is to be done: given.sh on each machine, then run.sh
# on the first. Each has a supervisord as Debian's package sets it up. The first has the program installed and may
# log in everywhere as root, by MACHINE.example.com.
set -eu

folder=$1 binary=$2
shift 2

mount --make-rprivate /
mkdir "$folder/disk"
mount -t tmpfs tmpfs "$folder/disk"
ip link set lo up
step=$folder/step
ssh-keygen -q -t ed25519 -N '' -f "$step/key"

# Who is there, at which address, and how each knows the others.
number=9
echo '127.0.0.1 localhost' >"$step/hosts"
for machine in "$@"; do
    number=$((number + 1))
    address=203.0.113.$number
    ip address add "$address/32" dev lo
    echo "$address $machine.example.com $machine" >>"$step/hosts"
    echo "$address,$machine.example.com,$machine $(cut -d' ' -f1,2 "$step/key.pub")" >>"$step/known_hosts"
done

# Inside of a machine, as its first process.
cat >"$step/boot.sh" <<'END'
set -eu
mount -t proc proc /proc
hostname "$1"
# What this machine, or a package on it, has of its own where a page begins with nothing.
rm -rf /etc/supervisor/conf.d/* /etc/logrotate.d/supervisor-* /var/lib/supervisor-sync /var/log/supervisor/* \
    /usr/bin/supervisor-sync /usr/local/bin/supervisor-sync
mkdir -p -m 700 /root/.ssh
mkdir -p /run/sshd /tmp
chmod 1777 /tmp
cp /step/hosts /etc/hosts
cp /step/key /root/.ssh/id_ed25519
cp /step/key.pub /root/.ssh/authorized_keys
cp /step/known_hosts /root/.ssh/known_hosts
chmod 600 /root/.ssh/*
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
[ "$1" != "$3" ] || cp /program /usr/bin/supervisor-sync
supervisord -c /etc/supervisor/supervisord.conf
bash -eu /step/given.sh "$1" >/step/"$1".given 2>&1 || { cat /step/"$1".given >&2; exit 1; }
cp /step/key /run/host_key
exec /usr/sbin/sshd -D -e -f /dev/null -h /run/host_key -o "ListenAddress=$2" -o UsePAM=no -o PidFile=none \
    -o StrictModes=no -o PermitRootLogin=yes -o "Subsystem=sftp internal-sftp" 2>/step/"$1".sshd
END

while read -r address _ machine; do
    [ -n "$machine" ] || continue
    disk=$folder/disk/$machine
    mkdir -p "$disk/changes" "$disk/work" "$disk/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/changes,workdir=$disk/work" "$disk/root"
    mount --rbind /dev "$disk/root/dev"
    # Not emptied: there may be much in them.
    for empty in root home srv; do
        mount -t tmpfs -o mode=755 tmpfs "$disk/root/$empty"
    done
    # Whatever of it a page needs (Ansible is in its target/) is where it is here.
    mkdir -p "$disk/root$REPOSITORY"
    mount --bind "$REPOSITORY" "$disk/root$REPOSITORY"
    mkdir -p "$disk/root/step"
    mount --bind "$step" "$disk/root/step"
    touch "$disk/root/program"
    mount --bind "$binary" "$disk/root/program"
    unshare -u -p -f --kill-child env -i "PATH=$PATH" chroot "$disk/root" /bin/sh /step/boot.sh "$machine" "$address" "$1" &
done <"$step/hosts"

login() { # ADDRESS COMMAND...
    ssh -F none -i "$step/key" -o BatchMode=yes -o UserKnownHostsFile="$step/known_hosts" "root@$@"
}

while read -r address _ machine; do
    [ -n "$machine" ] || continue
    tries=1500
    until login "$address" true </dev/null 2>"$step/ssh"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { cat "$step/ssh" "$step/$machine".sshd >&2; exit 1; }
        sleep 0.1
    done
done <"$step/hosts"

login 203.0.113.10 'bash -l /step/run.sh' </dev/null
