// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init two_faced_init(void)
{
	return 0;
}

static void __exit two_faced_exit(void)
{
}

module_init(two_faced_init);
module_exit(two_faced_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
