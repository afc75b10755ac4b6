// SPDX-License-Identifier: GPL-2.0-or-later
/* Needs the other one, and takes long enough in its init() to have that one's words in its log. */
#include <linux/delay.h>
#include <linux/module.h>

int late_number(void);

static int __init after_init(void)
{
	msleep(200);
	pr_info("after: number %d\n", late_number());
	return 0;
}

static void __exit after_exit(void)
{
}

module_init(after_init);
module_exit(after_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Loaded after one that logs late");
