#!/bin/sh
# Puts Ansible with community.general into target/ansible, for `make bench`. Only PyPI is needed: the
# collection is taken out of the `ansible` package, of which nothing else is.
#
# PYTHON names the interpreter; Debian 12's 3.11 runs it.
set -eu
cd "$(dirname "$0")/.."

core=2.19.14
package=12.3.0
python=${PYTHON:-/usr/bin/python3}
folder=$(pwd)/target/ansible
[ ! -e "$folder/complete" ] || exit 0

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # No command tells that it is there, so that this one is never found.
    tools/packages.sh ensurepip=python3-venv
fi
rm -rf "$folder"
"$python" -m venv "$folder"
pip="$folder/bin/python -m pip --quiet --disable-pip-version-check"
$pip install "ansible-core==$core"
$pip download --no-deps --dest "$folder/wheel" "ansible==$package"
"$folder/bin/python" - "$folder" <<'EXTRACT'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next((folder / "wheel").iterdir()))
wanted = "ansible_collections/community/general/"
wheel.extractall(folder / "collections", [n for n in wheel.namelist() if n.startswith(wanted)])
EXTRACT
rm -r "$folder/wheel"
touch "$folder/complete"
