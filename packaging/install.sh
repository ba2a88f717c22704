#!/bin/sh
# Installs supervisor-sync on Linux, for this user or, as root, for everybody. Nothing is written before the
# signature of the release and the digest of what was loaded have been checked.
#
#   sh install.sh                           to ~/.local, as root to /usr/local
#   sh install.sh --prefix /opt/tools       elsewhere
#   sh install.sh --from https://HOST/PATH  a release that is served elsewhere, or file:///FOLDER
set -eu

from=https://packages.example.org
key='@KEY@'

fail() {
    echo "error: $1" >&2
    [ -z "${2:-}" ] || echo "hint: $2" >&2
    exit 1
}

# Everything is in a function that the last line calls: half a script, of a broken download, does nothing.
main() {
    prefix=
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix | --from)
                [ $# -gt 1 ] || fail "$1 needs a value"
                if [ "$1" = --prefix ]; then prefix=$2; else from=$2; fi
                shift 2
                ;;
            *) fail "no such option: $1" "sh install.sh [--prefix FOLDER] [--from URL]" ;;
        esac
    done
    if [ -z "$prefix" ]; then
        if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
    fi
    for tool in curl ssh-keygen sha256sum tar; do
        command -v "$tool" >/dev/null || fail "$tool is not installed" "sudo apt-get install curl openssh-client coreutils tar"
    done
    [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); there are binaries for Linux"

    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    load SHA256SUMS
    load SHA256SUMS.sig
    echo "release $key" >"$work/signers"
    ssh-keygen -Y verify -f "$work/signers" -I release -n supervisor-sync-release -s "$work/SHA256SUMS.sig" \
        <"$work/SHA256SUMS" >/dev/null 2>&1 ||
        fail "SHA256SUMS of $from is not signed by the key in this script; nothing was installed"

    machine=$(uname -m)
    archive=$(sed -n "s/^[0-9a-f]*  \(supervisor-sync-[0-9][0-9.]*-linux-$machine\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS")
    [ -n "$archive" ] || fail "$from has no binary for $machine"
    load "$archive"
    (cd "$work" && grep "  $archive\$" SHA256SUMS | sha256sum --check --status) ||
        fail "$archive is not what was signed; nothing was installed" "load it again: sh install.sh --from $from"
    tar -xzf "$work/$archive" -C "$work"
    unpacked=$work/${archive%.tar.gz}

    mkdir -p "$prefix/bin" "$prefix/share" || fail "cannot write to $prefix" "sudo sh install.sh, or --prefix FOLDER"
    cp -R "$unpacked/share/." "$prefix/share/"
    # Beside the old one and renamed over it: whoever starts it meanwhile gets one or the other.
    cp "$unpacked/supervisor-sync" "$prefix/bin/.supervisor-sync.new"
    mv "$prefix/bin/.supervisor-sync.new" "$prefix/bin/supervisor-sync"
    echo "Installed $("$prefix/bin/supervisor-sync" --version) to $prefix/bin"
    case :$PATH: in
        *:"$prefix/bin":*) ;;
        *) echo "note: $prefix/bin is not on your PATH" ;;
    esac
}

# load NAME: a file of the release to the work folder.
load() {
    curl -fsSL --proto '=https,http,file' --retry 2 -o "$work/$1" "$from/$1" ||
        fail "cannot load $from/$1" "is that where the release is? sh install.sh --from URL"
}

main "$@"
