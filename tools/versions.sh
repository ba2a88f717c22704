#!/bin/sh
# Runs the tests on releases of supervisord other than the system's own, each from PyPI in a folder of
# its own below target/.
#
#   tools/versions.sh [RELEASE...] [-- ARGUMENTS OF cargo test]
#
#   tools/versions.sh                                            everything, on every release
#   tools/versions.sh 4.0.4 -- --test it supervisord_contract    one suite on the oldest
#
# PYTHON names the interpreter; Debian 12's 3.11 runs all of them.
set -eu
cd "$(dirname "$0")/.."

releases=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    releases="$releases $1"
    shift
done
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- --test it
python=${PYTHON:-/usr/bin/python3}
cache=$(pwd)/target/supervisord

# Makes the folder of a release, whole or not at all.
install() {
    folder=$cache/$1
    [ ! -x "$folder/bin/supervisord" ] || return 0
    rm -rf "$folder"
    "$python" -m venv "$folder"
    # supervisord needs pkg_resources, which setuptools 82 no longer has.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        'setuptools<80' "supervisor==$1" || { rm -rf "$folder"; exit 1; }
    # 4.0 uses a function that Python 3.8 took away; nothing else in it minds a newer one.
    if ! "$folder/bin/python" -c 'from cgi import escape' 2>/dev/null; then
        site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        case $1 in
            4.0.*) echo 'import cgi, html; cgi.escape = html.escape' >"$site/cgi_escape.pth" ;;
        esac
    fi
    "$folder/bin/supervisord" --version >/dev/null || { rm -rf "$folder"; exit 1; }
}

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # No command tells that it is there, so that this one is never found.
    tools/packages.sh ensurepip=python3-venv
fi
failed=
for release in ${releases:-4.0.4 4.1.0 4.2.5 4.3.0}; do
    install "$release"
    echo "supervisord $("$cache/$release/bin/supervisord" --version)"
    SUPERVISORD=$cache/$release/bin/supervisord REQUIRE_E2E=1 ${CARGO:-cargo} test "$@" ||
        failed="$failed $release"
done
if [ -n "$failed" ]; then
    echo "Failed on:$failed" >&2
    exit 1
fi
