// SPDX-License-Identifier: GPL-2.0-only
/* @MODULE@: what it drives, and for whom. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static bool chatty;
module_param(chatty, bool, 0644);
MODULE_PARM_DESC(chatty, "say more in the kernel's log");

static int __init @MODULE@_init(void)
{
	pr_info("loaded%s\n", chatty ? ", and chatty" : "");
	return 0;
}

static void __exit @MODULE@_exit(void)
{
	pr_info("unloaded\n");
}

module_init(@MODULE@_init);
module_exit(@MODULE@_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The @MODULE@ driver");
MODULE_VERSION("1.0");
