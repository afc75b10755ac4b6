#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Collects on a machine what dlkm needs to know of its running kernel. Reads only; writes to standard output.
#   sh snapshot.sh > FILE          then, elsewhere:  dlkm check MODULE -k snapshot:FILE
# Any user, any POSIX shell (busybox is enough). What may not be read is noted as missing.
PATH=$PATH:/sbin:/usr/sbin:/bin:/usr/bin
LC_ALL=C
export PATH LC_ALL
release=$(uname -r)
modules=/lib/modules/$release
[ -d "$modules" ] || modules=/usr/lib/modules/$release

# Each line of some output behind a blank; an empty line ends it.
text() {
    name=$1
    shift
    printf 'text %s\n' "$name"
    "$@" 2>/dev/null | sed 's/^/ /'
    echo
}

lines() {
    if [ -r "$2" ]; then text "$1" cat "$2"; else printf 'none %s %s\n' "$1" "$2"; fi
}

# A file's bytes, their number before them; files over 96 MiB are left out.
file() {
    size=$(wc -c 2>/dev/null <"$2" | tr -d ' ')
    if [ -r "$2" ] && [ "${size:-0}" -gt 0 ] && [ "$size" -le 100663296 ]; then
        printf 'file %s %s\n' "$1" "$size"
        cat "$2"
        echo
    else
        printf 'none %s %s\n' "$1" "$2"
    fi
}

# The first of several that can be read.
first() {
    name=$1
    shift
    for path; do
        if [ -f "$path" ] && [ -r "$path" ]; then
            file "$name" "$path"
            return
        fi
    done
    printf 'none %s %s\n' "$name" "$1"
}

folder() {
    for path in "$1"/*; do
        case ${path##*/} in
            *[!A-Za-z0-9._-]*) ;;
            *) if [ -f "$path" ]; then file "$2/${path##*/}" "$path"; fi ;;
        esac
    done
}

loaded() {
    for path in /sys/module/*/initstate; do
        module=${path%/initstate}
        [ -r "$path" ] || continue
        printf '%s %s %s %s\n' "${module##*/}" "$(word "$module/version")" "$(word "$module/srcversion")" \
            "$(word "$module/taint")"
    done
}

word() {
    value=
    if [ -r "$1" ]; then read -r value <"$1"; fi
    case $value in
        '' | *' '*) echo - ;;
        *) echo "$value" ;;
    esac
}

names() { cd "$1" 2>/dev/null && find . -name '*.ko' -o -name '*.ko.gz' -o -name '*.ko.xz' -o -name '*.ko.zst'; }

facts() {
    names "$1" | sort | (cd "$1" && xargs modinfo) |
        grep -E '^(filename|vermagic|version|srcversion|intree|depends|sig_id|signer|sig_key):'
}

# One of the kernel's own modules, whole: it carries the vermagic, the size of struct module, the key it is signed with.
sample() {
    name=$(head -n 1 "$modules/modules.order" 2>/dev/null)
    for name in "$name" "$name.xz" "$name.zst" "$name.gz" "$(names "$modules" | grep '^\./kernel/' | head -n 1)"; do
        name=${name#./}
        case $name in
            kernel/*) if [ -r "$modules/$name" ]; then file "module/$name" "$modules/$name" && return; fi ;;
        esac
    done
}

collect() {
    echo 'dlkm-snapshot 1'
    text release uname -r
    text machine uname -m
    lines version /proc/version
    lines os-release /etc/os-release
    first config /proc/config.gz "/boot/config-$release" "$modules/config"
    first image "/boot/vmlinuz-$release" "$modules/vmlinuz" "/boot/Image-$release" "/boot/vmlinux-$release"
    first symvers "$modules/symvers.xz" "$modules/symvers.gz" "$modules/symvers.zst" "/boot/symvers-$release.xz" \
        "/boot/symvers-$release.gz" "$modules/build/Module.symvers"
    file btf /sys/kernel/btf/vmlinux
    if [ -r /proc/kallsyms ]; then
        # Names without addresses, which are nobody's business.
        text kallsyms sed 's/^[0-9a-f]* //' /proc/kallsyms
    else
        echo 'none kallsyms /proc/kallsyms'
    fi
    for list in builtin builtin.modinfo order dep symbols alias softdep; do
        [ -r "$modules/modules.$list" ] && file "modules/modules.$list" "$modules/modules.$list"
    done
    sample
    text files names "$modules"
    text facts facts "$modules"
    text loaded loaded
    lines modules /proc/modules
    lines cmdline /proc/cmdline
    lines tainted /proc/sys/kernel/tainted
    lines modules_disabled /proc/sys/kernel/modules_disabled
    lines sig_enforce /sys/module/module/parameters/sig_enforce
    lines lockdown /sys/kernel/security/lockdown
    lines keys /proc/keys
    for key in /sys/firmware/efi/efivars/db-* /sys/firmware/efi/efivars/dbx-* /sys/firmware/efi/efivars/MokListRT-* \
        /sys/firmware/efi/efivars/SecureBoot-*; do
        [ -r "$key" ] && file "efivars/${key##*/}" "$key"
    done
    for place in /usr/lib /lib /run /etc; do
        folder "$place/modprobe.d" "modprobe.d$place"
        folder "$place/modules-load.d" "modules-load.d$place"
    done
    echo end
}

if command -v gzip >/dev/null 2>&1; then collect | gzip -c; else collect; fi
