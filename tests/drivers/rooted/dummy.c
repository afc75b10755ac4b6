// SPDX-License-Identifier: GPL-2.0-or-later
/* Has the name of a module of the kernel's own. */
#include <linux/init.h>
#include <linux/module.h>

static int __init dummy_init(void)
{
	pr_info("the one that is not the kernel's\n");
	return 0;
}
module_init(dummy_init);

static void __exit dummy_exit(void)
{
}
module_exit(dummy_exit);

MODULE_DESCRIPTION("The twin of a module of the kernel's");
MODULE_LICENSE("GPL");
