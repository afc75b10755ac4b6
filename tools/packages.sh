#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the system packages that are missing: as root directly, otherwise through sudo after showing the list.
set -eu

# Libraries come with those that need them (libelf1 with libelf-dev, libarchive13 with libarchive-tools): their own names differ
# between releases of Debian.
wanted='bc binutils bubblewrap gcc gcc-12 kmod libc6-dev make openssl python3-venv qemu-system-x86 xz-utils zstd
        liblzo2-2 lz4 lzop gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm debian-archive-keyring
        e2fsprogs libarchive-tools rpm gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-riscv64-linux-gnu
        pahole bison cpio flex libelf-dev libssl-dev patch openssh-server busybox-static dash git wget
        lintian rpmlint gpg gpg-agent'

if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is no Debian system; install what these packages hold: $(echo $wanted)" >&2
    exit 0
fi

missing=
for package in $wanted; do
    case $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

install="apt-get install --yes --no-install-recommends$missing"
echo "setup: missing packages:$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && sudo -v; then
    sudo=sudo
else
    echo "setup: run as root: apt-get update && $install" >&2
    exit 4
fi
export DEBIAN_FRONTEND=noninteractive
# The lists may be missing or stale on a fresh machine; other people's broken sources are no reason to stop.
$sudo apt-get -qq update || echo 'setup: apt-get update had errors; trying all the same' >&2
$sudo $install >/dev/null
