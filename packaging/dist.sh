#!/usr/bin/env bash
# Builds the binary that runs on every supported Debian and Ubuntu, into dist/.
#
# It is linked against glibc 2.17 (2012) with zig as the linker: a binary that is built on a new
# system otherwise asks for that system's glibc and does not start on an older one. A build for musl
# or with crt-static would start everywhere too, but could not ask LDAP or sssd for users.
#
#   packaging/dist.sh                   for this machine's CPU
#   packaging/dist.sh aarch64           for another one (its target must be installed: rustup target add)
set -euo pipefail
cd "$(dirname "$0")/.."

glibc=2.17
cpu=${1:-$(uname -m)}
target=$cpu-unknown-linux-gnu

command -v cargo-zigbuild >/dev/null || {
    echo "needs cargo-zigbuild: cargo install cargo-zigbuild --locked" >&2
    exit 1
}
command -v zig >/dev/null || python3 -m ziglang version >/dev/null 2>&1 || {
    echo "needs zig: pip install ziglang" >&2
    exit 1
}

cargo zigbuild --release --locked --bin supervisor-sync --target "$target.$glibc"
built=${CARGO_TARGET_DIR:-target}/$target/release/supervisor-sync

# What it asks of the system it runs on, newest first.
newest=$(grep -aoE 'GLIBC_2\.[0-9]+(\.[0-9]+)?' "$built" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
if [ "$(printf '%s\n' "$newest" "$glibc" | sort -V | tail -n 1)" != "$glibc" ]; then
    echo "$built asks for glibc $newest, more than $glibc" >&2
    exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
mkdir -p dist
name=supervisor-sync-$version-linux-$cpu
cp "$built" "dist/$name"
(cd dist && sha256sum "$name" | tee "$name.sha256")
ls -l "dist/$name"
