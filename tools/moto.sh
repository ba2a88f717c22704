#!/bin/sh
# Puts moto into target/moto, for `make test`: a server that speaks S3 and checks signatures and policies.
# Only PyPI is needed.
#
# PYTHON names the interpreter; Debian 12's 3.11 runs it.
set -eu
cd "$(dirname "$0")/.."

version=5.2.1
python=${PYTHON:-/usr/bin/python3}
folder=$(pwd)/target/moto
[ ! -e "$folder/complete" ] || exit 0

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # No command tells that it is there, so that this one is never found.
    tools/packages.sh ensurepip=python3-venv
fi
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip --quiet --disable-pip-version-check install "moto[server]==$version"
touch "$folder/complete"
