/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that the judge's modules are built for. */
#include <linux/version.h>

/* A namespace's name: a string since 6.13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define ROOM(name) #name
#else
#define ROOM(name) name
#endif
