// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init deep_init(void)
{
	return 0;
}

static void __exit deep_exit(void)
{
}

module_init(deep_init);
module_exit(deep_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
