# SPDX-License-Identifier: GPL-2.0-or-later
# The compiler, `compiler`. What the kernel's Makefiles ask of it before they compile anything, and what it has answered
# already, is looked up: the file `answers` sets `status` for the `words` it knows, which are all but the output, with IFS
# between them. `compiler`, `answers` and IFS, which is a letter that no word holds, are set above this line.
words=${*%"$IFS-o$IFS"*} output=${*##*"$IFS-o$IFS"}
case $words in
    *"$IFS/dev/null")
        case $output in
            *"$IFS"*) ;;
            *)
                status=
                . "$answers"
                [ "$status" != 0 ] || : >"$output"
                [ -z "$status" ] || exit "$status"
                ;;
        esac
        ;;
esac
exec "$compiler" "$@"
