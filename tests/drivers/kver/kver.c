// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init kver_init(void)
{
	return 0;
}

static void __exit kver_exit(void)
{
}

module_init(kver_init);
module_exit(kver_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
