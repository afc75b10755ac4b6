/* SPDX-License-Identifier: GPL-2.0-or-later */
int pair_part(int value);
