#!/bin/sh
# What Ansible's own tools say of the collection, as it is installed from its tarball: ansible-test sanity, and
# antsibull-docs of its documentation. Both must find nothing. Needs tools/ansible.sh, also for `docs`.
set -eu
cd "$(dirname "$0")/.."

target=$(pwd)/target
# Not below target/, which git passes over and so does ansible-test.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
core=$folder/ansible_collections/supervisor_sync/core
# A home of its own: what is there is not touched. The environments that ansible-test makes stay for the next time.
export HOME="$target/ansible-checks" LC_ALL=C.UTF-8
mkdir -p "$HOME/.ansible/test/cache"
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH

PATH=$target/ansible/bin:$PATH
ansible-galaxy collection build ansible --output-path "$folder"
ansible-galaxy collection install "$folder"/*.tar.gz --offline --force -p "$folder"

# ansible-test takes its own pip from a server of its own; Python has one.
for version in 20_3_4 24_2 25_2; do
    cat >"$HOME/.ansible/test/cache/get_pip_$version.py" <<'END'
import ensurepip, sys
ensurepip.bootstrap(upgrade=True)
END
done
echo "=== ansible-test sanity"
(cd "$core" && ansible-test sanity --venv --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no)

echo "=== antsibull-docs"
(cd "$core" && PATH=$target/ansible-docs/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$folder \
    antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .)
