# SPDX-License-Identifier: GPL-2.0-or-later
# What shell functions say: through the pipe that bb listens to, or plainly where there is none.
LOGFIFO = "${T}/fifo.${@os.getpid()}"

dlkm_say() {
	dlkm_kind=$1; shift
	if [ -p "${LOGFIFO}" ]; then
		printf '%b\0' "$dlkm_kind $*" > "${LOGFIFO}"
	else
		echo "$*"
	fi
}
bbplain() {
	dlkm_say bbplain "$*"
}
bbnote() {
	dlkm_say bbnote "$*"
}
bbverbnote() {
	dlkm_say bbverbnote "$*"
}
bbwarn() {
	dlkm_say bbwarn "$*"
}
bberror() {
	dlkm_say bberror "$*"
}
bbfatal() {
	dlkm_say bbfatal "$*"
	exit 1
}
bbfatal_log() {
	dlkm_say bbfatal_log "$*"
	exit 1
}
bbdebug() {
	dlkm_level=$1; shift
	dlkm_say bbdebug "$dlkm_level $*"
}
die() {
	bbfatal_log "$*"
}
