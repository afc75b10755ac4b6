# SPDX-License-Identifier: GPL-2.0-or-later
# Python of this machine.
PYTHON_BASEVERSION = "3.13"
PYTHON_DIR = "python${PYTHON_BASEVERSION}"
PYTHON_PN = "python3"
PYTHON_SITEPACKAGES_DIR = "${libdir}/${PYTHON_DIR}/site-packages"
