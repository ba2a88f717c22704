#!/usr/bin/env bash
# Builds the binary that runs on every supported Debian and Ubuntu, and prints where it is.
#
# It is linked against glibc 2.17 (2012) with zig as the linker: a binary that is built on a new
# system otherwise asks for that system's glibc and does not start on an older one. A build for musl
# or with crt-static would start everywhere too, but could not ask LDAP or sssd for users.
#
# The same commit gives the same bytes in any folder: no path of this machine gets in. The binary
# carries the list of the crates in it (cargo-auditable), which scanners for known holes read.
#
#   packaging/binary.sh x86_64          the machine, as `uname -m` has it
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/tools.sh

glibc=2.17
target=$1-unknown-linux-gnu

zig_tools 0.15.2 0.24.1 >&2
cargo_tool cargo-auditable 0.7.7 >&2
[ -d "$(rustc --print target-libdir --target "$target")" ] || rustup target add "$target" >&2

# A caller's own flags would make other bytes.
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/supervisor-sync"
cargo auditable zigbuild --release --locked --bin supervisor-sync --target "$target.$glibc" >&2
built=${CARGO_TARGET_DIR:-target}/$target/release/supervisor-sync

# What it asks of the system it runs on, newest first.
newest=$(grep -aoE 'GLIBC_2\.[0-9]+(\.[0-9]+)?' "$built" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
if [ "$(printf '%s\n' "$newest" "$glibc" | sort -V | tail -n 1)" != "$glibc" ]; then
    echo "$built asks for glibc $newest, more than $glibc" >&2
    exit 1
fi

# What docs/performance.md promises. Who has the profile changed tries how it is packed, not what is published.
most=$((8 * 1024 * 1024))
size=$(stat -c %s "$built")
if [ "$size" -gt "$most" ] && ! env | grep -q '^CARGO_PROFILE_RELEASE_'; then
    echo "$built has $size bytes, more than $most" >&2
    exit 1
fi
echo "$built"
