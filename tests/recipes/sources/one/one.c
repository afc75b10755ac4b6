// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#ifndef GREETING
#define GREETING "one"
#endif

static int __init one_init(void)
{
	pr_info("%s\n", GREETING);
	return 0;
}

static void __exit one_exit(void)
{
}

module_init(one_init);
module_exit(one_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("One line at load");
