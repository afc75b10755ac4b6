#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs a build on a worker, in the directory that holds its inputs (build/request.py lays them out): source/ is the
# driver, kernel/ has the kernel's directories, dlkm/ this script, the tools and the plan, which is shell text too.
# Leaves out/: log, statuses, place, told, driver/ with the modules, root/ with what was installed.
# Ends with 0 when all went well, 1 when a step failed, 120 when this worker has another toolchain than the one asked for,
# 121 when it cannot build as asked.
set -u
umask 022
here=$(pwd -P)
[ "$here" != / ] || here=
work=$here/build out=$here/out dkms=$here/build/dkms stopped=
jobs=$(nproc 2>/dev/null || echo 1)

# The plan gives: hermetic, yard, foreign; kernel, which calls bind and link; sandboxed and bare, which call step.
. "$here/dlkm/plan"
system=${hermetic:+$here}

fail() {
    status=$1
    shift
    echo "dlkm: $*" >&2
    exit "$status"
}

mount() {
    printf '%s\0' "$@" >>"$work/mounts"
}

entry() {
    if [ -L "$1" ]; then
        mount --symlink "$(readlink "$1")" "$2"
    elif [ -e "$1" ]; then
        mount --ro-bind "$1" "$2"
    fi
}

# What lies in a directory, but for some names: bubblewrap has no overlays, so it is shown piece by piece.
children() {
    for path in "$1"/* "$1"/.[!.]*; do
        name=${path##*/} skip=
        for pattern in $3; do
            case $name in $pattern) skip=yes ;; esac
        done
        [ -n "$skip" ] || entry "$path" "$2/$name"
    done
}

bind() {
    mount --ro-bind "$here/kernel$1" "$1"
}

# A mount point is not looked for through links: with a merged /usr, /lib/modules is /usr/lib/modules.
link() {
    case $2 in
        /lib/*) [ -L "$system/lib" ] && mount --symlink "$1" "/usr$2" || mount --symlink "$1" "$2" ;;
        *) mount --symlink "$1" "$2" ;;
    esac
}

# Our uname and depmod over the machine's, for who calls them by their path; depmod most often is one of kmod's names.
covers() {
    for path in /usr/bin/uname /bin/uname; do
        if [ -f "$system$path" ] && [ ! -L "$system$path" ] && [ ! -L "$system${path%/*}" ]; then
            mount --ro-bind "$work/tools/uname" "$path"
        fi
    done
    real=$(readlink -f "$system/usr/sbin/depmod" || readlink -f "$system/sbin/depmod") || return 0
    place=${real#"$system"}
    case ${real##*/} in
        depmod) mount --ro-bind "$work/tools/depmod" "$place" ;;
        kmod)
            mount --ro-bind "$real" /build/kmod/kmod
            for name in insmod lsmod modinfo modprobe rmmod; do
                mount --symlink kmod "/build/kmod/$name"
            done
            mount --ro-bind "$work/tools/dlkm-kmod" "$place"
            ;;
    esac
}

# The same as build/mounts.py.
mounts() {
    : >"$work/mounts"
    mount --die-with-parent --new-session --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try
    mount --hostname dlkm --cap-drop ALL
    [ "$(id -u)" = 0 ] || mount --unshare-user --uid 0 --gid 0
    mount --tmpfs / --proc /proc --dev /dev --tmpfs /tmp --tmpfs /var/tmp
    mount --dir /run --dir /build/home --dir /usr/src --dir /usr/lib/modules
    children "$system/usr" /usr 'src lib'
    children "$system/usr/lib" /usr/lib 'modules linux-kbuild-*'
    for name in bin sbin lib lib32 lib64 libx32; do
        if [ "$name" = lib ] && [ ! -L "$system/lib" ]; then
            children "$system/lib" /lib modules
        else
            entry "$system/$name" "/$name"
        fi
    done
    for name in alternatives ld.so.cache ld.so.conf ld.so.conf.d; do
        entry "$system/etc/$name" "/etc/$name"
    done
    mount --ro-bind "$here/dlkm/etc/passwd" /etc/passwd --ro-bind "$here/dlkm/etc/group" /etc/group
    for path in $foreign; do
        mount --ro-bind "$system$path" "$path"
    done
    kernel
    mount --bind "$work/driver" /build/driver --bind "$work/root" /build/root --bind "$work/dkms" /var/lib/dkms
    mount --ro-bind "$work/tools" /build/tools
    covers
    for name in version sys/kernel/osrelease sys/kernel/version; do
        case $name in sys/kernel/version) file=kernel-version ;; *) file=${name##*/} ;; esac
        mount --ro-bind "$here/dlkm/proc/$file" "/proc/$name"
    done
}

in_sandbox() {
    folder=$1
    shift
    bwrap --args 9 --clearenv --chdir "$folder" -- /usr/bin/env -i "$@" 9<"$work/mounts"
}

in_place() {
    (cd "$1" && shift && exec env -i "$@")
}

# step REQUIRED TOLD SILENT FOLDER SHOWN [NAME=VALUE]... COMMAND...
step() {
    required=$1 told=$2 silent=$3 folder=$4 shown=$5
    shift 5
    [ -z "$stopped" ] || return 0
    start=$(date +%s%3N)
    if [ -n "$told" ]; then
        "$run" "$folder" "$@" </dev/null >"$out/told" 2>>"$out/log"
    else
        "$run" "$folder" "$@" </dev/null >>"$out/log" 2>&1
    fi
    status=$?
    echo "$status" >>"$out/statuses"
    tenths=$((($(date +%s%3N) - start + 50) / 100))
    [ -n "$silent" ] || printf '+ %s\n+ status %s, %s.%s seconds\n' "$shown" "$status" $((tenths / 10)) $((tenths % 10)) >>"$out/log"
    [ "$status" = 0 ] || [ -z "$required" ] || stopped=yes
}

if [ -s "$here/dlkm/toolchain" ]; then
    differing=$(sha256sum --check --quiet "$here/dlkm/toolchain" 2>&1) ||
        fail 120 "this worker has not the toolchain of the action: $(echo "$differing" | head -n 3)"
fi
if [ -n "$hermetic" ] && [ -z "$here" ]; then
    dkms=/var/lib/dkms
fi
mkdir -p "$work/tools" "$work/root" "$work/home" "$work/dkms" "$dkms" "$out/driver" "$out/root" || fail 121 'cannot write'
cp -R "$here/source" "$work/driver" && cp -R "$here/dlkm/tools/." "$work/tools" && chmod -R u+w "$work" ||
    fail 121 'cannot copy'
find "$work/driver" -exec touch -h -d '@315532800' {} +
if [ -n "$yard" ]; then
    mkdir -p "$dkms/$yard"
    mv "$work/driver" "$dkms/$yard/build"
    ln -s build "$dkms/$yard/source"
    ln -s "$dkms/$yard/build" "$work/driver"
fi
: >"$out/log"
: >"$out/statuses"

mounts
if [ "$DLKM_PLACE" = sandbox ] && bwrap --args 9 -- /usr/bin/env true 9<"$work/mounts" 2>/dev/null; then
    place=sandbox run=in_sandbox
    sandboxed
elif [ -n "$hermetic" ] && [ -z "$here" ]; then
    # All that there is here are the inputs: the machine looks like the target already.
    place=sandbox run=in_place
    sandboxed
elif [ -n "$hermetic" ]; then
    fail 121 'this worker has no bubblewrap that works, nor a root directory of its own for each action'
else
    place=$(printf "%s\n%s" "$work/driver" "$dkms") run=in_place
    bare
fi
echo "$place" >"$out/place"

(cd "$work/driver/" && find . -type f \( -name '*.ko' -o -name '*.ko.?z' -o -name '*.ko.zst' -o -name Module.symvers \) \
    -exec cp --parents -t "$out/driver" {} +)
cp -R "$work/root/." "$out/root"
rm -rf "$work"
[ -z "$stopped" ]
