# SPDX-License-Identifier: GPL-2.0-or-later
# Sources with the line ends of another system.
do_convert_crlf_to_lf[dirs] = "${S}"
do_convert_crlf_to_lf() {
	find . -type f -exec grep -lI "$(printf '\r')" {} + | xargs -r sed -i 's/\r$//'
}
addtask convert_crlf_to_lf after do_unpack before do_patch
