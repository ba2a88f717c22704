#!/usr/bin/env bash
# Packs a .deb into a folder: for one CPU, or, for `all`, the one that has the binaries for every CPU, so
# that a controller can bring each host its own.
#
# With Debian's own tool: the package is a tree and four short texts, which a packer for Rust would want
# to be told just the same.
#
#   packaging/deb.sh VERSION amd64 BINARY SHARE OUT       SHARE as packaging/tree.sh made it
#   packaging/deb.sh VERSION all BINARIES OUT             a folder of supervisor-sync-linux-MACHINE
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 cpu=$2
maintainer='The supervisor-sync contributors <supervisor-sync@packages.example.org>'
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir "$root/DEBIAN"

if [ "$cpu" = all ]; then
    name=supervisor-sync-binaries out=$4
    doc=$root/usr/share/doc/$name
    mkdir -p "$doc"
    install -D -m 755 -t "$root/usr/lib/supervisor-sync" "$3"/supervisor-sync-linux-*
    fields='Section: admin
Enhances: supervisor-sync
Description: supervisor-sync for hosts with other CPUs
 The program for each CPU that it is released for. supervisor-sync brings a
 host the one that fits, if that host has another CPU than the machine it is
 run on.'
    overrides='# What is here is carried to hosts of its kind; nothing of it runs on this machine.
arch-independent-package-contains-binary-or-object
undeclared-elf-prerequisites
'
else
    name=supervisor-sync out=$5
    doc=$root/usr/share/doc/$name
    mkdir "$root/usr"
    cp -r "$4" "$root/usr/share"
    mv "$doc/CHANGELOG.md" "$doc/changelog"
    mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
    gzip -9n "$doc/changelog" "$root"/usr/share/man/man1/*.1
    install -D -m 755 -t "$root/usr/bin" "$3"
    install -D -m 755 -t "$root/usr/lib/supervisor-sync" packaging/supervisor-{sync,restart}.sh
    install -D -m 644 examples/deployer.yml "$root/etc/supervisor-sync/deployer.yml.example"
    echo /etc/supervisor-sync/deployer.yml.example >"$root/DEBIAN/conffiles"
    # Off until somebody enables the timer, and nothing to do before there is a pull.yml.
    install -D -m 644 -t "$root/usr/lib/systemd/system" packaging/pull/supervisor-sync-pull.*
    install -m 755 packaging/prerm packaging/postrm "$root/DEBIAN"
    fields='Section: admin
Depends: libc6 (>= 2.17)
Recommends: openssh-client
Suggests: supervisor, logrotate, supervisor-sync-binaries
Description: make the programs under supervisord match an inventory
 Which queue workers, schedulers and websocket servers should run stands in
 one file. supervisor-sync shows what it would change, on one server or many,
 applies it as one transaction, watches the programs, and takes it back if one
 of them fails.'
    overrides=
fi
overrides+='# It names the file in a hint: who holds the lock.
uses-dpkg-database-directly'

cat - LICENSE-MIT >"$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: supervisor-sync

Files: *
Copyright: 2026 The supervisor-sync contributors
License: MIT or Apache-2.0

License: Apache-2.0
 On Debian systems it is in /usr/share/common-licenses/Apache-2.0.

License: MIT
END
sed -i '/^License: MIT$/,${/^License: MIT$/!{s/^$/./;s/^/ /}}' "$doc/copyright"

# One entry a release, as Debian wants them; what changed is in the changelog of the program itself.
sed -nE 's/^## ([0-9][0-9.]*) .*([0-9]{4}-[0-9]{2}-[0-9]{2}).*/\1 \2/p' CHANGELOG.md |
    while read -r release day; do
        printf '%s (%s-1) stable; urgency=medium\n\n  * Release %s.\n\n -- %s  %s\n\n' "$name" "$release" \
            "$release" "$maintainer" "$(date -uR -d "$day")"
    done | gzip -9n >"$doc/changelog.Debian.gz"

install -d "$root/usr/share/lintian/overrides"
sed "s/^[^#].*/$name: & */" <<<"$overrides" >"$root/usr/share/lintian/overrides/$name"
chmod 644 "$root/usr/share/lintian/overrides/$name"
cat >"$root/DEBIAN/control" <<END
Package: $name
Version: $version-1
Architecture: $cpu
Maintainer: $maintainer
Priority: optional
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
$fields
END
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${name}_$version-1_$cpu.deb" >/dev/null
