#!/bin/sh
# Installs what is missing of these Debian packages. Each argument is COMMAND=PACKAGE: the package is
# wanted if the command is not there. Asks apt for its lists once, and only if something is missing.
#
#   tools/packages.sh supervisord=supervisor logrotate=logrotate
set -eu

# sshd and logrotate are not on an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
for wanted in "$@"; do
    command -v "${wanted%%=*}" >/dev/null || missing="$missing ${wanted#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing:$missing" >&2
    echo "Install them: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # one word for each package
apt-get install -qq -y --no-install-recommends $missing
