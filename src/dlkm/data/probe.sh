# SPDX-License-Identifier: GPL-2.0-or-later
# Learns what a kernel's Makefiles find out about the toolchain before they compile anything, and the answers.
#   sh -c TEXT probe.sh KERNEL DRIVER [NAME COMPILER]…   NAME is what the kernel may call that compiler
# On standard output, with \037 between words and NUL at the end, without what was put out:
#   NAME STATUS WORD…         what that compiler was asked
#   try-run STATUS COMMANDS   what make let the shell find out, to the letter
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
# The kernel's own try-run, whatever it looks like, gives way to this one. TMP and TMPO are what commands may write to.
cat >"$place/ask.mk" <<'END'
define dlkm-line


endef
dlkm-asked = $(shell TMP=$$(mktemp -d)/tmp; TMPO=$$TMP.o; if ($(1)) >/dev/null 2>&1; then echo 0; else echo 1; fi)
dlkm-noted = $(if $(findstring $(dlkm-line),$(1)),,$(file >>$(dlkm-told),try-run$(dlkm-between)$(2)$(dlkm-between)$(1)$(dlkm-end)))
dlkm-said = $(call dlkm-noted,$(1),$(2))$(if $(filter 0,$(2)),$(3),$(4))
override try-run = $(call dlkm-said,$(1),$(call dlkm-asked,$(1)),$(2),$(3))
END
printf 'dlkm-told := %s\ndlkm-between := \037\ndlkm-end := \036\n' "$place/asked" >>"$place/ask.mk"
MAKEFILES=$place/ask.mk MAKEFLAGS='' PATH=$place:$PATH make -C "$kernel" M="$driver" modules >/dev/null 2>&1
[ ! -f "$place/told" ] || cat "$place/told"
[ ! -f "$place/asked" ] || tr -d '\n' <"$place/asked" | tr '\036' '\0'
