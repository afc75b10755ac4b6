// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init options_init(void)
{
	return OPTIONS_RESULT;
}

static void __exit options_exit(void)
{
}

module_init(options_init);
module_exit(options_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
