// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init bare_makefile_init(void)
{
	return 0;
}

static void __exit bare_makefile_exit(void)
{
}

module_init(bare_makefile_init);
module_exit(bare_makefile_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
