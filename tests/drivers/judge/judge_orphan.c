// SPDX-License-Identifier: GPL-2.0-or-later
/* Uses what judge_absent gives. */
#include <linux/module.h>

int judge_absent(void);

static int __init judge_orphan_init(void)
{
	return judge_absent() == 6 ? 0 : -EIO;
}

static void __exit judge_orphan_exit(void)
{
}

module_init(judge_orphan_init);
module_exit(judge_orphan_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
