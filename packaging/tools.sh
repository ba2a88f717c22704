# shellcheck shell=bash
# What a release is built with, sourced by the scripts beside this one. Each tool has one version, since
# another one may build other bytes; it is installed for this user if it is missing.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/supervisor-sync-release

# cargo_tool NAME VERSION: unoptimised, since it runs once and building it takes half the time.
cargo_tool() {
    [ -x "$cache/$1-$2/bin/$1" ] || cargo install --quiet --locked --debug --root "$cache/$1-$2" --version "$2" "$1"
    PATH=$cache/$1-$2/bin:$PATH
}

# zig_tools ZIG ZIGBUILD: the linker that knows every glibc, and what has cargo use it; both from PyPI.
zig_tools() {
    local venv=$cache/zig-$1-$2
    if [ ! -e "$venv/complete" ]; then
        python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "ziglang==$1" "cargo-zigbuild==$2"
        touch "$venv/complete"
    fi
    PATH=$venv/bin:$PATH
}

export PATH
