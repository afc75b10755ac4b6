// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init kernel_dir_init(void)
{
	return 0;
}

static void __exit kernel_dir_exit(void)
{
}

module_init(kernel_dir_init);
module_exit(kernel_dir_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
