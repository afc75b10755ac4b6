// SPDX-License-Identifier: GPL-2.0-or-later
/* A module that loads as it should, and takes the kernel with it when it goes. */
#include <linux/init.h>
#include <linux/module.h>

static int __init leaves_init(void)
{
	return 0;
}

static void __exit leaves_exit(void)
{
	*(volatile int *)8 = 1;
}

module_init(leaves_init);
module_exit(leaves_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The dlkm authors");
MODULE_DESCRIPTION("Crashes when it is unloaded");
