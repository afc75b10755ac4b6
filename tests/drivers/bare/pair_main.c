// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init pair_init(void)
{
	return 0;
}

static void __exit pair_exit(void)
{
}

module_init(pair_init);
module_exit(pair_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
