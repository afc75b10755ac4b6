// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init broken_init(void)
{
	return not_declared_anywhere;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
