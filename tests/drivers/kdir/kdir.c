// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init kdir_init(void)
{
	return 0;
}

static void __exit kdir_exit(void)
{
}

module_init(kdir_init);
module_exit(kdir_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
