// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init single_init(void)
{
	return 0;
}

static void __exit single_exit(void)
{
}

module_init(single_init);
module_exit(single_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
