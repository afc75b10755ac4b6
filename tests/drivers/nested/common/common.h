/* SPDX-License-Identifier: GPL-2.0-or-later */
#define NESTED_RESULT 0
