// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

int nobody_exports_this(void);

static int __init unresolved_init(void)
{
	return nobody_exports_this();
}

static void __exit unresolved_exit(void)
{
}

module_init(unresolved_init);
module_exit(unresolved_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
