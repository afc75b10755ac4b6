// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

static int __init no_goal_init(void)
{
	return 0;
}

static void __exit no_goal_exit(void)
{
}

module_init(no_goal_init);
module_exit(no_goal_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A driver for the tests of the build");
