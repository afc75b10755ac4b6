# SPDX-License-Identifier: GPL-2.0-or-later
# uname as the target answers it; `release` and `machine` are set above this line.
# Fields come in the order of uname(1), whatever the order of the options.
wanted=
for option; do
    case $option in
        --all) wanted=${wanted}a ;;
        --kernel-name) wanted=${wanted}s ;;
        --nodename) wanted=${wanted}n ;;
        --kernel-release | --release) wanted=${wanted}r ;;
        --kernel-version) wanted=${wanted}v ;;
        --machine) wanted=${wanted}m ;;
        --processor) wanted=${wanted}p ;;
        --hardware-platform) wanted=${wanted}i ;;
        --operating-system) wanted=${wanted}o ;;
        --help | --version) echo 'uname: answers for the kernel that is built for'; exit 0 ;;
        -*[!asnrvmpio]* | --* | [!-]*) echo "uname: invalid option '$option'" >&2; exit 1 ;;
        -*) wanted=$wanted${option#-} ;;
    esac
done
[ -n "$wanted" ] || wanted=s
case $wanted in *a*) wanted=snrvmo ;; esac
answer=
field() {
    case $wanted in *"$1"*) answer="$answer${answer:+ }$2" ;; esac
}
field s Linux
field n dlkm
field r "$release"
field v '#1 SMP'
field m "$machine"
field p unknown
field i unknown
field o GNU/Linux
echo "$answer"
