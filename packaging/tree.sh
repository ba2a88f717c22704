#!/usr/bin/env bash
# Lays out what is installed beside the binary, the same in every package: completions, manual pages,
# documents, examples, what Prometheus, Grafana and systemd read, and the scripts for DeployerPHP. All of it comes
# from this program itself or from this repository.
#
#   packaging/tree.sh BINARY SHARE      a binary that runs here; a folder such as /usr/share
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1 share=$2

mkdir -p "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,man/man1}
"$binary" completions bash >"$share/bash-completion/completions/supervisor-sync"
"$binary" completions zsh >"$share/zsh/site-functions/_supervisor-sync"
"$binary" completions fish >"$share/fish/vendor_completions.d/supervisor-sync.fish"
"$binary" man --out "$share/man/man1" >/dev/null

doc=$share/doc/supervisor-sync
mkdir -p "$doc/deployer-php"
cp -r README.md CHANGELOG.md docs examples "$doc/"
cp -r packaging/metrics packaging/pull "$doc/"
cp packaging/supervisor-sync.sh packaging/supervisor-restart.sh "$doc/deployer-php/"
find "$share" -type d -exec chmod 755 {} + -o -type f -exec chmod u=rwX,go=rX {} +
