# SPDX-License-Identifier: 0BSD
# What stands in front of maintainer scripts (package/scripts.py): free of conditions, as it goes into others' packages.
# Nothing is sent to /dev/null: a root that is being made may have none, and then it would be made.
#---
# For kernel @RELEASE@ alone. depmod minds whatever root this is; a module is loaded only on the running
# system itself, when that is its kernel: not in a chroot, a container or an image that is being made.
D=@ROOT@
dlkm_release=@RELEASE@
dlkm_tree="$D/lib/modules/$dlkm_release"

depmod() {
	[ -d "$dlkm_tree" ] || return 0
	if [ -e "$dlkm_tree/modules.order" ] || [ -e "$dlkm_tree/modules.builtin" ] ||
		find "$dlkm_tree/" -name '*.ko*' | grep -q .; then
		# BusyBox's shell takes a depmod that it has itself for found even where it then cannot start it (127).
		dlkm_status=127
		if dlkm_found=$(unset -f depmod && command -v depmod); then
			(unset -f depmod && depmod "$@") && dlkm_status=0 || dlkm_status=$?
		fi
		[ "$dlkm_status" -ne 127 ] || echo "no depmod here: modules of $dlkm_release are found once it was run" >&2
		[ "$dlkm_status" -eq 127 ] || return "$dlkm_status"
	else
		# The kernel has gone, and now the last module: so does the index of what is no more.
		rm -f "$dlkm_tree"/modules.*
		find "$dlkm_tree" -depth -type d -exec rmdir --ignore-fail-on-non-empty '{}' ';'
	fi
}

depmodwrapper() {
	depmod -a -b "$D" "$dlkm_release"
}

modprobe() {
	dlkm_on_target || return 0
	(unset -f modprobe && modprobe "$@")
}

# The kernel has a module of that name itself: what an initramfs holds would be loaded before ours is there.
dlkm_initramfs() {
	[ -z "$D" ] || return 0
	if [ -e "/boot/initrd.img-$dlkm_release" ] && dlkm_found=$(command -v update-initramfs); then
		update-initramfs -u -k "$dlkm_release"
	elif [ -e "/boot/initramfs-$dlkm_release.img" ] && dlkm_found=$(command -v dracut); then
		dracut --force "/boot/initramfs-$dlkm_release.img" "$dlkm_release"
	fi
}

dlkm_on_target() {
	[ -z "$D" ] && [ "$(uname -r)" = "$dlkm_release" ] || return 1
	[ ! -e /run/systemd/container ] && [ ! -e /run/.containerenv ] && [ ! -e /.dockerenv ] || return 1
	dlkm_own=$(stat -L -c %d:%i / 2>&1) || return 1
	dlkm_init=$(stat -L -c %d:%i /proc/1/root 2>&1) || return 1
	[ "$dlkm_own" = "$dlkm_init" ]
}

