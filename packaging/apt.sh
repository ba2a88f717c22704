#!/usr/bin/env bash
# Makes or extends a signed apt repository of plain files, which any web server or bucket can serve. The
# packages of earlier releases stay in it.
#
#   packaging/apt.sh REPOSITORY GPG_KEY DEB...
set -euo pipefail
cd "$1"
key=$2
shift 2

pool=pool/main/s/supervisor-sync
suite=dists/stable
mkdir -p "$pool"
cp "$@" "$pool/"
rm -rf "$suite"
for cpu in amd64 arm64; do
    mkdir -p "$suite/main/binary-$cpu"
    apt-ftparchive --arch "$cpu" packages "$pool" >"$suite/main/binary-$cpu/Packages"
    gzip -9nk "$suite/main/binary-$cpu/Packages"
done
apt-ftparchive -o APT::FTPArchive::Release::Origin=supervisor-sync \
    -o APT::FTPArchive::Release::Label=supervisor-sync \
    -o APT::FTPArchive::Release::Suite=stable \
    -o APT::FTPArchive::Release::Codename=stable \
    -o APT::FTPArchive::Release::Architectures='amd64 arm64' \
    -o APT::FTPArchive::Release::Components=main \
    release "$suite" >Release.new
mv Release.new "$suite/Release"
gpg --batch --yes --local-user "$key" --clearsign --output "$suite/InRelease" "$suite/Release"
gpg --batch --yes --local-user "$key" --armor --detach-sign --output "$suite/Release.gpg" "$suite/Release"
gpg --batch --yes --armor --export --output supervisor-sync.asc "$key"
