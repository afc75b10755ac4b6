#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs what a dkms.conf says, with the variables that DKMS promises it.
#   dkms.sh conf NAME VERSION   source dkms.conf; on standard output: NAME NUL INDEX NUL VALUE NUL …
#   dkms.sh run NAME VERSION COMMAND   evaluate a command in the current directory
#   dkms.sh make NAME VERSION COMMAND STRIP [MODULE]...   then take debug information out of modules, as far as it goes
#   dkms.sh after NAME VERSION COMMAND [MODULE]...   only where those modules were made
# The environment has DKMS_RELEASE, DKMS_MACHINE, DKMS_KERNEL, DKMS_TREE, DKMS_SOURCE; DKMS_ARRAYS, DKMS_SINGLE and
# DKMS_PATTERNS hold words of the table.
kernelver=$DKMS_RELEASE arch=$DKMS_MACHINE kernel_source_dir=$DKMS_KERNEL
kernel_config=$kernel_source_dir/.config dkms_tree=$DKMS_TREE source_tree=$DKMS_SOURCE install_tree=/lib/modules
parallel_jobs=${DKMS_JOBS:-1} current_os=Linux
action=$1 module=$2 module_version=$3

# A conf file's values are evaluated twice by DKMS, blanks in a row taken for one: drivers rely on it.
settled() {
    local text=${1%$'\r'}
    set -f
    text=$(echo $text)
    eval "text=\"$text\""
    set +f
    printf '%s' "$text"
}

told() {
    printf '%s\0' "$@" >&3
}

matches() {
    local subject=$kernelver
    [ "$2" = machine ] && subject=$arch
    [[ $subject =~ $1 ]] && echo yes || echo no
}

read_conf() {
    local word index subject
    exec 3>&1 1>&2
    . ./dkms.conf
    for word in $DKMS_ARRAYS $DKMS_SINGLE; do
        local -n values=$word
        for index in "${!values[@]}"; do
            told "$word" "$index" "$(settled "${values[index]}")"
        done
    done
    for word in $DKMS_PATTERNS; do
        subject=${word#*=}
        word=${word%%=*}
        local -n values=$word
        for index in "${!values[@]}"; do
            told "$word?" "$index" "$(matches "$(settled "${values[index]}")" "$subject")"
        done
    done
}

# DKMS takes no notice when strip fails.
make_and_strip() {
    local module strip=$2
    (eval "$1") || exit
    for module in "${@:3}"; do
        [ ! -f "$module" ] || "$strip" -g "./$module"
    done
    exit 0
}

run_after() {
    local module
    for module in "${@:2}"; do
        [ -f "$module" ] || exit 1
    done
    eval "$1"
}

# DKMS keeps the sources there too; in the sandbox nothing else is.
case $DKMS_LINK in
    link) ln -sfn "$PWD" "$DKMS_SOURCE/$module-$module_version" ;;
    copy)
        cp -a . "$DKMS_SOURCE/$module-$module_version"
        [ ! -d .usr-src ] || cp -a .usr-src/. "$DKMS_SOURCE"
        ;;
esac

case $action in
    conf) read_conf ;;
    run) eval "$4" ;;
    make) make_and_strip "${@:4}" ;;
    after) run_after "${@:4}" ;;
esac
