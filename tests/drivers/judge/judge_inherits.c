// SPDX-License-Identifier: GPL-2.0-or-later
/* Uses a proprietary module and no GPL-only symbol. */
#include <linux/module.h>

int judge_closed(void);

static int __init judge_inherits_init(void)
{
	return judge_closed() == 5 ? 0 : -EIO;
}

static void __exit judge_inherits_exit(void)
{
}

module_init(judge_inherits_init);
module_exit(judge_inherits_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
