# SPDX-License-Identifier: GPL-2.0-or-later
# Learns what a kernel's Makefiles find out about the compiler before they compile anything, and its answers.
#   sh -c TEXT probe.sh KERNEL DRIVER [NAME COMPILER]…   NAME is what the kernel may call that compiler
# On standard output: NAME STATUS WORD… for each question, without the output; \037 between them, NUL at the end.
kernel=$1 driver=$2
shift 2
place=/tmp/dlkm-probe
mkdir "$place"
while [ $# -gt 1 ]; do
    name=$1 compiler=$2
    shift 2
    printf '#!/bin/sh\ncompiler=%s told=%s\n' "$compiler" "$place/told" >"$place/$name"
    cat >>"$place/$name" <<'END'
"$compiler" "$@"
status=$?
IFS=$(printf '\037')
case "$*" in
    *"$IFS/dev/null$IFS-o$IFS"*) printf '%s\0' "${0##*/}$IFS$status$IFS${*%"$IFS-o$IFS"*}" >>"$told" ;;
esac
exit $status
END
    chmod +x "$place/$name"
done
MAKEFLAGS='' PATH=$place:$PATH make -C "$kernel" M="$driver" modules >/dev/null 2>&1
[ ! -f "$place/told" ] || cat "$place/told"
