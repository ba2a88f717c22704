#!/bin/sh
# Installs what is missing of these Debian packages. Each argument is COMMAND=PACKAGE: the package is
# wanted if the command is not there, or the file, for a path. Asks apt for its lists once, and only if
# something is missing.
#
#   tools/packages.sh supervisord=supervisor logrotate=logrotate
set -eu

# sshd and logrotate are not on an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
for wanted in "$@"; do
    [ -e "${wanted%%=*}" ] || command -v "${wanted%%=*}" >/dev/null || missing="$missing ${wanted#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing:$missing" >&2
    echo "Install them: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
# Tests start what they need by themselves: no service of a package shall begin to run (or to listen)
# because somebody ran the tests. This is how Debian's packages are told.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get update -qq
# shellcheck disable=SC2086  # one word for each package
apt-get install -qq -y --no-install-recommends $missing >/dev/null
