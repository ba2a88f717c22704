#!/usr/bin/env bash
# Makes everything that a release is made of, in dist/, which any web server can serve as it is: tarballs,
# Debian packages, an apt repository, a script that installs, sums and their signature, and what is in it (SBOM).
#
#   CPUS=x86_64              only these, as `uname -m` has them (default: x86_64 aarch64)
#   RELEASE_SSH_KEY=FILE     signs the sums, which install.sh checks; a .pub file if an agent has the key
#   RELEASE_GPG_KEY=ID       signs the apt repository
#
# Without keys it makes a pair for this user, once, which is good for a trial and for a team of one.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/tools.sh

read -ra cpus <<<"${CPUS:-x86_64 aarch64}"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Whatever is packed gets the time of the commit, so that the same commit gives the same bytes.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

keys=$cache/keys
mkdir -p "$keys"
chmod 700 "$keys"
if [ -z "${RELEASE_SSH_KEY:-}" ]; then
    RELEASE_SSH_KEY=$keys/release
    [ -e "$RELEASE_SSH_KEY" ] || ssh-keygen -q -t ed25519 -N '' -C supervisor-sync -f "$RELEASE_SSH_KEY"
fi
if [ -z "${RELEASE_GPG_KEY:-}" ]; then
    export GNUPGHOME=$keys/gpg
    RELEASE_GPG_KEY=supervisor-sync
    if [ ! -d "$GNUPGHOME" ]; then
        mkdir -m 700 "$GNUPGHOME"
        gpg --batch --quiet --passphrase '' --quick-generate-key "$RELEASE_GPG_KEY" ed25519 sign never
    fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dist=$PWD/dist
mkdir -p "$dist/apt"
find "$dist" -mindepth 1 -maxdepth 1 ! -name apt -exec rm -r {} +

declare -A debian=([x86_64]=amd64 [aarch64]=arm64) built=()
for cpu in "${cpus[@]}"; do
    built[$cpu]=$(packaging/binary.sh "$cpu")
    install -D -m 755 "${built[$cpu]}" "$work/binaries/supervisor-sync-linux-$cpu"
done
# Completions and manual pages are printed by a binary that runs here.
packaging/tree.sh "$PWD/${built[$(uname -m)]}" "$work/share"

for cpu in "${cpus[@]}"; do
    name=supervisor-sync-$version-linux-$cpu
    mkdir "$work/$name"
    install -m 755 "$work/binaries/supervisor-sync-linux-$cpu" "$work/$name/supervisor-sync"
    install -m 644 LICENSE-MIT LICENSE-APACHE "$work/$name/"
    cp -r "$work/share" "$work/$name/"
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$work" -c "$name" |
        gzip -9n >"$dist/$name.tar.gz"
    packaging/deb.sh "$version" "${debian[$cpu]}" "$work/$name/supervisor-sync" "$work/share" "$dist"
done
packaging/deb.sh "$version" all "$work/binaries" "$dist"
packaging/apt.sh "$dist/apt" "$RELEASE_GPG_KEY" "$dist"/*.deb

cargo_tool cargo-cyclonedx 0.5.9
cargo cyclonedx --quiet --format json --spec-version 1.5 --target x86_64-unknown-linux-gnu --override-filename sbom
# The folder of this checkout is nobody's business.
sed "s|file://$PWD#|file:///supervisor-sync#|" sbom.json >"$dist/supervisor-sync-$version.cdx.json"
rm sbom.json

# install.sh trusts this key and no other.
public=$(ssh-keygen -y -f "$RELEASE_SSH_KEY" 2>/dev/null || cat "$RELEASE_SSH_KEY")
sed "s|@KEY@|$(cut -d' ' -f1,2 <<<"$public")|" packaging/install.sh >"$dist/install.sh"
(cd "$dist" && find . -maxdepth 1 -type f -printf '%P\n' | sort | xargs sha256sum >"$work/SHA256SUMS")
mv "$work/SHA256SUMS" "$dist/"
ssh-keygen -q -Y sign -n supervisor-sync-release -f "$RELEASE_SSH_KEY" "$dist/SHA256SUMS"
ls -l "$dist"
