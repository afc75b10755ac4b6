/* SPDX-License-Identifier: GPL-2.0-only */
#define CRYPTODEV_TINY 1
