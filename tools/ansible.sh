#!/bin/sh
# Puts Ansible into target/, for the tests of the collection and for `make bench`. Only PyPI is needed.
#
#   tools/ansible.sh           target/ansible: with community.general, which is taken out of the `ansible` package
#   tools/ansible.sh 2.17      target/ansible-2.17: the newest ansible-core of that series, alone
#   tools/ansible.sh docs      target/ansible-docs: antsibull-docs, which checks a collection's documentation
#
# PYTHON names the interpreter; Debian 12's 3.11 runs all of them.
set -eu
cd "$(dirname "$0")/.."

core=2.19.14
package=12.3.0
python=${PYTHON:-/usr/bin/python3}
folder=$(pwd)/target/ansible${1:+-$1}
[ ! -e "$folder/complete" ] || exit 0

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # No command tells that it is there, so that this one is never found.
    tools/packages.sh ensurepip=python3-venv
fi
rm -rf "$folder"
"$python" -m venv "$folder"
pip="$folder/bin/python -m pip --quiet --disable-pip-version-check"
case ${1-} in
"") $pip install "ansible-core==$core" ;;
docs) $pip install "ansible-core==$core" antsibull-docs==2.28.0 ;;
*) $pip install "ansible-core==$1.*" ;;
esac
if [ "$#" -eq 0 ]; then
    $pip download --no-deps --dest "$folder/wheel" "ansible==$package"
    "$folder/bin/python" - "$folder" <<'EXTRACT'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next((folder / "wheel").iterdir()))
wanted = "ansible_collections/community/general/"
wheel.extractall(folder / "collections", [n for n in wheel.namelist() if n.startswith(wanted)])
EXTRACT
    rm -r "$folder/wheel"
fi
touch "$folder/complete"
