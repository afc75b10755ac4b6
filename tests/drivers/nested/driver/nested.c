// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>
#include "common.h"

static int __init nested_init(void)
{
	return NESTED_RESULT;
}

static void __exit nested_exit(void)
{
}

module_init(nested_init);
module_exit(nested_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
